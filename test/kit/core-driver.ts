/** Drives a core by hand in virtual time: a caller of its own that keeps the slots and checks the books. */
import { deepStrictEqual } from 'node:assert'
import { createCoordinator, type Coordinator } from '../../src/core/coordinator.ts'
import type { Arrival, Directive, Millis, SettlementKind, Verdict } from '../../src/core/model.ts'
import type { Policy } from '../../src/core/policy.ts'
import type { UpstreamReading } from '../../src/core/reading.ts'
import { holdPolicy, policyOf } from './policy.ts'

export const HOLD_POLICY = holdPolicy('{ drift: { warmUp: 2s, warmUpSamples: 100 } }')

export function arrivalOf(facts: Partial<Arrival>): Arrival {
  return {
    at: 0,
    call: 0,
    upstream: 0,
    agent: 'agent',
    trust: 'claimed',
    workflow: '',
    parent: '',
    method: 'POST',
    path: '/v1/call',
    route: '/v1/call',
    bytes: 100,
    priority: 'normal',
    family: 'openai-js',
    patienceMs: Infinity,
    attempt: 0,
    onceKey: 0,
    fingerprint: 1,
    credential: 0,
    longLived: false,
    holdable: true,
    deferrable: false,
    ...facts,
  }
}

export class Driver {
  readonly core: Coordinator
  now: Millis = 0
  /** The slot of the last arrival. */
  last = -1
  lastVerdict!: Verdict
  readonly released: number[] = []
  readonly expired: Extract<Directive, { do: 'expire' }>[] = []
  readonly #inFlight = new Set<number>()
  readonly #held = new Set<number>()
  readonly #free: number[] = []
  #slots = 0
  #arrivals = 0

  constructor(policy: string | Policy, upstreams: readonly string[] = ['api']) {
    const compiled = typeof policy === 'string' ? policyOf(policy, upstreams) : policy
    this.core = createCoordinator({ policy: compiled, upstreams, seed: 7 })
  }

  arrive(facts: Partial<Arrival>): Verdict {
    const call = this.#free.pop() ?? this.#slots++
    this.last = call
    this.#arrivals += 1
    this.lastVerdict = this.core.arrive(arrivalOf({ ...facts, at: this.now, call }))
    const { do: kind } = this.lastVerdict
    if (kind === 'hold') this.#held.add(call)
    else if (kind === 'pass') this.#send(call)
    else this.#free.push(call)
    return this.lastVerdict
  }

  head(call: number, status: number, retryAfterMs = -1): Millis {
    return this.core.progress({
      kind: 'head',
      call,
      at: this.now,
      status,
      streaming: false,
      retryAfterMs,
      quota: undefined,
    }).slotAt
  }

  /** The upstream answers `call` after `ms`. */
  answer(call: number, status: number, ms: Millis, bytes = 10): void {
    if (!this.#inFlight.has(call)) return
    this.advance(ms)
    this.head(call, status)
    this.#end(
      call,
      status === 429 || status === 503 ? 'dropped' : status >= 500 ? 'failure' : 'success',
      status,
      bytes,
    )
  }

  leave(call: number): void {
    if (call >= 0) this.#end(call, 'cancelled', 0)
  }

  anyOpen(pick: number): number {
    const open = [...this.#inFlight, ...this.#held]
    return open[pick % Math.max(1, open.length)] ?? -1
  }

  anyInFlight(pick: number): number {
    const open = [...this.#inFlight]
    return open[pick % Math.max(1, open.length)] ?? -1
  }

  advance(ms: Millis): void {
    const end = this.now + ms
    for (let ticks = 0; this.core.wakeAt() <= end; ticks++) {
      if (ticks > 100_000) throw new Error('the core wakes without end')
      this.now = Math.max(this.now, this.core.wakeAt())
      this.#obey(this.core.tick(this.now))
    }
    this.now = end
  }

  endAll(): void {
    for (let round = 0; this.#held.size + this.#inFlight.size > 0; round++) {
      if (round > 10_000) throw new Error('calls that never end')
      for (const call of this.#inFlight) this.answer(call, 200, 1)
      this.advance(100)
    }
  }

  upstream(index = 0): UpstreamReading {
    return this.core.read(this.now).upstreams[index] as UpstreamReading
  }

  assertBooks(): void {
    const { outcomes, inFlight, held } = this.upstream()
    const ended = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
    const { open } = this.core.read(this.now)
    deepStrictEqual(
      { sum: ended + open, inFlight, held },
      { sum: this.#arrivals, inFlight: this.#inFlight.size, held: this.#held.size },
    )
  }

  #obey(directives: readonly Directive[]): void {
    for (const directive of directives) {
      if (directive.do === 'announce') continue
      if (!this.#held.delete(directive.call)) throw new Error(`call ${directive.call} was not held`)
      if (directive.do === 'release') {
        this.released.push(directive.call)
        this.#send(directive.call)
      } else {
        this.expired.push({ ...directive })
        this.#free.push(directive.call)
      }
    }
  }

  #send(call: number): void {
    this.#inFlight.add(call)
    this.core.progress({ kind: 'sent', call, at: this.now })
  }

  #end(call: number, kind: SettlementKind, status: number, bytes = 10): void {
    this.#inFlight.delete(call)
    this.#held.delete(call)
    this.core.settle({
      call,
      at: this.now,
      kind,
      status,
      answered: status > 0,
      bytesIn: bytes,
      bytesOut: bytes,
    })
    this.#free.push(call)
  }
}
