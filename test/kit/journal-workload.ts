/** Anything at all that a core may be told, in any order: the caller's part of the property tests of the journal. */
import {
  array,
  constant,
  constantFrom,
  double,
  integer,
  nat,
  oneof,
  record,
  type Arbitrary,
  type WeightedArbitrary,
} from 'fast-check'
import type { Arrival, Directive, SettlementKind } from '../../src/core/model.ts'
import type { Policy } from '../../src/core/policy.ts'
import type { RecordedCore } from '../../src/journal/record.ts'
import { arrivalOf } from './core-driver.ts'

export type Step =
  | { readonly do: 'arrive'; readonly pick: number; readonly bytes: number }
  /** Status 0 = none, and a broken connection. */
  | { readonly do: 'answer'; readonly pick: number; readonly status: number }
  | { readonly do: 'leave' | 'chunk' | 'late'; readonly pick: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'adopt' | 'drain' | 'pressure' }

const anyCall = nat(63)
export const workloads: Arbitrary<readonly Step[]> = array(
  oneof<WeightedArbitrary<Step>[]>(
    {
      weight: 10,
      arbitrary: record({
        do: constant('arrive' as const),
        pick: anyCall,
        bytes: integer({ min: -1, max: 9999 }),
      }),
    },
    {
      weight: 8,
      arbitrary: record({
        do: constant('answer' as const),
        pick: anyCall,
        status: constantFrom(200, 200, 429, 500, 503, 0),
      }),
    },
    {
      weight: 2,
      arbitrary: record({
        do: constantFrom('leave' as const, 'chunk' as const, 'late' as const),
        pick: anyCall,
      }),
    },
    {
      weight: 8,
      arbitrary: record({
        do: constant('wait' as const),
        ms: double({ min: 0, max: 900, noNaN: true }),
      }),
    },
    {
      weight: 1,
      arbitrary: record({ do: constantFrom('adopt' as const, 'drain' as const, 'pressure' as const) }),
    },
  ),
  { minLength: 1, maxLength: 400 },
)

/** A caller that keeps the slots, as the proxy does, in fractions of a microsecond. */
export class Workload {
  readonly #core: RecordedCore
  readonly #other: Policy
  readonly #open: number[] = []
  readonly #free: number[] = []
  #now = 0.1
  #slots = 0
  readonly #held = new Set<number>()

  /** @param other the policy that it switches to */
  constructor(core: RecordedCore, other: Policy) {
    this.#core = core
    this.#other = other
  }

  run(steps: readonly Step[]): void {
    for (const one of steps) this.#do(one)
    for (const call of this.#open.slice()) this.#end(call, 'cancelled', 0)
    this.#core.finish()
  }

  #do(one: Step): void {
    const at = this.#now
    switch (one.do) {
      case 'arrive':
        return this.#arrive(one.pick, one.bytes)
      case 'wait':
        return this.#wait(one.ms)
      case 'adopt':
        return this.#core.adopt(this.#other, at)
      case 'drain':
        return this.#core.drain(at, at + 1000.12345)
      case 'pressure':
        return this.#core.pressure(0.85)
      case 'late':
        // Word of a call that is over.
        this.#core.progress({ kind: 'chunk', call: this.#slots + 3, at })
        return
      case 'leave':
        return this.#each(one.pick, (call) => this.#end(call, 'cancelled', 0))
      case 'chunk':
        return this.#each(one.pick, (call) => void this.#core.progress({ kind: 'chunk', call, at }))
      case 'answer':
        return this.#each(one.pick, (call) => this.#answer(call, one.status))
    }
  }

  #each(pick: number, act: (call: number) => void): void {
    const call = this.#open[pick % Math.max(1, this.#open.length)]
    if (call !== undefined) act(call)
  }

  #answer(call: number, status: number): void {
    if (this.#held.has(call)) return
    const head = { kind: 'head', call, at: this.#now, status, streaming: status === 200 } as const
    const quota = { limit: 100, remaining: call, resetMs: 1234.5678 }
    if (status !== 0) this.#core.progress({ ...head, retryAfterMs: status === 200 ? -1 : 1500.5, quota })
    const kind = status === 200 ? 'success' : [429, 503].includes(status) ? 'dropped' : 'failure'
    this.#end(call, kind, status)
  }

  #arrive(seed: number, bytes: number): void {
    const call = this.#free.pop() ?? this.#slots++
    const facts: Partial<Arrival> = {
      upstream: seed % 2,
      agent: `agent-${seed % 7}`,
      workflow: seed % 3 === 0 ? '' : `w${seed % 5}`,
      parent: seed % 11 === 0 ? 'agent-1' : '',
      path: seed % 13 === 0 ? '/v1/other' : '/v1/call',
      route: seed % 13 === 0 ? '/v1/other' : '/v1/call',
      bytes,
      fingerprint: 2 ** 52 + (seed % 17),
      onceKey: seed % 4,
      attempt: seed % 3,
      patienceMs: seed % 2 === 0 ? Infinity : 2500.125,
      longLived: seed % 19 === 0,
      holdable: seed % 5 !== 0,
      credential: seed % 2,
    }
    const verdict = this.#core.arrive(arrivalOf({ ...facts, at: this.#now, call }))
    if (verdict.do === 'hold') this.#held.add(call)
    if (verdict.do === 'pass') this.#core.progress({ kind: 'sent', call, at: this.#now })
    if (verdict.do === 'pass' || verdict.do === 'hold') this.#open.push(call)
    else this.#over(call, 'shed', 429)
  }

  #wait(ms: number): void {
    const end = this.#now + ms
    for (let due = this.#core.wakeAt(); due <= end; due = this.#core.wakeAt()) {
      this.#now = Math.max(this.#now, due)
      this.#core.read(this.#now)
      for (const directive of this.#core.tick(this.#now).slice()) this.#obey(directive)
    }
    this.#now = end
  }

  #obey(directive: Directive): void {
    if (directive.do === 'announce') return
    this.#held.delete(directive.call)
    if (directive.do === 'release') {
      this.#core.progress({ kind: 'sent', call: directive.call, at: this.#now })
      return
    }
    this.#open.splice(this.#open.indexOf(directive.call), 1)
    this.#over(directive.call, 'hold-expired', 504)
  }

  #end(call: number, kind: SettlementKind, status: number): void {
    this.#open.splice(this.#open.indexOf(call), 1)
    this.#held.delete(call)
    const answered = status !== 0
    this.#core.settle({ call, at: this.#now, kind, status, answered, bytesIn: 10, bytesOut: 20 })
    this.#over(call, kind === 'cancelled' ? 'client-gone' : 'passed', status)
  }

  #over(slot: number, outcome: 'shed' | 'hold-expired' | 'client-gone' | 'passed', status: number): void {
    const call = { slot, id: 'c', status, bytesIn: 5, bytesOut: 9, verdict: undefined }
    this.#core.ended(call, outcome, this.#now)
    this.#free.push(slot)
  }
}
