import { describe, expect, it } from 'vitest'
import { FRESH_MS } from '../core/fleet.ts'
import { seeded } from '../core/random.ts'
import { ExchangePace } from './pace.ts'

function mean(of: () => number): number {
  return Array.from({ length: 2000 }, of).reduce((sum, value) => sum + value, 0) / 2000
}

describe('the pace of exchanges', () => {
  const pace = new ExchangePace(seeded(1))

  it('is seldom while there is nothing to tell, and faster the more there is', () => {
    const after = (['quiet', 'restless', 'unwell', 'turning'] as const).map((restlessness) =>
      Math.round(mean(() => pace.after(restlessness, 1, 1)) / 10),
    )
    expect(after).toEqual([100, 50, 20, 10])
  })

  it('is never the same for two replicas that started together', () => {
    const gaps = Array.from({ length: 20 }, () => pace.after('restless', 1, 1))
    expect(new Set(gaps).size).toBe(20)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(400)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(600)
  })

  it('keeps a replica with many topics below 45 exchanges a second', () => {
    const load = 60 * ExchangePace.load('unwell')
    expect((60 * 1000) / mean(() => pace.after('unwell', load, 1))).toBeLessThanOrEqual(46)
  })

  it('tells news at once, and of many topics at a time no more often than all the rest', () => {
    expect(ExchangePace.urgentAfter(5)).toBe(100)
    const load = 20 * ExchangePace.load('turning')
    expect((20 * 1000) / ExchangePace.urgentAfter(load)).toBeLessThanOrEqual(46)
  })

  it('slows down in a fleet of a thousand, though never so far that words go stale', () => {
    expect(mean(() => pace.after('unwell', 1, 100))).toBeLessThan(205)
    expect(mean(() => pace.after('unwell', 1, 1000))).toBeGreaterThan(780)
    for (const restlessness of ['quiet', 'restless', 'unwell', 'turning'] as const) {
      expect(mean(() => pace.after(restlessness, 1, 100_000))).toBeLessThanOrEqual(FRESH_MS * 1.01)
    }
  })
})
