/**
 * Calls that wait: what ends each wait, who goes next when there is room, and whose time is over. `Admission` says who
 * waits and for what; the directives say which of them go on.
 */
import type { CallBooks } from '../call-books.ts'
import type { CallSlot, Directive, Millis, Reason } from '../model.ts'
import type { AgentBook } from '../observe/agent-book.ts'
import type { LineageTracker } from '../observe/lineage.ts'
import { NO_GATES, type OpenCall, type OpenCalls } from '../observe/open-calls.ts'
import type { UpstreamState } from '../upstream-state.ts'
import type { Admission } from './admission.ts'
import type { Agenda } from './agenda.ts'
import type { WaitingLine } from './waiting-line.ts'

/** On the way to the upstream and back, beside what the upstream takes. */
const ANSWER_MARGIN_MS = 50

interface Parts {
  readonly calls: OpenCalls
  readonly upstreams: readonly UpstreamState[]
  readonly admission: Admission
  readonly agenda: Agenda
  readonly line: WaitingLine
  readonly books: CallBooks
  readonly agentBook: AgentBook
  readonly lineage: LineageTracker
  /** Where the room writes who goes on. */
  readonly directives: Directive[]
}

export class WaitingRoom {
  readonly #calls: OpenCalls
  readonly #upstreams: readonly UpstreamState[]
  readonly #admission: Admission
  readonly #agenda: Agenda
  readonly #line: WaitingLine
  readonly #books: CallBooks
  readonly #agentBook: AgentBook
  readonly #lineage: LineageTracker
  readonly #directives: Directive[]
  /** False = nobody stands in any queue; true = somebody may. */
  #queueing = false

  constructor(parts: Parts) {
    this.#calls = parts.calls
    this.#upstreams = parts.upstreams
    this.#admission = parts.admission
    this.#agenda = parts.agenda
    this.#line = parts.line
    this.#books = parts.books
    this.#agentBook = parts.agentBook
    this.#lineage = parts.lineage
    this.#directives = parts.directives
  }

  /** A call that arrived is held from now on. */
  enter(call: OpenCall): void {
    call.wasHeld = true
    this.#queueing = true
    this.#agentBook.held(call.agentSlot, 1)
  }

  /** The client of a call that waits has left. */
  abandon(slot: CallSlot, call: OpenCall, at: Millis): void {
    this.#stopWaiting(slot, call)
    this.#books.unsent(slot, call, 'client-gone', at)
  }

