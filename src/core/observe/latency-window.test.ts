import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LatencyHistogram } from './latency-histogram.ts'
import { LatencyWindow } from './latency-window.ts'

describe('latency window', () => {
  it('is empty after an idle hour, and works on', () => {
    const window = new LatencyWindow()
    for (let i = 0; i < 20; i++) window.record(900, i * 1000)
    expect(window.total(3_600_000)).toBe(0)
    window.record(10, 3_600_001)
    expect(window.quantile(0.5, 3_600_001)).toBeLessThan(12)
    expect(window.total(3_600_001)).toBe(1)
  })

  it('counts a burst in one instant whole, and lets it go whole', () => {
    const window = new LatencyWindow()
    for (let i = 0; i < 70_000; i++) window.record(5, 1)
    expect(window.total(29_999)).toBe(70_000)
    expect(window.total(30_000)).toBe(0)
  })

  it('equals a list of samples cut to the same half minute', () => {
    const event = fc.record({
      wait: fc.integer({ min: 0, max: 40_000 }),
      ms: fc.integer({ min: 1, max: 60_000 }),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const window = new LatencyWindow()
        const list: { at: number; ms: number }[] = []
        let at = 0
        for (const { wait, ms } of events) {
          at += wait
          window.record(ms, at)
          list.push({ at, ms })
          const from = (Math.floor(at / 5000) - 5) * 5000
          const naive = new LatencyHistogram()
          for (const sample of list) if (sample.at >= from) naive.record(sample.ms)
          expect(window.total(at)).toBe(naive.total)
          expect(window.quantile(0.9, at)).toBe(naive.quantile(0.9))
        }
      }),
    )
  })

  it('tells the median of the last whole slot', () => {
    const window = new LatencyWindow()
    for (let i = 0; i < 10; i++) window.record(100, 4000)
    for (let i = 0; i < 10; i++) window.record(800, 6000)
    expect(window.lastTotal(6000)).toBe(10)
    expect(Math.abs(window.lastMedian(6000) / 100 - 1)).toBeLessThan(0.13)
    expect(Math.abs(window.lastMedian(10_000) / 800 - 1)).toBeLessThan(0.13)
  })

  it('reads time that goes back as standing still', () => {
    const window = new LatencyWindow()
    window.record(1, 20_000)
    window.record(1, 5_000)
    expect(window.total(20_000)).toBe(2)
  })
})
