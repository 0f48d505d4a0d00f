/** Attributes of OTLP JSON by name: `{"key":"http.method","value":{"stringValue":"GET"}}`. */
import type { ForeignValue } from './import-json.ts'

export interface Attributes {
  /** The first that is there, of its names today and before; '' = none. */
  text(...names: readonly string[]): string
  number(...names: readonly string[]): number | undefined
}

/** @throws ImportError when it is not a list of pairs */
export function attributesOf(list: ForeignValue): Attributes {
  const values = new Map<string, ForeignValue>()
  for (const item of list.list()) values.set(item.get('key').text(), item.get('value'))
  const first = (names: readonly string[]): ForeignValue | undefined => {
    const name = names.find((one) => values.has(one))
    return name === undefined ? undefined : values.get(name)
  }
  return {
    text(...names) {
      const value = first(names)
      if (value === undefined) return ''
      // Captured headers are lists of one.
      const inner = value.get('arrayValue').get('values').list()[0] ?? value
      const number = inner.get('intValue').numberOr(Number.NaN)
      return inner.get('stringValue').textOr(Number.isNaN(number) ? '' : String(number))
    },
    number(...names) {
      const value = first(names)
      if (value === undefined) return undefined
      const told = value.get('intValue').numberOr(value.get('doubleValue').numberOr(Number.NaN))
      const number = Number.isNaN(told) ? value.get('stringValue').numberOr(Number.NaN) : told
      return Number.isInteger(number) && number >= 0 ? number : undefined
    },
  }
}
