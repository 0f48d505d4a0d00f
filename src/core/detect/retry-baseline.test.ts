import { describe, expect, it } from 'vitest'
import { RetryBaseline } from './retry-baseline.ts'

describe('retry baseline', () => {
  it('takes an hour without traffic for one window at most', () => {
    const baseline = new RetryBaseline(0)
    for (let at = 5000; at <= 300_000; at += 5000) baseline.learn(4, 0.1, 5000, at)
    const before = baseline.share
    baseline.learn(0, 0, 5000, 3_900_000)
    baseline.learn(0, 0, 5000, 3_905_000)
    expect(before - baseline.share).toBeLessThan(0.01)
  })

  it('learns once per window, however often it is asked in one instant', () => {
    const often = new RetryBaseline(0)
    const once = new RetryBaseline(0)
    for (let at = 5000; at <= 100_000; at += 5000) {
      for (let n = 0; n < 10; n++) often.learn(at % 3, 0.1, 5000, at)
      once.learn(at % 3, 0.1, 5000, at)
    }
    expect(often.z(10, 100)).toBe(once.z(10, 100))
  })

  it('is one standard deviation of a Poisson count when retries come on their own', () => {
    const baseline = new RetryBaseline(0)
    for (let n = 1; n <= 400; n++) baseline.learn(n % 2 === 0 ? 6 : 10, 0.1, 5000, n * 5000)
    // mean 8, variance 4: below Poisson counts as Poisson
    expect(baseline.z(8 + 3, 0)).toBeCloseTo(1, 1)
  })

  it('asks for more where retries come in clusters', () => {
    const even = new RetryBaseline(0)
    const clustered = new RetryBaseline(0)
    for (let n = 1; n <= 400; n++) {
      even.learn(8, 0.1, 5000, n * 5000)
      clustered.learn(n % 4 === 0 ? 32 : 0, 0.1, 5000, n * 5000)
    }
    expect(clustered.z(40, 0)).toBeLessThan(even.z(40, 0) / 2)
  })

  it('learns nothing from the last window before an alarm', () => {
    const baseline = new RetryBaseline(0)
    baseline.learn(100, 1, 5000, 5000)
    baseline.distrust(6000)
    baseline.learn(0, 0, 5000, 11_000)
    baseline.learn(0, 0, 5000, 16_000)
    expect(baseline.share).toBe(0)
  })

  it('assumes that one attempt in two hundred is a retry before it knows', () => {
    const baseline = new RetryBaseline(0)
    expect(baseline.z(5, 1000)).toBe(0)
    expect(baseline.z(3, 0)).toBe(3)
  })
})
