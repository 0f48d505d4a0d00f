/**
 * The whole way back against an upstream with servers and a queue: down for 20 s, then well at once, with ten seconds
 * of work waiting and 90 % of the capacity coming in anew.
 */
import { describe, expect, it } from 'vitest'
import type { Millis } from '../model.ts'
import { seeded } from '../random.ts'
import { Release } from './release.ts'

const policy = { probeEveryMs: 500, probeMaxMs: 1000, probePasses: 2, start: 0.2, growth: 1.5, windowMs: 250 }

interface Sent {
  readonly at: Millis
  readonly call: number
  readonly probe: boolean
}

/** Serves in order of arrival; refuses with 503 while down and when its queue is full. */
class Upstream {
  readonly #servers: number
  readonly #serviceMs: () => Millis
  readonly #queue: Sent[] = []
  readonly #answers: { readonly at: Millis; readonly sent: Sent; readonly ok: boolean }[] = []
  #busy = 0
  down = true

  constructor(servers: number, serviceMs: () => Millis) {
    this.#servers = servers
    this.#serviceMs = serviceMs
  }

  send(sent: Sent): void {
    if (!this.down && this.#busy < this.#servers) this.#begin(sent, sent.at)
    else if (!this.down && this.#queue.length < 2 * this.#servers) this.#queue.push(sent)
    else this.#answers.push({ at: sent.at + 20, sent, ok: false })
  }

  /** What is answered by now. */
  answers(now: Millis): { readonly sent: Sent; readonly ok: boolean }[] {
    const due = this.#answers.filter(({ at }) => at <= now)
    for (const answer of due) {
      this.#answers.splice(this.#answers.indexOf(answer), 1)
      if (!answer.ok) continue
      this.#busy -= 1
      const next = this.#queue.shift()
      if (next !== undefined) this.#begin(next, now)
    }
    return due
  }

  #begin(sent: Sent, now: Millis): void {
    this.#busy += 1
    this.#answers.push({ at: now + this.#serviceMs(), sent, ok: true })
  }
}

interface Recovery {
  readonly reachedMs: Millis
  /** Most arrivals in 100 ms, in parts of what the upstream serves in that time. */
  readonly peak: number
  readonly shuts: number
  /** Share of the capacity that was used from five seconds after its return. */
  readonly goodput: number
}

function recover(perSecond: number, serviceMs: Millis, seed: number): Recovery {
  const random = seeded(seed)
  const upstream = new Upstream((perSecond * serviceMs) / 1000, () => serviceMs * (0.6 + 0.8 * random()))
  const release = new Release(policy, random)
  release.healthyRate(perSecond, 1.4 * serviceMs)
  release.fail(0)
  const backAt = 20_000 + 100 * seed
  const sent = new Map<number, number>()
  const served = new Map<number, number>()
  let [calls, waiting, shuts] = [0, 0, 0]
  for (let now = 0; now < backAt + 20_000; now++) {
    upstream.down = now < backAt
    waiting = Math.min(10 * perSecond, waiting + (0.9 * perSecond) / 1000)
    const before = release.phase
    for (const { sent: call, ok } of upstream.answers(now)) {
      const latencyOk = now - call.at <= 1.5 * 1.4 * serviceMs
      if (call.probe) release.probeEnded(call.call, ok && latencyOk, now)
      else release.outcome(ok, latencyOk, now, !ok, call.at)
      if (ok) served.set(Math.floor(now / 500), (served.get(Math.floor(now / 500)) ?? 0) + 1)
    }
    shuts += before === 'ramping' && release.phase === 'shut' ? 1 : 0
    while (waiting >= 1) {
      const probe = release.phase === 'shut'
      if (probe ? !release.mayProbe(now, true) : !release.take(now)) break
      waiting -= 1
      const call = { at: now, call: calls++, probe }
      if (probe) release.probeSent(call.call, now)
      upstream.send(call)
      sent.set(Math.floor(now / 100), (sent.get(Math.floor(now / 100)) ?? 0) + 1)
    }
  }
  const full = [...served].filter(([bin, count]) => bin * 500 >= backAt && count * 2 >= 0.9 * perSecond)
  const reachedMs = Math.min(...full.map(([bin]) => bin * 500 + 500)) - backAt
  const peak = Math.max(...sent.values()) / (perSecond / 10)
  const late = [...served].filter(([bin]) => bin * 500 >= backAt + 5000 && bin * 500 < backAt + 20_000)
  const goodput = late.reduce((sum, [, count]) => sum + count, 0) / (15 * perSecond)
  return { reachedMs, peak, shuts, goodput }
}

describe('Release against an upstream that comes back', () => {
  it.each([
    [100, 200],
    [500, 50],
    [200, 100],
  ])(
    'is back within five seconds at %i/s and %i ms, without a herd and without falling back',
    (perSecond, serviceMs) => {
      for (let seed = 1; seed <= 5; seed++) {
        const { reachedMs, peak, shuts, goodput } = recover(perSecond, serviceMs, seed)
        expect(reachedMs).toBeLessThanOrEqual(5000)
        expect(peak).toBeLessThanOrEqual(1.5)
        expect(shuts).toBe(0)
        expect(goodput).toBeGreaterThan(0.85)
      }
    },
  )

  it('is back within twelve seconds when a single answer takes one', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { reachedMs, peak, shuts } = recover(100, 1000, seed)
      expect(reachedMs).toBeLessThanOrEqual(12_000)
      expect(peak).toBeLessThanOrEqual(1.5)
      expect(shuts).toBe(0)
    }
  })
})
