import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../random.ts'
import { Release } from './release.ts'

const policy = { probeEveryMs: 500, probeMaxMs: 1000, probePasses: 2, start: 0.2, growth: 1.5, windowMs: 250 }

function down(perSecond = 100): Release {
  const release = new Release(policy, seeded(1))
  release.healthyRate(perSecond, 200)
  release.fail(0)
  return release
}

function ramping(perSecond = 100): Release {
  const release = down(perSecond)
  release.startRamp(0)
  return release
}

/** Sends and answers as fast as the ramp allows for a while; returns the time reached. */
function healthy(release: Release, from: number, forMs: number, latencyMs = 20): number {
  const answers: number[] = []
  let at = from
  for (; at < from + forMs; at++) {
    while ((answers[0] ?? Infinity) <= at) {
      const sentAt = (answers.shift() ?? 0) - latencyMs
      release.outcome(true, true, at, false, sentAt)
    }
    if (release.phase === 'ramping' && release.take(at)) answers.push(at + latencyMs)
    if (release.phase === 'ramping') release.take(at)
  }
  return at
}

describe('Release', () => {
  it('is open, and nothing of it waits, until the upstream fails', () => {
    const release = new Release(policy, seeded(1))
    expect([release.phase, release.rate(0), release.take(0), release.nextAt()]).toEqual([
      'open',
      Infinity,
      true,
      Infinity,
    ])
    release.outcome(false, false, 5, true)
    expect([release.phase, release.mayProbe(1e6, true)]).toEqual(['open', false])
  })

  it('lets nothing but probes through when shut, the first within a second', () => {
    const release = down()
    expect([release.phase, release.rate(0), release.take(0), release.mayProbe(0, true)]).toEqual([
      'shut',
      0,
      false,
      false,
    ])
    expect(release.nextAt()).toBeLessThanOrEqual(1000)
    expect(release.mayProbe(release.nextAt(), true)).toBe(true)
  })

  it('lets one probe through after an idle hour, not the hour that it has missed', () => {
    const release = down()
    const at = 3_600_000
    release.probeSent(1, at)
    expect(release.mayProbe(at, true)).toBe(false)
  })

  it('lets calls that may be repeated probe first, and any call a little later', () => {
    const release = down()
    const due = release.nextAt()
    expect([release.mayProbe(due, false), release.mayProbe(due + 250, false)]).toEqual([false, true])
  })

  it('opens on a ramp after passes in a row, and a failure in between starts over', () => {
    const release = down()
    const probe = (call: number, passed: boolean): void => {
      const at = release.nextAt()
      expect(release.mayProbe(at, true)).toBe(true)
      release.probeSent(call, at)
      release.probeEnded(call, passed, at + 30)
    }
    probe(1, true)
    probe(2, false)
    probe(3, true)
    expect(release.phase).toBe('shut')
    probe(4, true)
    expect([release.phase, release.rate(release.nextAt())]).toEqual(['ramping', 20])
  })

  it('asks no faster than the longest interval however long the upstream is down', () => {
    const release = down()
    let at = 0
    const gaps: number[] = []
    for (let call = 0; call < 20; call++) {
      const due = release.nextAt()
      expect(release.mayProbe(due - 1, true)).toBe(false)
      expect(release.mayProbe(due, true)).toBe(true)
      gaps.push(due - at)
      at = due
      release.probeSent(call, at)
      release.probeEnded(call, false, at)
    }
    expect(Math.min(...gaps.slice(3))).toBeGreaterThanOrEqual(800)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1200)
  })

  it('gives a probe up that never ends, and does not believe it later', () => {
    const release = down()
    const at = release.nextAt()
    release.probeSent(1, at)
    expect(release.nextAt()).toBe(at + 5000)
    expect(release.mayProbe(at + 5000, true)).toBe(false)
    const again = release.nextAt()
    expect(release.mayProbe(again, true)).toBe(true)
    release.probeEnded(1, true, again)
    release.probeSent(2, again)
    release.probeEnded(2, true, again)
    expect(release.phase).toBe('shut')
  })

  it('sends another probe at once when a client left with the last', () => {
    const release = down()
    const at = release.nextAt()
    release.probeSent(1, at)
    release.probeEnded(1, undefined, at + 5)
    expect(release.mayProbe(at + 5, true)).toBe(true)
  })

  it('climbs from a fifth to the healthy rate within three seconds of clean windows', () => {
    const release = ramping()
    healthy(release, 0, 3000)
    expect(release.rate(3000)).toBeGreaterThanOrEqual(90)
  })

  it('does not climb on answers to calls that were sent before the window', () => {
    const release = ramping()
    for (let at = 1; at < 2000; at += 10) release.outcome(true, true, at, false, -1)
    expect(release.rate(2000)).toBe(20)
  })

  it('opens when a clean window passes at the full rate and nobody had to wait for the pace', () => {
    const release = ramping()
    const at = healthy(release, 0, 3500)
    expect(release.phase).toBe('ramping')
    for (let call = 1; call < 400 && release.phase === 'ramping'; call++) {
      const sentAt = at + call * 30
      expect(release.take(sentAt)).toBe(true)
      release.outcome(true, true, sentAt + 20, false, sentAt)
    }
    expect([release.phase, release.rate(1e6)]).toEqual(['open', Infinity])
  })

  it('opens after half a minute in which nobody asked', () => {
    const release = ramping()
    expect([release.rate(29_999), release.rate(30_000)]).toEqual([20, Infinity])
  })

  it.each([
    ['one 429', [[false, true, true]]],
    [
      'two failures',
      [
        [false, true, false],
        [false, true, false],
      ],
    ],
    [
      'three slow answers',
      [
        [true, false, false],
        [true, false, false],
        [true, false, false],
      ],
    ],
  ] as const)('goes back on %s', (_, answers) => {
    const release = ramping()
    const at = healthy(release, 0, 3000)
    const before = release.rate(at)
    for (const [ok, latencyOk, dropped] of answers) release.outcome(ok, latencyOk, at, dropped, at - 1)
    expect(release.rate(at)).toBeLessThanOrEqual(0.8 * before)
    expect(release.aborts).toBe(1)
  })

  it('does not go back on one failure among many answers', () => {
    const release = ramping()
    const at = healthy(release, 0, 3000)
    const before = release.rate(at)
    release.outcome(false, true, at, false, at - 1)
    expect(release.rate(at)).toBe(before)
  })

  it('counts a burst of failures of calls sent before the trouble once', () => {
    const release = ramping()
    const at = healthy(release, 0, 3000)
    for (let i = 0; i < 50; i++) release.outcome(false, false, at + i, true, at - 1)
    expect([release.aborts, release.phase]).toEqual([1, 'ramping'])
  })

  it('shuts when trouble goes on down to the rate at which it started', () => {
    const release = ramping()
    let at = healthy(release, 0, 3000)
    const rates: number[] = []
    while (release.phase === 'ramping') {
      at += 10
      release.outcome(false, false, at, true, at - 1)
      rates.push(release.rate(at))
    }
    expect(rates.at(-1)).toBe(0)
    expect(rates.length).toBeLessThanOrEqual(5)
    expect(rates).toEqual(rates.toSorted((a, b) => b - a))
    expect(release.mayProbe(at, true)).toBe(false)
  })

  it('holds the rate for two clean windows after trouble', () => {
    const release = ramping()
    let at = healthy(release, 0, 1200)
    release.outcome(false, true, at, true, at - 1)
    const rate = release.rate(at)
    at = healthy(release, at, 500)
    expect(release.rate(at)).toBe(rate)
    at = healthy(release, at, 2500)
    expect(release.rate(at)).toBeGreaterThan(rate)
  })

  it('probes as much more seldom as there are replicas', () => {
    const release = new Release(policy, seeded(1))
    release.fleet(10)
    release.fail(0)
    expect(release.nextAt()).toBeGreaterThanOrEqual(4000)
  })

  it('never opens on a failed probe and never lets more through than its rate, whatever happens', () => {
    const event = fc.record({
      gap: fc.integer({ min: 0, max: 300 }),
      kind: fc.constantFrom('take', 'take', 'outcome', 'outcome', 'probe', 'fail'),
      ok: fc.boolean(),
      dropped: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 300 }),
        fc.integer({ min: 0, max: 200 }),
        (events, healthyRate) => {
          const release = new Release(policy, seeded(3))
          release.healthyRate(healthyRate, 100)
          release.fail(0)
          let at = 0
          const faults: string[] = []
          let allowed = 0
          let taken = 0
          let passes = 0
          for (const [call, { gap, kind, ok, dropped }] of events.entries()) {
            const before = release.rate(at)
            at += gap
            const rate = Math.max(before, release.rate(at))
            const ramp = release.phase === 'ramping' && before > 0
            allowed = ramp ? allowed + (rate * gap) / 1000 : 0
            taken = ramp ? taken : 0
            if (kind === 'fail') release.fail(at)
            else if (kind === 'outcome') release.outcome(ok, true, at, !ok && dropped, at - 50)
            else if (kind === 'take') {
              const through = release.take(at)
              if (through && release.phase === 'shut') faults.push('a call went through a shut gate')
              taken += through ? 1 : 0
              // One to start with, and what a timer that is 5 ms late may make up for.
              const most = allowed + 1.5 + 0.005 * rate
              if (release.phase === 'ramping' && taken > most) faults.push(`${taken} went, ${most} might`)
            } else if (release.mayProbe(at, true)) {
              release.probeSent(call, at)
              release.probeEnded(call, ok, at)
              passes = ok ? passes + 1 : 0
              const opened = release.rate(at) > 0
              if (opened !== (passes === policy.probePasses)) faults.push(`opened ${opened} after ${passes}`)
            }
            passes = release.rate(at) > 0 ? 0 : passes
          }
          expect(faults).toEqual([])
        },
      ),
    )
  })

  it('finds an upstream that answers after half a minute only, as it waits for each probe twice as long', () => {
    const release = down()
    let passes = 0
    let call = 0
    const answers: { call: number; at: number }[] = []
    for (let at = 0; at < 300_000 && release.phase === 'shut'; at += 50) {
      for (const answer of answers.filter((due) => due.at === at)) {
        release.probeEnded(answer.call, true, at, 30_000)
        passes += 1
      }
      if (!release.mayProbe(at, true)) continue
      release.probeSent(++call, at)
      answers.push({ call, at: at + 30_000 })
    }
    expect(release.phase).toBe('ramping')
    expect(passes).toBeLessThan(20)
    expect(release.probeMs).toBe(30_000)
    release.open()
    expect(release.probeMs).toBe(0)
  })
})
