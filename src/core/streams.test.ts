import { describe, expect, it } from 'vitest'
import { arrivalOf, HOLD_POLICY } from '../../test/kit/core-driver.ts'
import { policyOf } from '../../test/kit/policy.ts'
import { createCoordinator } from './coordinator.ts'
import type { Condition, Millis } from './model.ts'
import { seeded } from './random.ts'

interface Answer {
  readonly streaming: boolean
  readonly headMs: Millis
  readonly endMs: Millis
  /** Between the chunks of a stream; 0 = none come. */
  readonly gapMs: Millis
}

const STREAM: Answer = { streaming: true, headMs: 200, endMs: 5000, gapMs: 0 }
const WHOLE: Answer = { streaming: false, headMs: 2000, endMs: 2000, gapMs: 0 }

/** One upstream and route in virtual time, ten calls a second; times are log-normal, deviation 0.3. */
class Upstream {
  readonly #core = createCoordinator({ policy: policyOf(HOLD_POLICY), upstreams: ['api'], seed: 3 })
  readonly #random = seeded(5)
  readonly #due = new Map<Millis, (() => void)[]>()
  readonly #free: number[] = []
  #slots = 0
  #now: Millis = 0

  run(seconds: number, next: (random: () => number) => Answer): Condition | undefined {
    for (const end = this.#now + seconds * 1000; this.#now < end; this.#now += 10) {
      for (const act of this.#due.get(this.#now) ?? []) act()
      this.#due.delete(this.#now)
      if (this.#now % 100 === 0) this.#call(next(this.#random))
      if (this.#core.wakeAt() <= this.#now) this.#core.tick(this.#now)
    }
    return this.condition
  }

  /** Seconds until it is not healthy any more, at most 120. */
  secondsUntilUnwell(next: (random: () => number) => Answer): number {
    for (let second = 1; second <= 120; second++) if (this.run(1, next) !== 'healthy') return second
    return Infinity
  }

  get condition(): Condition | undefined {
    return this.#core.read(this.#now).upstreams[0]?.condition
  }

  #call({ streaming, headMs, endMs, gapMs }: Answer): void {
    const call = this.#free.pop() ?? this.#slots++
    const verdict = this.#core.arrive(arrivalOf({ at: this.#now, call, agent: `agent-${call % 7}` }))
    if (verdict.do !== 'pass') {
      if (verdict.do !== 'hold') this.#free.push(call)
      return
    }
    this.#core.progress({ kind: 'sent', call, at: this.#now })
    const spread = Math.exp(0.3 * this.#normal())
    const head = this.#at(headMs * spread)
    const end = Math.max(head, this.#at(endMs * spread))
    const told = { status: 200, streaming, retryAfterMs: -1, quota: undefined } as const
    this.#when(head, () => this.#core.progress({ kind: 'head', call, at: this.#now, ...told }))
    const chunksEnd = gapMs > 0 ? end : head
    for (let at = head; at < chunksEnd; at = this.#at(at - this.#now + gapMs)) {
      this.#when(at, () => this.#core.progress({ kind: 'chunk', call, at: this.#now }))
    }
    this.#when(end, () => {
      const ended = { kind: 'success', status: 200, answered: true, bytesIn: 100, bytesOut: 100 } as const
      this.#core.settle({ call, at: this.#now, ...ended })
      this.#free.push(call)
    })
  }

  #at(ms: Millis): Millis {
    return this.#now + Math.max(10, Math.round(ms / 10) * 10)
  }

  #when(at: Millis, act: () => void): void {
    const acts = this.#due.get(at)
    if (acts === undefined) this.#due.set(at, [act])
    else acts.push(act)
  }

  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
  }
}

const mixed = (streams: number) => (random: () => number) => (random() < streams ? STREAM : WHOLE)

describe('streams', () => {
  it('and whole answers of one route are judged apart: a shift of their mix is no drift', () => {
    const upstream = new Upstream()
    expect(upstream.run(300, mixed(0.8))).toBe('healthy')
    expect(upstream.secondsUntilUnwell(mixed(0.2))).toBe(Infinity)
  })

  it('are judged by their first byte as soon as it is there, however long they last', () => {
    const upstream = new Upstream()
    const lasting = { ...STREAM, endMs: 60_000 }
    expect(upstream.run(300, () => lasting)).toBe('healthy')
    expect(upstream.secondsUntilUnwell(() => ({ ...lasting, headMs: 600 }))).toBeLessThan(20)
  })

  it('that fall silent are seen before the next chunk comes', () => {
    const upstream = new Upstream()
    const flowing = { ...STREAM, endMs: 10_000, gapMs: 100 }
    expect(upstream.run(300, () => flowing)).toBe('healthy')
    expect(upstream.secondsUntilUnwell(() => ({ ...flowing, endMs: 100_000, gapMs: 50_000 }))).toBeLessThan(
      30,
    )
  })
})
