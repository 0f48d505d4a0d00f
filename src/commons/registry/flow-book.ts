/**
 * What Weir saw of each agent's traffic: one small record per agent and upstream, written on the data path at the end
 * of a call with two look-ups and four additions. The longest silent agent goes when there are too many.
 */
import type { Millis } from '../../core/model.ts'
import type { SeenAgent } from './seen.ts'

interface Flow {
  calls: number
  errors: number
  lastSeenAt: Millis
}

interface AgentFlows {
  /** 0 = never: it is known for having left. */
  lastSeenAt: Millis
  /** When it was said to be gone; a later call brings it back. */
  leftAt: Millis
  /** By upstream index; few. */
  readonly flows: Map<number, Flow>
}

export interface FlowNames {
  /** Name and condition by upstream index. */
  upstream(index: number): { readonly name: string; readonly condition: string }
  /** Condition of an agent. */
  agent(name: string): string
}

/** An agent that was seen within this time is there; those are told before all others. */
const LATELY_MS: Millis = 60_000
/** Of one agent, to others: the busiest. */
const FLOWS_TOLD = 16
/** More than calls can be. */
const FIRST = 2 ** 52

export class FlowBook {
  #changes = 0
  readonly #agents = new Map<string, AgentFlows>()
  readonly #most: number
  readonly #names: FlowNames

  constructor(most: number, names: FlowNames) {
    this.#most = most
    this.#names = names
  }

  ended(agent: string, upstream: number, isError: boolean, at: Millis): void {
    const known = this.#agents.get(agent) ?? this.#begin(agent)
    this.#changes += 1
    known.lastSeenAt = at
    let flow = known.flows.get(upstream)
    if (flow === undefined) known.flows.set(upstream, (flow = { calls: 0, errors: 0, lastSeenAt: at }))
    flow.calls += 1
    if (isError) flow.errors += 1
    flow.lastSeenAt = at
  }

  /** It has left: what it sent before, here or elsewhere, is no sign of life any more. */
  left(agent: string, at: Millis): void {
    const known = this.#agents.get(agent) ?? this.#begin(agent)
    this.#changes += 1
    known.leftAt = at
  }

  /** Grows with everything that is written here. */
  get changes(): number {
    return this.#changes
  }

  of(agent: string): SeenAgent | undefined {
    const known = this.#agents.get(agent)
    if (known === undefined) return undefined
    const { lastSeenAt, leftAt } = known
    const flows = [...known.flows].map(([index, { calls, errors, lastSeenAt: at }]) => {
      const { name, condition } = this.#names.upstream(index)
      return { upstream: name, calls, errors, lastSeenAt: at, condition }
    })
    return { agent, lastSeenAt, leftAt, condition: this.#names.agent(agent), flows }
  }

  /** For others to read: those who left or called lately, then the rest; the busiest of either. */
  busiest(most: number, now: Millis): SeenAgent[] {
    const agents = [...this.#agents]
    const weights = new Float64Array(agents.map(([, known]) => weightOf(known, now)))
    const least = agents.length <= most ? -1 : weights.toSorted()[agents.length - most]!
    const above = agents.filter((_, index) => weights[index]! > least)
    const level = agents.filter((_, index) => weights[index] === least)
    return [...above, ...level.slice(0, most - above.length)]
      .map(([agent]) => this.of(agent)!)
      .map((seen) => ({
        ...seen,
        flows: seen.flows.toSorted((one, other) => other.calls - one.calls).slice(0, FLOWS_TOLD),
      }))
  }

  /** How many sent a call after this instant. */
  seenSince(at: Millis): number {
    let count = 0
    for (const { lastSeenAt, leftAt } of this.#agents.values())
      if (lastSeenAt > Math.max(at, leftAt)) count += 1
    return count
  }

  /** Those of whom a call was seen, after `after`. */
  names(after: string): string[] {
    return [...this.#agents]
      .filter(([name, { flows }]) => name > after && flows.size > 0)
      .map(([name]) => name)
  }

  #begin(agent: string): AgentFlows {
    if (this.#agents.size >= this.#most) this.#forget()
    const known = { lastSeenAt: 0, leftAt: 0, flows: new Map() }
    this.#agents.set(agent, known)
    return known
  }

  /** One pass over the oldest known; the exact longest silent one is not worth a heap. */
  #forget(): void {
    let oldest = ''
    let at = Infinity
    let looked = 0
    for (const [name, { lastSeenAt }] of this.#agents) {
      if (lastSeenAt < at) [oldest, at] = [name, lastSeenAt]
      if ((looked += 1) >= 16) break
    }
    this.#agents.delete(oldest)
  }
}

function weightOf({ lastSeenAt, leftAt, flows }: AgentFlows, now: Millis): number {
  let weight = 0
  for (const { calls } of flows.values()) weight += calls
  return Math.max(lastSeenAt, leftAt) > now - LATELY_MS ? FIRST + weight : weight
}
