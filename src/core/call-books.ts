/**
 * The books of calls: which are at an upstream, under a limit, in a workflow. What is entered for a call is taken out
 * once, at its end, and whoever waited for its place is told.
 */
import type { Admission } from './admit/admission.ts'
import type { Agenda } from './admit/agenda.ts'
import { CLASS_SHARES } from './admit/class-shares.ts'
import type { WaitingLine } from './admit/waiting-line.ts'
import type { CallSlot, Millis, Outcome } from './model.ts'
import type { Agents } from './observe/agents.ts'
import type { InFlight } from './observe/in-flight.ts'
import { NO_GATES, type OpenCall, type OpenCalls } from './observe/open-calls.ts'
import type { QuotaKnowledge } from './observe/quota.ts'
import type { Workflows } from './observe/workflows.ts'
import type { UpstreamState } from './upstream-state.ts'

interface Books {
  readonly calls: OpenCalls
  readonly inFlight: InFlight
  readonly upstreams: readonly UpstreamState[]
  readonly agents: Agents
  readonly workflows: Workflows
  readonly quota: QuotaKnowledge
  readonly admission: Admission
  readonly agenda: Agenda
  readonly line: WaitingLine
}

export class CallBooks {
  readonly #calls: OpenCalls
  readonly #inFlight: InFlight
  readonly #upstreams: readonly UpstreamState[]
  readonly #agents: Agents
  readonly #workflows: Workflows
  readonly #quota: QuotaKnowledge
  readonly #admission: Admission
  readonly #agenda: Agenda
  readonly #line: WaitingLine

  constructor(books: Books) {
    this.#calls = books.calls
    this.#inFlight = books.inFlight
    this.#upstreams = books.upstreams
    this.#agents = books.agents
    this.#workflows = books.workflows
    this.#quota = books.quota
    this.#admission = books.admission
    this.#agenda = books.agenda
    this.#line = books.line
  }

  /** The call may go upstream. */
  goesUpstream(slot: CallSlot, call: OpenCall, at: Millis): void {
    if (call.longLived) return
    const state = this.#upstreams[call.upstream]!
    call.inFlight = true
    this.#inFlight.join(slot, call.upstream)
    this.#quota.spend(call.credential, at)
    state.inFlight += 1
    state.inFlightBy[CLASS_SHARES[call.priority].rank]! += 1
    this.#agents.book.inFlight(call.agentSlot, 1)
    // Calls that no rule steers (shadow mode, exempt ones) go to a shut upstream anyway: they are its probes.
    if (!call.probe && state.release.phase === 'shut' && state.release.mayProbe(at, true)) {
      call.probe = true
      state.release.probeSent(slot, at)
    }
  }

  /** The call ends without having gone upstream: its workflow does not have it in flight any more. */
  unsent(slot: CallSlot, call: OpenCall, outcome: Outcome, at: Millis): void {
    if (!call.longLived) this.#workflows.withdraw(call.workflowSlot)
    this.ends(slot, call, outcome, at)
  }

  /** The call ends: in exactly one outcome. */
  ends(slot: CallSlot, call: OpenCall, outcome: Outcome, at: Millis): void {
    const state = this.#upstreams[call.upstream]!
    if (call.inFlight) {
      call.inFlight = false
      this.#inFlight.leave(slot, call.upstream)
      state.inFlight -= 1
      state.inFlightBy[CLASS_SHARES[call.priority].rank]! -= 1
      if (state.stuck > 0 && call.sentAt <= state.shutAt) state.stuck -= 1
      this.#agents.book.inFlight(call.agentSlot, -1)
      state.queue.complete(slot, at - call.sentAt)
    }
    if (call.gatesTaken) this.#leaveGates(call, at)
    if (call.shadowGatesTaken) this.#admission.limits.leave(call.shadowGates, call)
    this.#agents.left(call.agentSlot)
    this.#upstreams[call.asked]!.tally.outcome(outcome)
    this.#calls.end(slot)
    if (state.held > 0) this.#agenda.isUrgent = true
  }

  /** Another policy governs all calls from now on: limits of the old one are no longer counted. */
  leaveLimits(at: Millis): void {
    for (let slot = 0; slot < this.#calls.capacity; slot++) {
      const call = this.#calls.get(slot)
      if (call === undefined) continue
      call.gates = NO_GATES
      call.shadowGates = NO_GATES
      call.gatesTaken = false
      call.shadowGatesTaken = false
      if (call.waiting === 'limit') this.#agenda.add(slot, at)
    }
  }

  #leaveGates(call: OpenCall, at: Millis): void {
    const { limits } = this.#admission
    limits.leave(call.gates, call)
    call.gatesTaken = false
    for (const gate of call.gates) {
      const next = this.#line.first(limits.placeOf(gate, call))
      if (next === -1) continue
      this.#agenda.add(next, at)
      this.#agenda.isUrgent = true
    }
  }
}
