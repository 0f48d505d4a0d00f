import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AdaptiveLimit } from './adaptive-limit.ts'

const policy = { min: 1, max: 1000, lossFactor: 0.7, tolerance: 1.5 }

function started(healthy = 100): AdaptiveLimit {
  const limit = new AdaptiveLimit(policy, 0)
  limit.start(healthy, healthy, 0)
  return limit
}

/** An upstream of `servers` whose calls take `slow` times their healthy time: queueing beyond the servers. */
function play(
  limit: AdaptiveLimit,
  from: number,
  seconds: number,
  servers: number,
  slow = 1,
  demand = 1000,
): number[] {
  const values: number[] = []
  for (let at = from + 250; at <= from + seconds * 1000; at += 250) {
    const inFlight = Math.min(limit.value, demand)
    const factor = slow * Math.max(1, inFlight / servers)
    limit.tick(at - 125, inFlight)
    for (let call = 0; call < 20; call++) limit.answered(factor, at - 100)
    limit.tick(at, inFlight)
    values.push(limit.value)
  }
  return values
}

/** A limit cut from 20 to 14 on trial, while so many critical calls wait for more than half a second. */
function afterCut(critical: number): AdaptiveLimit {
  const limit = started(20)
  limit.tick(1, 20)
  for (let call = 0; call < 20; call++) limit.answered(4, 100)
  limit.tick(600, 20)
  expect(limit.value).toBe(14)
  for (let at = 850; at <= 1350; at += 250) limit.tick(at, 14, critical)
  return limit
}

