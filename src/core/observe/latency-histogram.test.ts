import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketFloorMs, LATENCY_BUCKETS, latencyBucket, LatencyHistogram } from './latency-histogram.ts'

const time = fc.double({ min: 0.08, max: 2_000_000, noNaN: true })

describe('latency histogram', () => {
  it('answers 0 while it is empty', () => {
    expect(new LatencyHistogram().quantile(0.5)).toBe(0)
  })

  it('keeps a burst of one time within its bucket', () => {
    const histogram = new LatencyHistogram()
    for (let i = 0; i < 1000; i++) histogram.record(100)
    expect(histogram.total).toBe(1000)
    for (const p of [0, 0.5, 1]) expect(Math.abs(histogram.quantile(p) / 100 - 1)).toBeLessThan(0.125)
  })

  it('is within one bucket of the sorted list at every quantile', () => {
    fc.assert(
      fc.property(
        fc.array(time, { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (times, p) => {
          const histogram = new LatencyHistogram()
          for (const ms of times) histogram.record(ms)
          const exact = times.toSorted((a, b) => a - b)[Math.max(Math.ceil(p * times.length) - 1, 0)]!
          expect(Math.abs(histogram.quantile(p) / exact - 1)).toBeLessThan(0.126)
        },
      ),
    )
  })

  it('puts every time between the floor of its bucket and the next', () => {
    fc.assert(
      fc.property(time, (ms) => {
        const bucket = latencyBucket(ms)
        expect(bucketFloorMs(bucket)).toBeLessThanOrEqual(Math.fround(ms))
        expect(bucketFloorMs(bucket + 1)).toBeGreaterThan(Math.fround(ms))
      }),
    )
  })

  it('takes nonsense and extremes into its first and last bucket', () => {
    expect([Number.NaN, -1, 0, 1e-9].map(latencyBucket)).toEqual([0, 0, 0, 0])
    expect([1e12, Number.POSITIVE_INFINITY].map(latencyBucket)).toEqual([
      LATENCY_BUCKETS - 1,
      LATENCY_BUCKETS - 1,
    ])
  })

  it('adds up with another as if one had seen all', () => {
    const [a, b, both] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()]
    for (const ms of [1, 20, 300]) {
      a.record(ms)
      b.record(ms * 3)
      both.record(ms)
      both.record(ms * 3)
    }
    a.add(b)
    expect(a).toEqual(both)
    a.clear()
    expect(a.quantile(1)).toBe(0)
  })
})
