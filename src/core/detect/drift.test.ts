import { describe, expect, it } from 'vitest'
import type { DriftThresholds } from '../policy.ts'
import { seeded } from '../random.ts'
import { DriftDetector, type DriftState } from './drift.ts'

const thresholds: DriftThresholds = {
  allowance: 0.25,
  slowAlarm: 20,
  fastAlarm: 25,
  slowEffect: 1.25,
  fastEffect: 0.8,
  errorAlarm: 11.5,
  warmUpSamples: 200,
  warmUpMs: 60_000,
  clearMs: 30_000,
}

interface Traffic {
  rate?: number
  factor?: number
  /** Share of large requests, which take five times as long. */
  large?: number
  failing?: number
  healthy?: boolean
}

/** Settled calls only, at the end of each second: lognormal 200 ms, deviation 0.5. */
class Lane {
  readonly detector = new DriftDetector(thresholds, 0)
  readonly states: DriftState[] = []
  now = 0
  readonly #random = seeded(11)

  run(seconds: number, traffic: Traffic = {}): DriftState {
    const { rate = 20, factor = 1, large = 0, failing = 0, healthy = true } = traffic
    let state: DriftState = 'healthy'
    for (let second = 0; second < seconds; second++) {
      this.now += 1000
      for (let call = 0; call < rate; call++) {
        const isLarge = this.#random() < large
        const bytes = isLarge ? 300_000 : 3_000
        const ms = 200 * factor * (isLarge ? 5 : 1) * Math.exp(0.5 * this.#normal())
        this.detector.sample(this.detector.stratum(0, bytes), ms, this.now, false)
        this.detector.outcome(this.#random() < failing ? 1 : 0, this.now)
      }
      state = this.detector.tick(this.now, healthy)
      this.states.push(state)
    }
    return state
  }

  secondsUntil(state: DriftState, traffic: Traffic, most = 300): number {
    for (let second = 1; second <= most; second++) if (this.run(1, traffic) === state) return second
    return Number.POSITIVE_INFINITY
  }

  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
  }
}

function warmLane(): Lane {
  const lane = new Lane()
  lane.run(1200)
  expect(lane.detector.reading(lane.now).warm).toBe(true)
  return lane
}

describe('drift detector', () => {
  it('is healthy, with its evidence gone, after an idle hour in the middle of an alarm', () => {
    const lane = warmLane()
    lane.run(20, { factor: 3 })
    lane.now += 3_600_000
    lane.run(31, { rate: 0 })
    expect(lane.run(1)).toBe('healthy')
    expect(lane.detector.reading(lane.now).slow).toBeLessThan(0.5)
  })

  it('does not alarm at a burst of slow calls in one instant', () => {
    const lane = warmLane()
    const stratum = lane.detector.stratum(0, 3_000)
    for (let i = 0; i < 5_000; i++) lane.detector.sample(stratum, 2_000, lane.now + 500, false)
    lane.run(60)
    expect(lane.states.slice(-60)).not.toContain('slow')
  })

  it('detects a step to twice the latency within 15 s at 20 calls per second, and clears', () => {
    const lane = warmLane()
    expect(lane.secondsUntil('slow', { factor: 2 })).toBeLessThanOrEqual(15)
    lane.run(30, { factor: 2 })
    expect(lane.detector.reading(lane.now).slowdown).toBeGreaterThan(1.7)
    expect(lane.secondsUntil('healthy', {})).toBeLessThan(150)
  })

  it('stays slow for clearMs at least after the last evidence', () => {
    const lane = warmLane()
    lane.run(20, { factor: 3 })
    expect(lane.secondsUntil('healthy', {})).toBeGreaterThanOrEqual(30)
  })

  it('detects a suspicious speed-up', () => {
    const lane = warmLane()
    expect(lane.secondsUntil('fast', { factor: 0.3 })).toBeLessThanOrEqual(15)
  })

  it('does not read a shift of the mix to large, slow requests as drift', () => {
    const lane = new Lane()
    lane.run(1800, { large: 0.1 })
    lane.run(600, { large: 0.9 })
    expect(lane.states.slice(1800)).not.toContain('slow')
    expect(lane.detector.reading(lane.now).latency.p50).toBeGreaterThan(800)
    expect(lane.detector.reading(lane.now).slowdown).toBeLessThan(1.15)
  })

  it('learns a size that it has never seen before it judges it', () => {
    const lane = warmLane()
    lane.run(600, { large: 0.9 })
    expect(lane.states.slice(1200)).not.toContain('slow')
  })

  it('sees a hung upstream before anything settles', () => {
    const lane = warmLane()
    const { detector } = lane
    const stratum = detector.stratum(0, 3_000)
    const open: { at: number; prepaid: boolean }[] = []
    let seconds = 0
    for (; seconds < 60; seconds++) {
      for (let i = 0; i < 20; i++) open.push({ at: lane.now + i * 50, prepaid: false })
      lane.now += 1000
      for (const call of open) {
        if (call.prepaid || !detector.overdue(stratum, lane.now - call.at)) continue
        call.prepaid = true
        detector.prepay(stratum)
      }
      if (detector.tick(lane.now, true) === 'slow') break
    }
    expect(seconds).toBeLessThan(10)
    expect(detector.reading(lane.now).slowdown).toBeGreaterThan(1.25)
  })

  it('makes good what it scored in advance when the call settles as in health', () => {
    const lane = warmLane()
    const stratum = lane.detector.stratum(0, 3_000)
    const before = lane.detector.reading(lane.now).slow
    for (let second = 0; second < 20; second++) {
      for (let i = 0; i < 50; i++) {
        lane.detector.prepay(stratum)
        lane.detector.sample(stratum, lane.detector.healthyQ(0.5), lane.now, true)
      }
      lane.now += 1000
      lane.detector.tick(lane.now, true)
    }
    expect(lane.detector.reading(lane.now).slow).toBeLessThanOrEqual(before)
  })

  it('judges streams apart from whole answers of the same route', () => {
    const { detector } = new Lane()
    expect(detector.stratum(0, 3_000, true)).not.toBe(detector.stratum(0, 3_000, false))
  })

  it('knows an open call as late by its streaming counterpart where only that is known', () => {
    const { detector } = new Lane()
    const stream = detector.stratum(0, 3_000, true)
    const plain = detector.stratum(0, 3_000, false)
    for (let second = 1; second <= 70; second++) {
      for (let i = 0; i < 10; i++) detector.sample(stream, 100 + i, second * 1000, false)
      detector.tick(second * 1000, true)
    }
    expect(detector.overdue(plain, 120)).toBe(false)
    expect(detector.overdue(plain, 300)).toBe(true)
  })

  it('judges the gaps between the chunks of streams', () => {
    const { detector } = new Lane()
    const stratum = detector.stratum(0, 3_000, true)
    let state: DriftState = 'healthy'
    for (let second = 1; second <= 1200; second++) {
      for (let i = 0; i < 100; i++) detector.gap(stratum, 10 + (i % 20), second * 1000)
      detector.outcome(0, second * 1000)
      state = detector.tick(second * 1000, true)
    }
    expect(state).toBe('healthy')
    for (let second = 1201; second <= 1220; second++) {
      for (let i = 0; i < 30; i++) detector.gap(stratum, 50 + (i % 20), second * 1000)
      state = detector.tick(second * 1000, true)
    }
    expect(state).toBe('slow')
  })

  it('does not take a stall of 5 s of this process for a slow upstream', () => {
    const lane = warmLane()
    const stratum = lane.detector.stratum(0, 3_000)
    lane.now += 5_000
    for (let i = 0; i < 100; i++) lane.detector.sample(stratum, 5_000 - i * 40, lane.now, false)
    for (let i = 0; i < 100; i++) if (lane.detector.overdue(stratum, 5_000)) lane.detector.prepay(stratum)
    lane.detector.tick(lane.now, true)
    for (let i = 0; i < 100; i++) lane.detector.sample(stratum, 5_300 - i * 40, lane.now + 300, false)
    lane.run(60)
    expect(lane.states.slice(1200)).toEqual(Array.from({ length: 60 }, () => 'healthy'))
  })

  it('does nothing at ticks that come early or go back', () => {
    const lane = warmLane()
    lane.run(20, { factor: 3 })
    const before = lane.detector.reading(lane.now)
    for (let i = 0; i < 100; i++) lane.detector.tick(lane.now - i, true)
    expect(lane.detector.reading(lane.now)).toEqual(before)
  })

  it('gives no alarm by latency before it is warm, and one by five straight failures', () => {
    const lane = new Lane()
    lane.run(5, { factor: 1, rate: 2 })
    lane.run(10, { factor: 9, rate: 2 })
    expect(new Set(lane.states)).toEqual(new Set(['healthy']))
    expect(lane.detector.healthyQ(0.9)).toBe(0)
    for (let i = 0; i < 5; i++) lane.detector.outcome(1, lane.now)
    expect(lane.run(1, { rate: 0 })).toBe('slow')
    expect(lane.detector.reading(lane.now).etaMs).toBe(0)
  })

  it('is warm by its part of the samples where other replicas have seen the rest, and then judges', () => {
    const lane = new Lane()
    lane.detector.back(175, 8)
    lane.run(59, { rate: 0.5 })
    for (let second = 0; second < 3; second++) {
      lane.detector.back(175, 8)
      lane.run(1, { rate: 10 })
    }
    expect(lane.detector.reading(lane.now).warm).toBe(true)
    expect(lane.secondsUntil('slow', { factor: 5, rate: 20 })).toBeLessThanOrEqual(15)
  })

  it('tells how much it has learned in health, and nothing of what it saw meanwhile', () => {
    const lane = new Lane()
    expect(lane.detector.told.learned).toBe(0)
    lane.run(10, { rate: 3 })
    expect(lane.detector.told.learned).toBe(30)
    lane.run(1, { healthy: false })
    expect(lane.detector.told.learned).toBe(0)
    const warm = warmLane()
    const { learned } = warm.detector.told
    warm.run(300, { factor: 3, healthy: false })
    expect(warm.detector.told.learned).toBe(learned)
  })

  it('does not come to know an upstream by what it saw of its trouble', () => {
    const lane = new Lane()
    lane.detector.back(10_000, 8)
    lane.run(70, { factor: 5, rate: 4, healthy: false })
    lane.run(1, { rate: 4 })
    expect(lane.detector.reading(lane.now).warm).toBe(false)
    lane.run(10, { rate: 4 })
    expect(lane.detector.healthyQ(0.5)).toBeLessThan(300)
  })

  it('recovers from errors after clearMs of good answers', () => {
    const lane = warmLane()
    lane.run(30, { failing: 0.5 })
    const seconds = lane.secondsUntil('healthy', {})
    expect(seconds).toBeGreaterThanOrEqual(30)
    expect(seconds).toBeLessThan(90)
  })

  it('absorbs nothing while it is told that the upstream is not healthy', () => {
    const lane = warmLane()
    const before = lane.detector.healthyQ(0.5)
    lane.run(600, { factor: 1.1, healthy: false })
    expect(lane.detector.healthyQ(0.5)).toBe(before)
    lane.run(3600, { factor: 1.1 })
    expect(lane.detector.healthyQ(0.5)).toBeGreaterThan(before)
  })

  it('watches a lasting rise of 18 %, then learns it', () => {
    const lane = warmLane()
    lane.run(900, { factor: 1.18 })
    expect(lane.states.slice(1200)).toContain('watch')
    lane.run(2 * 3600, { factor: 1.18 })
    expect(lane.states.slice(1200)).not.toContain('slow')
    expect(lane.states.slice(-600)).not.toContain('watch')
  })

  it('accepts a steady new level after half an hour, and keeps the anchor', () => {
    const lane = warmLane()
    lane.run(20 * 60, { factor: 2 })
    expect(lane.states.at(-1)).toBe('slow')
    lane.run(25 * 60, { factor: 2 })
    const reading = lane.detector.reading(lane.now)
    expect(reading.state).toBe('watch')
    expect(reading.creeping).toBe(true)
    expect(reading.baseline.p50).toBeGreaterThan(350)
    lane.detector.accept(lane.now)
    lane.run(180, { factor: 2 })
    expect(lane.states.at(-1)).toBe('healthy')
  })

  it('takes the way back from a level that it had accepted for no news', () => {
    const lane = new Lane()
    lane.run(3 * 3600)
    lane.run(2 * 3600, { factor: 1.6 })
    const from = lane.states.length
    lane.run(1800)
    expect(lane.states.slice(from)).not.toContain('fast')
    expect(lane.states.slice(from)).not.toContain('slow')
  })

  it('needs more to alarm at an upstream that wobbles by itself, and still sees it slow down', () => {
    const lane = new Lane()
    const wobble = (factor: number): void => {
      for (let i = 0; i < 60; i++) {
        lane.run(30, { factor: 1.15 * factor })
        lane.run(30, { factor: 0.87 * factor })
      }
    }
    wobble(1)
    wobble(1)
    const from = lane.states.length
    wobble(1)
    expect(lane.states.slice(from)).not.toContain('slow')
    expect(lane.secondsUntil('slow', { factor: 4 })).toBeLessThanOrEqual(20)
  })

  it('sees a second incident of the day as fast as the first', () => {
    const lane = new Lane()
    lane.run(2 * 3600)
    lane.run(10 * 60, { factor: 3 })
    lane.run(3600)
    expect(lane.secondsUntil('slow', { factor: 3 })).toBeLessThanOrEqual(15)
  })

  it('never accepts an outage', () => {
    const lane = warmLane()
    lane.run(2 * 3600, { failing: 0.5, rate: 5 })
    expect(lane.states.at(-1)).toBe('slow')
  })

  it('sees a creep that its reference follows, by the anchor', () => {
    const lane = warmLane()
    for (let minute = 0; minute < 400; minute++) lane.run(60, { factor: 1 + minute / 400, rate: 5 })
    expect(lane.detector.reading(lane.now).creeping).toBe(true)
    expect(lane.states.at(-1)).not.toBe('healthy')
  })

  it('warns ahead: the estimate of a steady rise is of the right size', () => {
    const lane = warmLane()
    for (let second = 0; second < 60; second++) lane.run(1, { factor: 6 ** (second / 120), rate: 50 })
    const { etaMs } = lane.detector.reading(lane.now)
    expect(etaMs).toBeGreaterThan(30_000)
    expect(etaMs).toBeLessThan(120_000)
  })

  it('takes other thresholds without forgetting', () => {
    const lane = warmLane()
    const before = lane.detector.healthyQ(0.5)
    lane.detector.adopt({ ...thresholds, slowEffect: 4 })
    expect(lane.detector.healthyQ(0.5)).toBe(before)
    lane.run(60, { factor: 2 })
    expect(lane.states.slice(1200)).not.toContain('slow')
    expect(lane.secondsUntil('slow', { factor: 9 })).toBeLessThanOrEqual(40)
  })
})