  /** When somebody here may go on or has waited long enough; Infinity = nobody waits. */
  nextAt(now: Millis): Millis {
    let next = this.#agenda.nextAt()
    if (!this.#queueing) return next
    for (const state of this.#upstreams) {
      if (state.queue.size === 0) continue
      next = Math.min(next, state.queue.nextExpiry())
      next = Math.min(next, Math.max(now + 1, state.nextDispatchAt()))
    }
    return next
  }

  /** Ends the waits in the queue of one upstream that are over, then lets go who has room. */
  serve(state: UpstreamState, at: Millis): void {
    state.queue.expire(at, (slot, displaced) => this.#expire(slot, displaced ? 'queue-full' : 'deadline', at))
    this.#dispatch(state, at)
  }

  /** Looks at all whose instant has come, then at whether anybody is left in a queue. */
  endDue(at: Millis): void {
    for (let slot = this.#agenda.take(at); slot !== -1; slot = this.#agenda.take(at)) this.#due(slot, at)
    this.#queueing = this.#anybodyQueues()
  }

  /**
   * Weir is going away at `until`. No wait lasts so long that the answer would not be here by then: who was let go too late
   * could not be told whether its call was carried out, and who is sent away in time asks somebody else.
   */
  closeAt(until: Millis, at: Millis): void {
    const lastSent = this.#upstreams.map((state) => Math.max(at, until - answerMs(state, at)))
    for (let slot = 0; slot < this.#calls.capacity; slot++) {
      const call = this.#calls.get(slot)
      if (call === undefined || call.waiting === 'nothing') continue
      call.until = Math.min(call.until, lastSent[call.upstream]!)
      // Those who wait for room stand in the queue as well: the agenda ends their wait, whatever the queue says.
      this.#agenda.addNoLater(slot, call.until)
    }
    this.#agenda.isUrgent = true
  }

  /** Limits of the whole fleet were divided anew: some may have room here. */
  lookAtLimits(at: Millis): void {
    const { limits } = this.#admission
    for (const place of this.#line.places) {
      for (const call of this.#line.at(place).slice(0, limits.roomAt(place))) {
        this.#agenda.add(call, at)
        this.#agenda.isUrgent = true
      }
    }
  }

  /** Lets held calls of one upstream go while there is room. */
  #dispatch(state: UpstreamState, at: Millis): void {
    while (state.queue.size > 0) {
      if (state.release.phase === 'shut') {
        if (!state.release.mayProbe(at, true)) return
        const slot = state.queue.next(at)
        if (slot === -1) return
        const call = this.#calls.get(slot)!
        this.#agentBook.held(call.agentSlot, -1)
        call.probe = true
        state.release.probeSent(slot, at)
        this.#release(slot, call, 'probe', at)
        return
      }
      if (!this.#admission.mayDispatch(state, at)) return
      const slot = state.queue.next(at)
      if (slot === -1) return
      const call = this.#calls.get(slot)!
      if (this.#admission.afterQuota(slot, call, state, at)) continue
      this.#agentBook.held(call.agentSlot, -1)
      const reason = state.unwell ? (state.release.phase === 'ramping' ? 'ramp' : 'under-limit') : 'recovered'
      this.#release(slot, call, reason, at)
    }
  }

  /** A call whose instant has come: its deadline, or what it waited for. */
  #due(slot: CallSlot, at: Millis): void {
    const call = this.#calls.get(slot)
    if (call === undefined || call.waiting === 'nothing') return
    if (at >= call.until || call.waiting === 'room') return this.#expire(slot, 'deadline', at)
    this.#stopWaiting(slot, call)
    const verdict = this.#admission.decide(slot, call, at, true)
    if (verdict.do === 'hold') return this.#agentBook.held(call.agentSlot, 1)
    if (verdict.do === 'pass') return this.#release(slot, call, verdict.reason, at)
    this.#refused(slot, call, verdict.reason, verdict.slotAt, at)
  }

  #release(slot: CallSlot, call: OpenCall, reason: Reason, at: Millis): void {
    call.waiting = 'nothing'
    if (call.gates !== NO_GATES && !call.gatesTaken) {
      call.gatesTaken = this.#admission.limits.take(call.gates, call, at) === undefined
    }
    this.#recordHold(call, at)
    this.#books.goesUpstream(slot, call, at)
    this.#directives.push({ do: 'release', call: slot, reason, upstream: call.upstream })
  }

  #expire(slot: CallSlot, reason: Reason, at: Millis): void {
    const call = this.#calls.get(slot)
    if (call === undefined) return
    this.#stopWaiting(slot, call)
    const why = this.#admission.drainingUntil === Infinity ? reason : 'draining'
    const { slotAt } = this.#admission.refuse(call, this.#upstreams[call.upstream]!, why, at)
    this.#lineage.failed(call, 503, slotAt - at, at)
    this.#refused(slot, call, why, slotAt, at)
  }

  #refused(slot: CallSlot, call: OpenCall, reason: Reason, slotAt: Millis, at: Millis): void {
    this.#recordHold(call, at)
    this.#directives.push({ do: 'expire', call: slot, reason, slotAt })
    this.#books.unsent(slot, call, 'hold-expired', at)
  }

  #anybodyQueues(): boolean {
    for (const state of this.#upstreams) if (state.queue.size > 0) return true
    return false
  }

  /** Out of whatever line it stands in. */
  #stopWaiting(slot: CallSlot, call: OpenCall): void {
    if (call.waiting === 'nothing') return
    const state = this.#upstreams[call.upstream]!
    if (call.waiting === 'room') state.queue.remove(slot)
    else state.waitingElsewhere -= 1
    this.#agenda.remove(slot)
    this.#line.leave(slot)
    this.#agentBook.held(call.agentSlot, -1)
    call.waiting = 'nothing'
  }

  #recordHold(call: OpenCall, at: Millis): void {
    this.#upstreams[call.upstream]!.tally.holds.record(at - call.arrivedAt)
  }
}

/** In how much time an upstream has answered nearly all of its calls: as in health, or as of late if that is longer. */
function answerMs(state: UpstreamState, at: Millis): Millis {
  const lately = state.drift.reading(at).latency.p99
  return Math.max(state.drift.healthyQ(0.95), lately) + ANSWER_MARGIN_MS
}
