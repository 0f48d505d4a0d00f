import { array, assert, integer, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CountSpread } from './count-spread.ts'

const spread = (values: readonly number[]): ReturnType<CountSpread['findings']> => {
  const counts = new CountSpread()
  for (const value of values) counts.add(value)
  return counts.findings()
}

describe('a spread of counts', () => {
  test('of nothing is nothing', () => {
    expect(spread([])).toEqual({ count: 0, p50: 0, p99: 0, max: 0, bins: [] })
  })

  test('has bins that double, and a last one to the largest', () => {
    expect(spread([1, 2, 3, 5000]).bins.filter(({ count }) => count > 0)).toEqual([
      { from: 1, to: 1, count: 1 },
      { from: 2, to: 2, count: 1 },
      { from: 3, to: 4, count: 1 },
      { from: 1024, to: 5000, count: 1 },
    ])
  })

  test('has the quantiles of a sorted list, and every value in one bin', () => {
    assert(
      property(array(integer({ min: 1, max: 1023 }), { minLength: 1, maxLength: 200 }), (values) => {
        const { p50, p99, max, bins } = spread(values)
        const sorted = values.toSorted((a, b) => a - b)
        const at = (p: number): number => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!
        expect([p50, p99, max]).toEqual([at(0.5), at(0.99), sorted.at(-1)])
        for (const { from, to, count } of bins) {
          expect(count).toBe(values.filter((value) => value >= from && value <= to).length)
        }
        expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(values.length)
      }),
    )
  })
})
