/** Numbers of a report with the digits that mean something: three after the point, and no -0. */

/** The same data with every number rounded, what is not finite as null; arrays and plain objects only. */
export function rounded<T>(value: T): T {
  // The shape is that of the argument, number for number.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return walk(value) as T
}

function walk(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.round(value * 1000) / 1000 + 0 : null
  if (Array.isArray(value)) return value.map(walk)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item)]))
}
