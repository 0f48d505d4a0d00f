/** Numbers of a bench in a form that can be read. */

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** @param q 0..1; NaN when there is no value */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits
}