describe('AdaptiveLimit', () => {
  it('is infinite until started and after it is stopped', () => {
    const limit = new AdaptiveLimit(policy, 0)
    limit.loss(10, 100)
    limit.answered(5, 15)
    limit.tick(2000, 10)
    expect(limit.value).toBe(Infinity)
    limit.start(20, 80, 3000)
    expect(limit.value).toBe(20)
    limit.stop()
    expect(limit.value).toBe(Infinity)
  })

  it('starts from what is in flight when no healthy concurrency was seen, and keeps a running value', () => {
    const limit = new AdaptiveLimit(policy, 0)
    limit.start(0, 12, 0)
    limit.start(500, 500, 1)
    expect(limit.value).toBe(12)
  })

  it('moves by one step at most after an idle hour', () => {
    const limit = started()
    limit.tick(1, 50)
    limit.tick(3_600_000, 100)
    expect(limit.value).toBe(100)
    for (let call = 0; call < 50; call++) limit.answered(1, 3_600_000)
    limit.tick(3_600_001, 100)
    expect(limit.value).toBeGreaterThan(100)
    expect(limit.value).toBeLessThanOrEqual(130)
  })

  it('is cut once by a burst of losses in one instant', () => {
    const limit = started()
    for (let i = 0; i < 50; i++) limit.loss(1000, 200)
    expect(limit.value).toBe(70)
  })

  it('is cut at most once per healthy median when it is not known when the lost call was sent', () => {
    const limit = started()
    for (let at = 1000; at <= 2000; at += 10) limit.loss(at, 500)
    expect(limit.value).toBe(49)
  })

  it('is cut again by the loss of a call that was sent after the cut, not by one that was sent before or in the same burst', () => {
    const limit = started()
    limit.loss(1000, 30_000, 900)
    limit.loss(1040, 30_000, 990)
    expect(limit.value).toBe(70)
    limit.loss(1100, 30_000, 1010)
    expect(limit.value).toBe(70)
    limit.loss(1260, 30_000, 1010)
    expect(limit.value).toBe(49)
  })

  it('shrinks to what an upstream without three quarters of its servers bears, and grows back', () => {
    const limit = started()
    const degraded = play(limit, 0, 20, 25).slice(40)
    expect(Math.max(...degraded)).toBeLessThanOrEqual(50)
    expect(Math.min(...degraded)).toBeGreaterThanOrEqual(20)
    expect(play(limit, 20_000, 10, 100).at(-1)).toBeGreaterThan(100)
  })

  it('keeps sending to an upstream whose calls take five times as long, as less would not make it faster', () => {
    const limit = started()
    const values = play(limit, 0, 30, 100, 5)
    expect(Math.min(...values)).toBeGreaterThanOrEqual(48)
    const mean = values.reduce((sum, value) => sum + Math.min(value, 100), 0) / values.length
    expect(mean).toBeGreaterThan(90)
  })

  it('finds the servers of an upstream that is both slower and smaller', () => {
    const limit = started()
    const values = play(limit, 0, 40, 20, 4).slice(60)
    expect(Math.max(...values)).toBeLessThanOrEqual(45)
    const mean = values.reduce((sum, value) => sum + Math.min(value, 20), 0) / values.length
    expect(mean).toBeGreaterThan(18)
  })

  it('grows again from one with slow calls, although ten answers never come together', () => {
    const limit = started(1)
    limit.loss(100, 100)
    expect(limit.value).toBe(1)
    for (let at = 1000; at <= 20_000; at += 1000) {
      limit.tick(at - 500, 0)
      for (let call = 0; call < 3 * limit.value; call++) limit.answered(1, at - 100)
      limit.tick(at, limit.value)
    }
    expect(limit.value).toBeGreaterThan(2)
  })

  it('climbs fast up to the limit of the last loss, slowly around it, and fast again beyond it', () => {
    const limit = started(100)
    for (const at of [1, 1001, 2001, 3001]) limit.loss(at, 100)
    expect(limit.value).toBe(24)
    const values = play(limit, 3100, 40, 1000)
    const steps = (from: number, to: number): number =>
      values.filter((value) => value >= from && value < to).length
    expect(steps(24, 31)).toBeLessThan(steps(31, 35))
    expect(steps(36, 100)).toBeLessThan(steps(31, 35))
    expect(values.at(-1)).toBe(200)
  })

  it('does not shrink on fewer than ten answers', () => {
    const limit = started()
    limit.tick(1, 50)
    for (let call = 0; call < 9; call++) limit.answered(50, 2)
    limit.tick(1000, 100)
    expect(limit.value).toBe(100)
  })

  it('is not told anything by calls that were sent before its last step', () => {
    const limit = started()
    for (let call = 0; call < 50; call++) limit.answered(50, -1)
    limit.tick(1, 50)
    for (let call = 0; call < 50; call++) limit.answered(50, 0)
    limit.tick(1000, 100)
    expect(limit.value).toBe(100)
  })

  it('does not grow while fewer than half of it is used', () => {
    const limit = started()
    play(limit, 0, 20, 1000, 1, 49)
    expect(limit.value).toBe(100)
  })

  it('moves into the bounds of another policy at once', () => {
    const limit = started()
    limit.adopt({ ...policy, max: 40 })
    expect(limit.value).toBe(40)
  })

  it('stays a whole number within its bounds whatever happens', () => {
    const event = fc.record({
      loss: fc.boolean(),
      gap: fc.integer({ min: 0, max: 5000 }),
      factor: fc.double({ min: 0, max: 1e6, noNaN: true }),
      samples: fc.nat(100),
      inFlight: fc.nat(500),
    })
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 200 }),
        fc.integer({ min: 1, max: 200 }),
        (events, healthy) => {
          const limit = started(healthy)
          let at = 0
          for (const { loss, gap, factor, samples, inFlight } of events) {
            at += gap
            if (loss) limit.loss(at, 100)
            for (let sample = 0; sample < samples; sample++) limit.answered(factor, at)
            limit.tick(at, inFlight)
            expect(Number.isInteger(limit.value)).toBe(true)
            expect(limit.value).toBeGreaterThanOrEqual(1)
            expect(limit.value).toBeLessThanOrEqual(Math.max(8, 2 * healthy))
          }
        },
      ),
    )
  })

  it('takes a cut back at once when critical calls pay for it, and keeps it when they do not', () => {
    expect(afterCut(8).value).toBe(20)
    expect(afterCut(2).value).toBe(14)
  })

  it('cut by losses of an upstream that nobody knows comes back with the answers, to where it began and no further', () => {
    const limit = started(20)
    for (let at = 1000; at < 8000; at += 500) limit.loss(at, 0)
    expect(limit.value).toBe(1)
    let lastAt = 8000
    for (; limit.value < 20 && lastAt < 30_000; lastAt += 250) {
      const inFlight = limit.value
      limit.tick(lastAt, inFlight)
      for (let call = 0; call < 20; call++) limit.answeredUnjudged(lastAt)
      limit.tick(lastAt + 1, inFlight)
    }
    // CUBIC's plateau around the last loss is low here: most of the way is fast.
    expect(lastAt).toBeLessThan(16_000)
    for (let at = lastAt; at < lastAt + 10_000; at += 250) {
      limit.tick(at, 20)
      for (let call = 0; call < 20; call++) limit.answeredUnjudged(at)
    }
    expect(limit.value).toBe(20)
  })

  it('does not come back while the answers of an unknown upstream are losses', () => {
    const limit = started(20)
    for (let at = 1000; at < 20_000; at += 500) {
      limit.loss(at, 0)
      limit.answeredUnjudged(at)
      limit.tick(at + 1, 1)
    }
    expect(limit.value).toBe(1)
  })
})
