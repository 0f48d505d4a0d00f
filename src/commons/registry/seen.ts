/** What a Weir saw of the traffic of one agent, in a form that others can read, and several of them taken together. */
import type { Millis } from '../../core/model.ts'
import type { FlowView, Observed } from './registration.ts'

export interface SeenFlow {
  /** By name: others may have their upstreams in another order. */
  readonly upstream: string
  readonly calls: number
  readonly errors: number
  readonly lastSeenAt: Millis
  /** Of the upstream, to whoever saw it. */
  readonly condition: string
}

export interface SeenAgent {
  readonly agent: string
  /** 0 = no call of it was seen. */
  readonly lastSeenAt: Millis
  /** When it was said to be gone; 0 = it was not. */
  readonly leftAt: Millis
  readonly condition: string
  readonly flows: readonly SeenFlow[]
}

/** Of an agent that nothing is to be said of. */
const ORDINARY = 'ordinary'

/** Whether somebody saw a call of it after this instant, and after it was said to be gone. */
export function isSeen(seen: readonly SeenAgent[], after: Millis): boolean {
  const lastSeenAt = Math.max(0, ...seen.map((each) => each.lastSeenAt))
  return lastSeenAt > Math.max(after, ...seen.map(({ leftAt }) => leftAt))
}

/**
 * Sums of what each saw, and the latest of it. Undefined = nobody saw a call.
 * @param seen what this Weir saw comes first: its word on a condition counts, being of this moment
 */
export function observedOf(seen: readonly SeenAgent[]): Observed | undefined {
  const flows = new Map<string, SeenFlow>()
  for (const flow of seen.flatMap((each) => each.flows)) {
    const known = flows.get(flow.upstream)
    flows.set(flow.upstream, known === undefined ? flow : together(known, flow))
  }
  if (flows.size === 0) return undefined
  const merged = [...flows.values()]
  const calls = sum(merged, (flow) => flow.calls)
  return {
    lastSeenAt: Math.max(...seen.map(({ lastSeenAt }) => lastSeenAt)),
    calls,
    errorRatio: sum(merged, (flow) => flow.errors) / calls,
    condition: seen.find(({ condition }) => condition !== ORDINARY)?.condition ?? ORDINARY,
    flows: merged.map(({ errors, ...flow }): FlowView => ({ ...flow, errorRatio: errors / flow.calls })),
  }
}

function together(one: SeenFlow, other: SeenFlow): SeenFlow {
  return {
    ...one,
    calls: one.calls + other.calls,
    errors: one.errors + other.errors,
    lastSeenAt: Math.max(one.lastSeenAt, other.lastSeenAt),
  }
}

function sum(flows: readonly SeenFlow[], of: (flow: SeenFlow) => number): number {
  return flows.reduce((total, flow) => total + of(flow), 0)
}
