import { describe, expect, it } from 'vitest'
import { seeded } from '../random.ts'
import { Baseline } from './baseline.ts'
import { latencyBucket } from './latency-histogram.ts'
import { normalScore } from './normal-score.ts'
import { MOST_STRATA, sizeClass, Strata } from './strata.ts'

describe('normal score', () => {
  it('inverts the normal distribution at known points', () => {
    const known: [number, number][] = [
      [0.5, 0],
      [0.975, 1.959964],
      [0.01, -2.326348],
      [0.999, 3.090232],
    ]
    for (const [p, z] of known) expect(normalScore(p)).toBeCloseTo(z, 5)
    expect(normalScore(0)).toBe(Number.NEGATIVE_INFINITY)
  })
})

/** Of so many calls that took as long. */
function madeOf(calls: number, backing?: number): Baseline {
  const baseline = new Baseline()
  for (let call = 0; call < calls; call++) baseline.record(latencyBucket(100))
  baseline.absorb(backing)
  return baseline
}

describe('baseline', () => {
  it('scores healthy times around 0 with a deviation near 1, whatever their shape', () => {
    const random = seeded(7)
    const baseline = new Baseline()
    const draw = () => latencyBucket(Math.exp(random() * 3) * (random() < 0.2 ? 300 : 20))
    for (let i = 0; i < 20_000; i++) baseline.record(draw())
    baseline.absorb()
    let sum = 0
    let squares = 0
    for (let i = 0; i < 20_000; i++) {
      const score = baseline.score(draw())
      sum += score
      squares += score * score
    }
    expect(Math.abs(sum / 20_000)).toBeLessThan(0.03)
    expect(squares / 20_000).toBeGreaterThan(0.8)
    expect(squares / 20_000).toBeLessThan(1.1)
  })

  it('knows nothing before it absorbs, and nothing of what it discards', () => {
    const baseline = new Baseline()
    for (let i = 0; i < 100; i++) baseline.record(latencyBucket(100))
    expect(baseline.q50).toBe(0)
    baseline.absorb()
    const healthy = baseline.q50
    for (let i = 0; i < 10_000; i++) baseline.record(latencyBucket(5000))
    baseline.discard()
    baseline.absorb()
    expect(baseline.q50).toBe(healthy)
  })

  it('takes no call of a healthy tail for late because it has seen few: as often as with many, or less', () => {
    const random = seeded(5)
    const draw = (): number => 100 * Math.exp(random() ** 3 * 3)
    const lateBy = (samples: number): number => {
      let late = 0
      for (let turn = 0; turn < 200; turn++) {
        const baseline = new Baseline()
        for (let i = 0; i < samples; i++) baseline.record(latencyBucket(draw()))
        baseline.absorb()
        for (let i = 0; i < 100; i++) if (draw() > baseline.q90) late++
      }
      return late / 20_000
    }
    for (const few of [13, 25, 60]) expect(lateBy(few)).toBeLessThan(0.11)
    expect(lateBy(100)).toBeCloseTo(0.1, 1)
  })

  it('is trusted as one of all the samples that stand behind it', () => {
    expect(madeOf(25, 8).trust).toBe(madeOf(200).trust)
    expect(madeOf(25).trust).toBeLessThan(madeOf(25, 8).trust)
  })

  it('has effects around 0 in health, though a tenth of the calls is five times as slow', () => {
    const baseline = new Baseline()
    const buckets = Array.from({ length: 5_000 }, (_, i) =>
      latencyBucket(200 * Math.exp(0.4 * Math.sin(i)) * (i % 10 === 0 ? 5 : 1)),
    )
    for (const bucket of buckets) baseline.record(bucket)
    baseline.absorb()
    const mean = buckets.reduce((sum, bucket) => sum + baseline.effect(bucket), 0) / buckets.length
    expect(mean).toBeCloseTo(0, 2)
    expect(baseline.effectOf(400) - baseline.effectOf(200)).toBeCloseTo(baseline.trust, 5)
  })

  it('believes a thin reference less than a thick one', () => {
    const thin = new Baseline()
    const thick = new Baseline()
    for (let i = 0; i < 5_000; i++) {
      const bucket = latencyBucket(100 + (i % 100))
      if (i < 100) thin.record(bucket)
      thick.record(bucket)
    }
    thin.absorb()
    thick.absorb()
    const slow = latencyBucket(800)
    expect(thin.score(slow)).toBeLessThan(thick.score(slow) / 2)
    expect(thin.effect(slow)).toBeLessThan(thick.effect(slow) / 2)
  })

  it('forgets half of its weight in 30 absorbed minutes, and nothing in idle ones', () => {
    const baseline = new Baseline()
    for (let i = 0; i < 10_000; i++) baseline.record(latencyBucket(100))
    baseline.absorb()
    for (let minute = 0; minute < 600; minute++) baseline.absorb()
    expect(baseline.total).toBe(10_000)
    for (let minute = 0; minute < 30; minute++) {
      baseline.record(latencyBucket(100))
      baseline.absorb()
    }
    expect(baseline.total).toBeGreaterThan(4_900)
    expect(baseline.total).toBeLessThan(5_100)
  })
})

describe('strata', () => {
  it('puts sizes an octave apart into different classes, and unknown ones into their own', () => {
    expect([-1, Number.NaN, 0, 2047, 2048, 4096, 8192, 2 ** 20, 2 ** 40].map(sizeClass)).toEqual([
      0, 0, 1, 1, 2, 3, 4, 11, 11,
    ])
  })

  it('stays within its table whatever routes clients make up', () => {
    const strata = new Strata()
    const seen = new Set<number>()
    for (let route = 0; route < 10_000; route++) seen.add(strata.find(route, route * 7, route % 2 === 0, 0))
    expect(seen.size).toBeLessThanOrEqual(MOST_STRATA)
    expect(Math.max(...seen)).toBeLessThan(MOST_STRATA)
  })

  it('gives the same place to the same pair, and an idle one to the next comer', () => {
    const strata = new Strata()
    for (let route = 0; route < 40; route++) strata.find(route, 10, false, 0)
    expect(strata.find(3, 10, false, 1)).toBe(3)
    const late = 31 * 60_000
    for (let place = 0; place < 40; place++) if (place !== 5) strata.touch(place, late)
    strata.baseline(5).record(1)
    expect(strata.find(99, 10, false, late)).toBe(5)
    expect(strata.baseline(5).pending).toBe(0)
    expect(strata.find(100, 10, false, late)).toBeGreaterThanOrEqual(40)
  })
})
