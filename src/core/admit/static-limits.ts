/**
 * The operator's own limits (rate, concurrency, width of a workflow), each counted per upstream, agent or
 * workflow. One instance per limit of a rule: a rule in shadow mode counts on its own and cannot starve another.
 */
import { Concurrency } from '../limit/concurrency.ts'
import { Gcra } from '../limit/gcra.ts'
import type { Millis, Reason } from '../model.ts'
import type { Policy, Rule } from '../policy.ts'

export interface Keys {
  readonly upstream: number
  readonly agentSlot: number
  readonly workflowSlot: number
}

export interface TableSizes {
  readonly upstreams: number
  readonly agents: number
  readonly workflows: number
}

interface Gate {
  readonly per: 'upstream' | 'agent' | 'workflow'
  readonly rate: Gcra | undefined
  readonly concurrency: Concurrency | undefined
  readonly reason: Reason
}

/** What stands in the way: room later (`waitMs`), or once somebody leaves (`waitMs` -1); `ok` = nothing. */
export interface Obstacle {
  readonly gate: number
  readonly waitMs: Millis
  readonly reason: Reason
}

/** More than any table has entries. */
const PLACES_PER_GATE = 2 ** 24

export class StaticLimits {
  readonly #gates: Gate[] = []
  readonly #byRule: number[][] = []

  constructor(policy: Policy, sizes: TableSizes) {
    for (const rule of policy.rules) this.#byRule.push(this.#gatesOf(rule, sizes))
  }

  /** Gates of a rule, in the order in which they are taken. */
  of(rule: Rule): readonly number[] {
    return this.#byRule[rule.index] ?? []
  }

  /** Takes all of `gates`, or nothing: what was taken is given back in reverse when a later one refuses. */
  take(gates: readonly number[], keys: Keys, at: Millis): Obstacle | undefined {
    for (let index = 0; index < gates.length; index++) {
      const number = gates[index]!
      const gate = this.#gates[number]!
      const key = keyOf(gate, keys)
      const waitMs = gate.rate?.take(key, at) ?? 0
      const full = waitMs === 0 && gate.concurrency?.take(key) === false
      if (waitMs === 0 && !full) continue
      if (full) gate.rate?.giveBack(key)
      this.#giveBack(gates, index, keys)
      return { gate: number, waitMs: full ? -1 : waitMs, reason: gate.reason }
    }
    return undefined
  }

  /** A call that took `gates` is no longer at the upstream. */
  leave(gates: readonly number[], keys: Keys): void {
    for (const number of gates) {
      const gate = this.#gates[number]
      gate?.concurrency?.give(keyOf(gate, keys))
    }
  }

  /** One number for a gate and the key that it counts: where its waiting line stands. */
  placeOf(gate: number, keys: Keys): number {
    return gate * PLACES_PER_GATE + keyOf(this.#gates[gate]!, keys)
  }

  #giveBack(gates: readonly number[], taken: number, keys: Keys): void {
    for (let index = taken - 1; index >= 0; index--) {
      const gate = this.#gates[gates[index]!]!
      const key = keyOf(gate, keys)
      gate.rate?.giveBack(key)
      gate.concurrency?.give(key)
    }
  }

  /** The agent's or workflow's slot belongs to somebody else from now on. */
  forget(per: 'agent' | 'workflow', slot: number): void {
    for (const gate of this.#gates) if (gate.per === per) gate.rate?.reset(slot)
  }

  #gatesOf(rule: Rule, sizes: TableSizes): number[] {
    const numbers: number[] = []
    const add = (gate: Gate): void => void numbers.push(this.#gates.push(gate) - 1)
    for (const limit of rule.then.limits) {
      const slots =
        limit.per === 'upstream' ? sizes.upstreams : limit.per === 'agent' ? sizes.agents : sizes.workflows
      if (limit.rate > 0) {
        const rate = new Gcra({ slots, ratePerSecond: limit.rate, burst: limit.burst })
        add({ per: limit.per, rate, concurrency: undefined, reason: 'rate-limit' })
      }
      if (limit.concurrency > 0) {
        const concurrency = new Concurrency({ slots, limit: limit.concurrency })
        add({ per: limit.per, rate: undefined, concurrency, reason: 'concurrency-limit' })
      }
    }
    const width = rule.then.fanOut?.width
    if (width !== undefined && width !== Infinity) {
      const concurrency = new Concurrency({ slots: sizes.workflows, limit: width })
      add({ per: 'workflow', rate: undefined, concurrency, reason: 'fan-out' })
    }
    return numbers
  }
}

function keyOf(gate: Gate, keys: Keys): number {
  return gate.per === 'upstream' ? keys.upstream : gate.per === 'agent' ? keys.agentSlot : keys.workflowSlot
}
