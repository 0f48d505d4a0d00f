/**
 * What Weir saw of each agent's traffic: one small record per agent and upstream, written on the data path at the end
 * of a call with two look-ups and four additions. The longest silent agent goes when there are too many.
 */
import type { Millis } from '../../core/model.ts'
import type { FlowView, Observed } from './registration.ts'

interface Flow {
  calls: number
  errors: number
  lastSeenAt: Millis
}

interface AgentFlows {
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

export class FlowBook {
  readonly #agents = new Map<string, AgentFlows>()
  readonly #most: number
  readonly #names: FlowNames

  constructor(most: number, names: FlowNames) {
    this.#most = most
    this.#names = names
  }

  ended(agent: string, upstream: number, isError: boolean, at: Millis): void {
    let known = this.#agents.get(agent)
    if (known === undefined) {
      if (this.#agents.size >= this.#most) this.#forget()
      this.#agents.set(agent, (known = { lastSeenAt: at, leftAt: 0, flows: new Map() }))
    }
    known.lastSeenAt = at
    let flow = known.flows.get(upstream)
    if (flow === undefined) known.flows.set(upstream, (flow = { calls: 0, errors: 0, lastSeenAt: at }))
    flow.calls += 1
    if (isError) flow.errors += 1
    flow.lastSeenAt = at
  }

  /** It has left: what it sent before is no sign of life any more. */
  left(agent: string, at: Millis): void {
    const known = this.#agents.get(agent)
    if (known !== undefined) known.leftAt = at
  }

  /** Whether a call of it was seen after this instant, and after it was said to be gone. */
  isSeen(agent: string, after: Millis): boolean {
    const known = this.#agents.get(agent)
    return known !== undefined && known.lastSeenAt > Math.max(after, known.leftAt)
  }

  of(agent: string): Observed | undefined {
    const known = this.#agents.get(agent)
    if (known === undefined) return undefined
    let calls = 0
    let errors = 0
    const flows: FlowView[] = []
    for (const [index, flow] of known.flows) {
      calls += flow.calls
      errors += flow.errors
      const { name, condition } = this.#names.upstream(index)
      const errorRatio = flow.errors / flow.calls
      flows.push({ upstream: name, calls: flow.calls, errorRatio, lastSeenAt: flow.lastSeenAt, condition })
    }
    const { lastSeenAt } = known
    return {
      lastSeenAt,
      calls,
      errorRatio: calls === 0 ? 0 : errors / calls,
      condition: this.#names.agent(agent),
      flows,
    }
  }

  /** How many sent a call after this instant. */
  seenSince(at: Millis): number {
    let count = 0
    for (const agent of this.#agents.keys()) if (this.isSeen(agent, at)) count += 1
    return count
  }

  /** Names after `after`, by name. */
  names(after: string): string[] {
    return [...this.#agents.keys()].filter((name) => name > after).toSorted()
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
