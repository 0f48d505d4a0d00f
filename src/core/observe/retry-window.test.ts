import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RETRY_BINS, RetryWindow } from './retry-window.ts'

describe('retry window', () => {
  it('is empty after an idle hour', () => {
    const window = new RetryWindow(5000)
    window.attempt(10)
    window.retry(1, 10)
    window.failure(10)
    expect(window.sums(3_600_010)).toEqual({
      attempts: 0,
      retries: 0,
      failures: 0,
      recentShare: 0,
      dispersion: 0,
    })
  })

  it('sees a burst in one instant as the most synchronised of all', () => {
    const window = new RetryWindow(5000)
    for (let index = 0; index < 20; index++) window.retry(1, 42)
    expect(window.sums(42).retries).toBe(20)
    expect(window.sums(42).dispersion).toBeCloseTo(20 - 20 / RETRY_BINS)
  })

  it('sees one retry per bin as evenly spread', () => {
    const window = new RetryWindow(5000)
    for (let at = 0; at < 5000; at += 100) window.retry(1, at)
    expect(window.sums(4999).dispersion).toBeCloseTo(0)
  })

  it('tells the share of the newest two seconds from that of the whole window', () => {
    const window = new RetryWindow(5000)
    for (let at = 0; at < 5000; at += 100) {
      window.attempt(at)
      if (at >= 3000) window.retry(1, at)
    }
    expect(window.sums(4999).retries / window.sums(4999).attempts).toBeCloseTo(0.4)
    expect(window.sums(4999).recentShare).toBe(1)
  })

  it('agrees with a naive list of events', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(1500), fc.double({ min: 0.6, max: 1, noNaN: true })), { maxLength: 80 }),
        (events) => {
          const window = new RetryWindow(5000)
          const seen: { tick: number; weight: number }[] = []
          let at = 0
          for (const [gap, weight] of events) {
            at += gap
            window.attempt(at)
            window.retry(weight, at)
            const tick = Math.floor(at / 100)
            seen.push({ tick, weight })
            const bins = Array.from({ length: RETRY_BINS }, () => 0)
            const live = seen.filter((e) => tick - e.tick < RETRY_BINS)
            for (const e of live) bins[tick - e.tick] = (bins[tick - e.tick] ?? 0) + e.weight
            const mean = bins.reduce((sum, n) => sum + n, 0) / RETRY_BINS
            const variance = bins.reduce((sum, n) => sum + (n - mean) ** 2, 0) / RETRY_BINS
            const sums = window.sums(at)
            expect(sums.attempts).toBe(live.length)
            expect(sums.retries).toBeCloseTo(mean * RETRY_BINS, 6)
            expect(sums.dispersion).toBeCloseTo(variance / mean, 6)
          }
        },
      ),
    )
  })
})
