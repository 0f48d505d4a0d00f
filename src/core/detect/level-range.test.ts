import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LevelRange } from './level-range.ts'

const HOUR = 3_600_000
const MINUTE = 60_000

function hour(range: LevelRange, index: number, level: number): void {
  for (let minute = 0; minute < 60; minute++) range.push(level, index * HOUR + minute * MINUTE)
}

describe('level range', () => {
  it('forgets all in an idle day', () => {
    const range = new LevelRange()
    hour(range, 0, 1)
    hour(range, 1, 1)
    expect(range.high).toBe(1)
    range.push(0, 30 * HOUR)
    expect(range.high).toBe(Number.NEGATIVE_INFINITY)
    expect(range.low).toBe(Number.POSITIVE_INFINITY)
  })

  it('knows nothing of a burst of minutes in one instant: one hour is not enough', () => {
    const range = new LevelRange()
    for (let minute = 0; minute < 1_000; minute++) range.push(2, 5 * HOUR)
    expect(range.high).toBe(Number.NEGATIVE_INFINITY)
  })

  it('takes the second highest and the second lowest hour of a day, as a naive model does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 60 }), (levels) => {
        const range = new LevelRange()
        for (const [index, level] of levels.entries()) hour(range, index, level)
        const day = levels.slice(-24).toSorted((a, b) => a - b)
        expect(range.high).toBe(day.at(-2) ?? Number.NEGATIVE_INFINITY)
        expect(range.low).toBe(day[1] ?? Number.POSITIVE_INFINITY)
      }),
    )
  })

  it('moves with the point that levels are measured from, and forgets when told', () => {
    const range = new LevelRange()
    hour(range, 0, 1)
    hour(range, 1, 2)
    range.shift(-1)
    expect([range.high, range.low]).toEqual([0, 1])
    range.clear()
    expect(range.high).toBe(Number.NEGATIVE_INFINITY)
  })
})
