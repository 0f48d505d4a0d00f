/**
 * The operator's own limits (rate, concurrency, width of a workflow), each counted per upstream, agent or
 * workflow. One instance per limit of a rule: a rule in shadow mode counts on its own and cannot starve another.
 */
import { Concurrency } from '../limit/concurrency.ts'
import { Gcra } from '../limit/gcra.ts'
import type { Millis, Reason } from '../model.ts'
import { KeyShares, MOST_KEYS, type KeyLimit, type KeyNews } from '../fleet/key-shares.ts'
import { hashId } from '../fleet/sketch.ts'
import type { Policy, Rule, StaticLimit } from '../policy.ts'

export interface Keys {
  /** The upstream that was asked for. */
  readonly asked: number
  readonly agentSlot: number
  readonly workflowSlot: number
}

export interface TableSizes {
  readonly upstreams: number
  readonly agents: number
  readonly workflows: number
  /** What a slot stands for, to tell other replicas; absent = there are none, whatever a limit's scope. */
  readonly nameOf?: (per: StaticLimit['per'], slot: number) => string
}

interface Gate {
  readonly per: StaticLimit['per']
  /** Of a limit that holds for all replicas. */
  readonly shares: KeyShares | undefined
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
      const { shares } = gate
      shares?.ask(key, at)
      const waitMs = gate.rate?.take(key, at, shares?.part(key)) ?? 0
      const full = waitMs === 0 && gate.concurrency?.take(key, shares?.places(key)) === false
      if (waitMs === 0 && !full) continue
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
      gate.rate?.giveBack(key, gate.shares?.part(key))
      gate.concurrency?.give(key)
    }
  }

  /** The agent's or workflow's slot belongs to somebody else from now on. */
  forget(per: 'agent' | 'workflow', slot: number): void {
    for (const gate of this.#gates) {
      if (gate.per !== per) continue
      gate.rate?.reset(slot)
      gate.shares?.forget(slot)
    }
  }

  /** Calls at once that `place` has room for now. */
  roomAt(place: number): number {
    const gate = this.#gates[Math.floor(place / PLACES_PER_GATE)]
    const key = place % PLACES_PER_GATE
    if (gate?.concurrency === undefined) return 0
    return Math.max(0, (gate.shares?.places(key) ?? 0) - gate.concurrency.count(key))
  }

  /** What keys of limits for the whole fleet ask for here: see `CallersSummary.demands`. */
  tell(now: Millis): readonly number[] {
    const rows = this.#gates.flatMap(({ shares }) =>
      shares === undefined ? [] : shares.tell(now).map((row) => ({ shares, row })),
    )
    rows.sort((a, b) => b.row.load - a.row.load)
    const word: number[] = []
    for (const [index, { shares, row }] of rows.entries()) {
      const isTold = index < MOST_KEYS
      if (isTold) word.push(row.id, row.load, row.inUse)
      shares.said(row.slot, isTold ? row.load : 0)
    }
    return word
  }

  /** What the others ask for: divides anew. */
  hear(news: KeyNews): void {
    for (const { shares } of this.#gates) shares?.hear(news)
  }

  /** The board does not answer; `isLong`: has not for so long that shares are old. */
  lost(at: Millis, isLong: boolean): void {
    for (const { shares } of this.#gates) {
      if (isLong) shares?.cut(at)
      else shares?.gone()
    }
  }

  get isContended(): boolean {
    return this.#gates.some(({ shares }) => shares?.isContended === true)
  }

  #gatesOf(rule: Rule, sizes: TableSizes): number[] {
    const numbers: number[] = []
    const add = (gate: Gate): void => void numbers.push(this.#gates.push(gate) - 1)
    for (const [index, limit] of rule.then.limits.entries()) {
      const { per, scope } = limit
      const slots = per === 'upstream' ? sizes.upstreams : per === 'agent' ? sizes.agents : sizes.workflows
      const name = `${rule.id} ${index}`
      const isShared = scope === 'fleet'
      if (limit.rate > 0) {
        const rate = new Gcra({ slots, ratePerSecond: limit.rate, burst: limit.burst })
        const calls = callsPerSecond(slots, limit.rate, rate)
        const shares = isShared ? shared(sizes, per, name, calls) : undefined
        add({ per, shares, rate, concurrency: undefined, reason: 'rate-limit' })
      }
      if (limit.concurrency > 0) {
        const concurrency = new Concurrency({ slots, limit: limit.concurrency })
        const calls = callsAtOnce(slots, limit.concurrency, concurrency)
        const shares = isShared ? shared(sizes, per, name, calls) : undefined
        add({ per, shares, rate: undefined, concurrency, reason: 'concurrency-limit' })
      }
    }
    const width = rule.then.fanOut?.width
    if (width !== undefined && width !== Infinity) {
      const slots = sizes.workflows
      const concurrency = new Concurrency({ slots, limit: width })
      const shares = shared(sizes, 'workflow', `${rule.id} width`, callsAtOnce(slots, width, concurrency))
      add({ per: 'workflow', shares, rate: undefined, concurrency, reason: 'fan-out' })
    }
    return numbers
  }
}

/** A limit before its keys have names that all replicas know. */
type Countable = Omit<KeyLimit, 'idOf'>

function callsPerSecond(slots: number, limit: number, rate: Gcra): Countable {
  return {
    slots,
    limit,
    unit: 'per second',
    inUse: () => 0,
    onPart: (slot, before, part, at) => rate.rescale(slot, at, before, part),
  }
}

function callsAtOnce(slots: number, limit: number, concurrency: Concurrency): Countable {
  return { slots, limit, unit: 'at once', inUse: (slot) => concurrency.count(slot), onPart: () => {} }
}

/**
 * Divides a limit among all replicas; undefined = there are no others. Replicas of another policy divide another limit:
 * its figure is part of the name.
 */
function shared(
  sizes: TableSizes,
  per: StaticLimit['per'],
  name: string,
  counted: Countable,
): KeyShares | undefined {
  const { nameOf } = sizes
  if (nameOf === undefined) return undefined
  const figure = `${counted.limit}${counted.unit === 'per second' ? '/s' : ''}`
  return new KeyShares({
    ...counted,
    idOf: (slot) => hashId(`${name} ${figure} ${per} ${nameOf(per, slot)}`),
  })
}

function keyOf(gate: Gate, keys: Keys): number {
  return gate.per === 'upstream' ? keys.asked : gate.per === 'agent' ? keys.agentSlot : keys.workflowSlot
}
