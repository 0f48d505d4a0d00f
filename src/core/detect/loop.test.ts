import { describe, expect, it } from 'vitest'
import { LoopDetector } from './loop.ts'

interface Ladder {
  calls: number
  tries: number
  /** Pause before the n-th retry. */
  pauseMs: (n: number) => number
  /** How long a try is open before it fails. */
  tookMs?: number
  startsOver?: boolean
}

/** Plays calls that all fail, each with its own ladder of retries, and returns every condition on the way. */
function play(detector: LoopDetector, ladder: Ladder, untilMs: number): Set<string> {
  const { calls, tries, pauseMs, tookMs = 20, startsOver = false } = ladder
  const events: { at: number; kind: 'first' | 'retry' | 'end' }[] = []
  for (let call = 0; call < calls; call++) {
    let at = 0
    const rounds = startsOver ? 1000 : 1
    for (let round = 0; at < untilMs && round < rounds; round++) {
      for (let n = 0; n < tries && at < untilMs; n++) {
        if (n > 0) at += pauseMs(n)
        events.push({ at, kind: n === 0 ? 'first' : 'retry' }, { at: at + tookMs, kind: 'end' })
        at += tookMs
      }
      at += 100
    }
  }
  events.sort((a, b) => a.at - b.at)
  const seen = new Set<string>()
  for (const { at, kind } of events) {
    if (kind === 'end') detector.ended(1)
    else {
      detector.attempt(1, kind === 'retry', at)
      seen.add(detector.condition(1, at))
    }
  }
  return seen
}

describe('agents that hammer', () => {
  it('are ordinary again after an idle hour', () => {
    const detector = new LoopDetector(3)
    play(detector, { calls: 1, tries: 1000, pauseMs: () => 30 }, 5000)
    expect(detector.condition(1, 5000)).toBe('looping')
    expect(detector.condition(1, 3_605_000)).toBe('ordinary')
  })

  it('are not told from a burst of many calls in one instant', () => {
    const detector = new LoopDetector(3)
    for (let n = 0; n < 500; n++) detector.attempt(1, false, 7)
    for (let n = 0; n < 500; n++) detector.ended(1)
    for (let n = 0; n < 500; n++) detector.attempt(1, true, 500)
    expect(detector.condition(1, 500)).toBe('retrying')
  })

  it('are seen within 25 tries when they try again at once', () => {
    const detector = new LoopDetector(3)
    let tries = 0
    for (let at = 0; detector.condition(1, at) !== 'looping' && tries < 100; at += 30) {
      detector.attempt(1, tries > 0, at)
      detector.ended(1)
      tries += 1
    }
    expect(tries).toBeLessThanOrEqual(25)
    expect(detector.condition(2, 3000)).toBe('ordinary')
  })

  it.each<[string, Ladder]>([
    [
      'an SDK client that starts over each time',
      { calls: 1, tries: 3, pauseMs: (n) => 500 * 2 ** (n - 1), startsOver: true },
    ],
    [
      'the longest default ladder',
      { calls: 1, tries: 6, pauseMs: (n) => 500 * 2 ** (n - 1), startsOver: true },
    ],
    [
      'a hundred calls of one identity in an outage',
      { calls: 100, tries: 6, pauseMs: (n) => 1000 * 2 ** (n - 1) },
    ],
    [
      'thirty sub-agents with ten tries each',
      { calls: 30, tries: 10, pauseMs: (n) => Math.min(32_000, 500 * 2 ** n) },
    ],
  ])('are not %s', (_, ladder) => {
    const seen = play(new LoopDetector(3), ladder, 120_000)
    expect(seen).toContain('retrying')
    expect(seen).not.toContain('looping')
  })

  it('are not an agent with one stray retry', () => {
    const detector = new LoopDetector(3)
    for (let n = 0; n < 100; n++) detector.attempt(1, n === 50, n * 100)
    expect(detector.condition(1, 10_000)).toBe('ordinary')
  })

  it('are forgotten with their slot', () => {
    const detector = new LoopDetector(3)
    play(detector, { calls: 1, tries: 1000, pauseMs: () => 30 }, 5000)
    detector.forget(1)
    expect(detector.condition(1, 5000)).toBe('ordinary')
  })

  it('are told with their calls per second, the running seconds made up from before', () => {
    const detector = new LoopDetector(3)
    const told: number[] = []
    for (let at = 0; at < 30_000; at += 250) {
      detector.attempt(1, false, at)
      told.push(detector.callsPerSecond(1, at))
    }
    for (const rate of told.slice(41)) expect(rate).toBeCloseTo(4, 0)
    expect(detector.callsPerSecond(1, 3_600_000)).toBe(0)
    expect(detector.callsPerSecond(2, 29_750)).toBe(0)
  })

  it('cost 80 bytes each', () => {
    expect(new LoopDetector(1000).bytes).toBe(80_000)
  })
})
