/**
 * What an arrival tells: who calls, along which route, whether it is a retry, in which workflow, and that calls are a
 * storm's or a circle's.
 */
import type { Arrival, Millis } from '../model.ts'
import type { UpstreamState } from '../upstream-state.ts'
import type { Agents } from './agents.ts'
import type { LineageTracker } from './lineage.ts'
import type { OpenCall } from './open-calls.ts'
import { RouteBook } from './route-book.ts'
import type { Workflows } from './workflows.ts'

/** Below this, a retry is counted but never acted on (algorithms.md 3(2)). */
const ACTED_ON_CONFIDENCE = 0.6

export class Arrivals {
  readonly #agents: Agents
  readonly #lineage: LineageTracker
  readonly #workflows: Workflows
  readonly #routes = new RouteBook()

  constructor(parts: { agents: Agents; lineage: LineageTracker; workflows: Workflows }) {
    this.#agents = parts.agents
    this.#lineage = parts.lineage
    this.#workflows = parts.workflows
  }

  /** Writes into the call's record what the arrival says of itself. */
  identify(call: OpenCall, arrival: Arrival, state: UpstreamState, at: Millis): void {
    call.upstream = arrival.upstream
    call.asked = arrival.upstream
    call.agentSlot = this.#agents.enter(arrival.agent, at)
    call.route = this.#routes.index(arrival.upstream, arrival.route)
    call.stratum = state.drift.stratum(call.route, arrival.bytes)
    call.priority = arrival.priority
    call.family = arrival.family
    call.fingerprint = arrival.fingerprint
    call.onceKey = arrival.onceKey
    call.credential = arrival.credential
    call.requestBytes = Math.max(0, arrival.bytes)
    call.arrivedAt = at
    call.patienceMs = arrival.patienceMs
    call.longLived = arrival.longLived
    call.holdable = arrival.holdable
    call.deferrable = arrival.deferrable
  }

  /** Each upstream knows its own routes and classes: the call is one of the member's from now on. */
  reroute(call: OpenCall, state: UpstreamState): void {
    call.upstream = state.index
    call.route = this.#routes.counterpart(call.route, state.index)
    call.stratum = state.drift.stratum(call.route, call.requestBytes)
  }

  /** Counts an identified call wherever calls are counted. True when its agent began to go in circles with it. */
  count(call: OpenCall, arrival: Arrival, state: UpstreamState, at: Millis): boolean {
    const lineage = this.#lineage.arrive(arrival, at)
    const isRetry = lineage.kind === 'retry'
    call.attempt = lineage.attempt
    call.isRetry = isRetry && lineage.confidence >= ACTED_ON_CONFIDENCE
    state.tally.arrivals += 1
    state.active(at)
    if (!isRetry) state.flow.firstTry()
    state.storm.attempt(call.agentSlot, at)
    if (isRetry) {
      state.tally.retries += lineage.confidence
      if (!call.invited) state.storm.retry(call.agentSlot, lineage.confidence, at)
    }
    const circles = this.#agents.attempt(call.agentSlot, call.isRetry, isRetry ? lineage.confidence : 0, at)
    this.#countInWorkflow(call, arrival, at)
    return circles
  }

  #countInWorkflow(call: OpenCall, arrival: Arrival, at: Millis): void {
    call.workflowSlot = 0
    if (arrival.longLived) return
    call.workflowSlot = this.#workflows.arrive(
      arrival.workflow,
      this.#agents.book.workflowOf(call.agentSlot),
      arrival.agent,
      arrival.parent,
      call.route,
      arrival.upstream,
      arrival.bytes,
      call.isRetry,
      at,
    )
    this.#agents.book.worksIn(call.agentSlot, call.workflowSlot)
  }
}
