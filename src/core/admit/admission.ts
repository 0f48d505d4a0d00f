/**
 * What to do with one call, by ordered checks. Healthy is transparent: without a rule that applies nothing is
 * consulted. The order: final refusals, the operator's limits, then the upstream's own state (promised slot,
 * quota, gate, retry budget, discovered limit), and at the end whether the client can wait.
 */
import { familyOf } from '../families.ts'
import {
  PRIORITIES,
  type CallSlot,
  type Condition,
  type Millis,
  type Priority,
  type Reason,
  type UpstreamIndex,
  type Verdict,
  type WorkflowCondition,
} from '../model.ts'
import type { Rule } from '../policy.ts'
import { NO_GATES, type OpenCall } from '../observe/open-calls.ts'
import type { QuotaKnowledge } from '../observe/quota.ts'
import type { UpstreamState } from '../upstream-state.ts'
import type { Agenda } from './agenda.ts'
import type { StaticLimits } from './static-limits.ts'
import type { WaitingLine } from './waiting-line.ts'
import type { Rulebook } from './rulebook.ts'

/** Left between the end of a hold and the client's own deadline, for the answer to travel (algorithms.md 3(5)). */
const DEADLINE_MARGIN_MS = 50
/** A hold shorter than this is not worth its bookkeeping. */
const SHORTEST_HOLD_MS = 20
/** Nominal shares of the priority classes (algorithms.md 3(5)), for the pace of refused callers' slots. */
const SLOT_SHARE: Readonly<Record<Priority, number>> = {
  critical: 0.5,
  interactive: 0.25,
  normal: 0.2,
  batch: 0.05,
}
/** Without any measured rate: one caller a second comes back. */
const LEAST_RATE = 1
/** Members of a group take over at most this much above their own healthy peak: no stampede. */
const SPILL_FACTOR = 1.25
/**
 * The least wait of a caller in a circle or past its budget. It is refused for what it does, not for want of room: at the
 * next free instant of a healthy upstream it would go on as before, a few milliseconds later. As the SDKs' first waits.
 */
const CALM_MS: Millis = 1000

/** From which outside pressure on Weir itself nothing is held, and all but critical work is refused. */
const PRESSURE_NO_HOLD = 0.8
const PRESSURE_SHED = 0.9

export interface WorkflowCounts {
  totalCalls(slot: number): number
  depth(slot: number): number
  condition(slot: number): WorkflowCondition
}

export class Admission {
  pressure = 0
  drainingUntil: Millis = Infinity
  rulebook: Rulebook
  limits: StaticLimits
  readonly #upstreams: readonly UpstreamState[]
  readonly #quota: QuotaKnowledge
  readonly #workflows: WorkflowCounts
  readonly #agenda: Agenda
  readonly #line: WaitingLine
  readonly #reroute: (call: OpenCall, state: UpstreamState) => void
  readonly #passes: Verdict[][] = []

  constructor(parts: {
    rulebook: Rulebook
    limits: StaticLimits
    upstreams: readonly UpstreamState[]
    quota: QuotaKnowledge
    workflows: WorkflowCounts
    agenda: Agenda
    line: WaitingLine
    reroute: (call: OpenCall, state: UpstreamState) => void
  }) {
    this.rulebook = parts.rulebook
    this.limits = parts.limits
    this.#upstreams = parts.upstreams
    this.#quota = parts.quota
    this.#workflows = parts.workflows
    this.#agenda = parts.agenda
    this.#line = parts.line
    this.#reroute = parts.reroute
  }

  /** Decides a call that arrives, or that stood waiting and may go on now (`again`). */
  decide(slot: CallSlot, call: OpenCall, at: Millis, again: boolean): Verdict {
    const state = this.#upstreams[call.upstream]!
    if (this.pressure >= PRESSURE_SHED && call.priority !== 'critical' && !again) {
      return this.refuse(call, state, 'overload', at)
    }
    const decider = this.rulebook.rule(call.decider)
    const kind = decider?.then.do
    if (kind === 'pass') return this.#pass(call, state, 'exempt', at)
    if (decider?.then.final === true) return final(decider.index, call.upstream, 'forbidden')
    if (this.#workflows.totalCalls(call.workflowSlot) > call.callsCap)
      return final(-1, call.upstream, 'budget')
    if (this.#workflows.depth(call.workflowSlot) > call.depthCap) return final(-1, call.upstream, 'fan-out')
    if (kind === undefined) return this.#staticOnly(slot, call, state, at, false, again)
    const until = at + this.#patience(call, state, at)
    if (call.promised && call.promisedAt > at && call.promisedAt < until && call.holdable) {
      // Told in whole seconds it comes up to a second early: it waits for its own instant, or all would bunch.
      return this.#wait(slot, call, state, 'slot-kept', at, until, -1, call.promisedAt - at)
    }
    const isRunaway = decider !== undefined && asksForCaller(decider)
    if (kind === 'shed' && (isRunaway || !call.promised)) {
      return this.refuse(
        call,
        state,
        this.#whyShed(decider, call, state, at),
        at,
        isRunaway ? at + CALM_MS : 0,
      )
    }
    return this.#staticOnly(slot, call, state, at, true, again)
  }

  /** What a shadow rule would have done, without taking or moving anything but its own counters. */
  foresee(call: OpenCall, at: Millis): Verdict | undefined {
    const state = this.#upstreams[call.upstream]!
    const rule = this.rulebook.rule(call.shadow)
    const index = rule?.index ?? -1
    if (rule?.then.final === true) return final(index, call.upstream, 'forbidden')
    if (this.#workflows.totalCalls(call.workflowSlot) > call.shadowCallsCap)
      return final(index, call.upstream, 'budget')
    if (this.#workflows.depth(call.workflowSlot) > call.shadowDepthCap)
      return final(index, call.upstream, 'fan-out')
    const kind = rule?.then.do
    const obstacle = this.limits.take(call.shadowGates, call, at)
    call.shadowGatesTaken = obstacle === undefined
    const until = at + this.#patience(call, state, at)
    const wouldHold = (reason: Reason): Verdict => ({
      ...none(index, call.upstream, reason),
      do: kind === 'hold' && until > at ? 'hold' : 'shed',
      until: kind === 'hold' ? until : 0,
    })
    if (obstacle !== undefined) return wouldHold(obstacle.reason)
    if (kind === 'shed' || kind === 'defer') {
      return { ...none(index, call.upstream, this.#whyShed(rule, call, state, at)), do: kind }
    }
    if (kind !== 'hold') return undefined
    if (this.#quota.blockedUntil(call.credential, at) > at) return wouldHold('quota')
    if (!state.unwell) return undefined
    if (state.release.phase === 'shut') return wouldHold('down')
    if (call.isRetry && state.budget.tokens(at) < 1) return wouldHold('retry-budget')
    return state.inFlight >= state.allowance ? wouldHold(reasonOf(state)) : undefined
  }

  #whyShed(rule: Rule | undefined, call: OpenCall, state: UpstreamState, at: Millis): Reason {
    if (rule?.when === undefined) return 'policy'
    if (rule.when.agent !== undefined) return 'loop'
    if (rule.when.workflow !== undefined)
      return RUNAWAY_REASON[this.#workflows.condition(call.workflowSlot)] ?? 'loop'
    return this.#quota.blockedUntil(call.credential, at) > at ? 'quota' : reasonOf(state)
  }

  /** Refuses with a slot of the caller's own. */
  refuse(call: OpenCall, state: UpstreamState, reason: Reason, at: Millis, earliest: Millis = 0): Verdict {
    const slotAt = this.promise(call, state, at, earliest)
    return {
      ...none(call.decider, call.upstream, reason),
      do: this.#defers(call, reason) ? 'defer' : 'shed',
      slotAt,
    }
  }

  /** What would wait is answered later instead; not while Weir itself is short of memory, which that needs. */
  #defers(call: OpenCall, reason: Reason): boolean {
    if (!call.deferrable || reason === 'overload' || reason === 'draining') return false
    return this.rulebook.rule(call.decider)?.then.do === 'defer'
  }

  /** The instant at which this caller, and no other, is asked back; never before what the upstream asked for. */
  promise(call: OpenCall, state: UpstreamState, at: Millis, earliest: Millis = 0): Millis {
    const family = familyOf(call.family)
    const blocked = this.#quota.blockedUntil(call.credential, at)
    const gate = state.release.phase === 'shut' ? state.release.opensAt(at) : at
    return state.slots.reserve(callerOf(call), at, {
      earliest: Math.max(earliest, blocked, gate),
      ratePerSecond: this.#bearableRate(state),
      share: Math.max(
        SLOT_SHARE[call.priority],
        1 - state.flow.fresh / Math.max(LEAST_RATE, this.#bearableRate(state)),
      ),
      ceilingMs: family.adviceCeilingMs,
      precision: family.advice,
      lane: PRIORITIES.indexOf(call.priority),
      // A retry that came too early gets the instant that it was given before; a twin gets one of its own, and so does
      // who kept its promise.
      another: !call.isRetry || call.invited,
    })
  }

  /** Marks `call` as kept if it came back at an instant that was promised to it. */
  keepPromise(call: OpenCall, state: UpstreamState, at: Millis): void {
    const promisedAt = state.slots.claim(callerOf(call), at)
    if (promisedAt === 0) return
    call.promised = true
    call.promisedAt = promisedAt
  }

  /**
   * Whether this caller comes because it was asked to. One whose client says that this is its first attempt may be called
   * again by an outer loop; among several equal calls it is rather a new one, and leaves their promises to them.
   */
  invited(call: OpenCall, state: UpstreamState, attempt: number, at: Millis): boolean {
    const { slots } = state
    const caller = callerOf(call)
    if (slots.size === 0 || !slots.mayKnow(caller)) return false
    if (attempt === 1 && slots.openTo(caller) > 1) return false
    return slots.invited(caller, at)
  }

  #staticOnly(
    slot: CallSlot,
    call: OpenCall,
    state: UpstreamState,
    at: Millis,
    steer: boolean,
    again: boolean,
  ): Verdict {
    const obstacle = call.gatesTaken ? undefined : this.limits.take(call.gates, call, at)
    if (obstacle !== undefined) {
      const hold = this.rulebook.rule(call.decider)?.then.do === 'hold'
      const wait = obstacle.waitMs >= 0 ? obstacle.waitMs : Infinity
      const until = at + this.#patience(call, state, at)
      if (hold && (wait === Infinity || at + wait <= until) && this.#mayHold(call, state, until, at)) {
        return this.#wait(slot, call, state, obstacle.reason, at, until, obstacle.gate, wait)
      }
      return this.refuse(call, state, obstacle.reason, at, wait === Infinity ? 0 : at + wait)
    }
    call.gatesTaken = call.gates !== NO_GATES
    const verdict =
      steer && (state.unwell || this.#quota.blockedUntil(call.credential, at) > at)
        ? this.#steer(slot, call, state, at, again)
        : undefined
    if (verdict === undefined)
      return this.#pass(call, state, steer && call.promised ? 'slot-kept' : 'healthy', at)
    if (verdict.do !== 'pass') {
      this.limits.leave(call.gates, call)
      call.gatesTaken = false
    }
    return verdict
  }

  /** The upstream is not well and an enforced rule says: as much as it can bear, the rest waits. */
  #steer(
    slot: CallSlot,
    call: OpenCall,
    state: UpstreamState,
    at: Millis,
    again: boolean,
  ): Verdict | undefined {
    const spent = this.#quota.blockedUntil(call.credential, at)
    // Little is left: its agents take turns until it is full again, rather than reach the wall together.
    const blocked = again ? spent : Math.max(spent, this.#quota.allowance(call.credential, at))
    const until = at + this.#patience(call, state, at)
    if (blocked > at) {
      const elsewhere = this.#elsewhere(call, state, at)
      if (elsewhere !== undefined) return elsewhere
      if (blocked < until && this.#mayHold(call, state, until, at)) {
        return this.#wait(slot, call, state, 'quota', at, until, -1, blocked - at)
      }
      return this.refuse(call, state, 'quota', at, blocked)
    }
    if (state.release.phase === 'shut') {
      if (state.release.mayProbe(at, call.priority === 'critical' || call.onceKey !== 0)) {
        call.probe = true
        state.release.probeSent(slot, at)
        return this.#pass(call, state, 'probe', at)
      }
      return this.#elsewhere(call, state, at) ?? this.#queue(slot, call, state, 'down', at, until)
    }
    const ahead = state.queue.size > 0 && !call.promised
    // A retry that was asked back was refused by Weir itself before: the upstream has not seen it yet.
    if (call.isRetry && !call.invited && !state.budget.take(at, call.priority === 'critical')) {
      const slotAt = this.promise(call, state, at)
      if (slotAt < until && this.#mayHold(call, state, until, at)) {
        call.promised = true
        return this.#wait(slot, call, state, 'retry-budget', at, until, -1, slotAt - at)
      }
      return { ...none(call.decider, call.upstream, 'retry-budget'), do: 'shed', slotAt }
    }
    // Who waited for an instant comes with others: they go to the end of the line, and out of it one by one.
    if (!ahead && (!again || call.promised) && this.hasRoom(state, at)) {
      const reason = call.promised ? 'slot-kept' : state.release.phase === 'ramping' ? 'ramp' : 'under-limit'
      return this.#pass(call, state, reason, at)
    }
    return this.#elsewhere(call, state, at) ?? this.#queue(slot, call, state, reasonOf(state), at, until)
  }

  /** What its own upstream cannot bear goes to a member of the group. The rest stays: or it would never be well. */
  #elsewhere(call: OpenCall, state: UpstreamState, at: Millis): Verdict | undefined {
    const other = this.#member(call, state)
    return other === undefined ? undefined : this.#pass(call, other, 'under-limit', at)
  }

  /** Room at the upstream for one more call now; takes the ramp's token when there is. */
  hasRoom(state: UpstreamState, at: Millis): boolean {
    if (state.release.phase === 'shut') return false
    if (state.load >= state.allowance) return false
    if (state.release.phase === 'ramping') return state.release.take(at)
    return state.rate.rate === Infinity || state.outflow.take(at, state.outflowRate())
  }

  /** Room for one who waits in the queue: spaced, so that what piled up does not go in one instant. */
  mayDispatch(state: UpstreamState, at: Millis): boolean {
    if (state.release.phase !== 'open') return this.hasRoom(state, at)
    return state.load < state.allowance && state.outflow.take(at, state.outflowRate())
  }

  /** A call out of the queue whose credential is spent waits for its instant instead; undefined = it may go. */
  afterQuota(slot: CallSlot, call: OpenCall, state: UpstreamState, at: Millis): boolean {
    const blocked = this.#quota.blockedUntil(call.credential, at)
    if (blocked <= at) return false
    this.#wait(slot, call, state, 'quota', at, call.until, -1, Math.min(blocked, call.until) - at)
    return true
  }

  #queue(
    slot: CallSlot,
    call: OpenCall,
    state: UpstreamState,
    reason: Reason,
    at: Millis,
    until: Millis,
  ): Verdict {
    if (this.#defers(call, reason)) return this.refuse(call, state, reason, at)
    if (!this.#mayHold(call, state, until, at)) {
      return this.refuse(call, state, this.#noHoldReason(call, state, until, at) ?? reason, at)
    }
    const estimate = state.queue.waitEstimateMs(call.priority, call.agentSlot, this.#bearableRate(state))
    if (at + estimate > until) return this.refuse(call, state, 'deadline', at)
    const offer = {
      call: slot,
      agentSlot: call.agentSlot,
      priority: call.priority,
      until,
      cost: usualMs(state, call.stratum),
      bytes: call.requestBytes,
    }
    const offered = state.queue.offer(offer, at)
    if (offered !== 'queued') return this.refuse(call, state, offered, at)
    call.waiting = 'room'
    call.until = until
    return { ...none(call.decider, call.upstream, reason), do: 'hold', until }
  }

  /** Waits for an instant, or for somebody to leave a limit (`wait` Infinity). */
  #wait(
    slot: CallSlot,
    call: OpenCall,
    state: UpstreamState,
    reason: Reason,
    at: Millis,
    until: Millis,
    gate: number,
    wait: Millis,
  ): Verdict {
    if (this.#defers(call, reason))
      return this.refuse(call, state, reason, at, wait === Infinity ? 0 : at + wait)
    if (wait === Infinity) this.#line.join(slot, this.limits.placeOf(gate, call))
    call.waiting = wait === Infinity ? 'limit' : 'instant'
    call.until = until
    state.waitingElsewhere += 1
    this.#agenda.add(slot, wait === Infinity ? until : at + wait)
    return { ...none(call.decider, call.upstream, reason), do: 'hold', until }
  }

  /** How long from `at` this call may be held: the rule's bound, and the client's own deadline less an answer. */
  #patience(call: OpenCall, state: UpstreamState, at: Millis): Millis {
    const answer = state.drift.healthyQ(0.95)
    const left = call.arrivedAt + call.patienceMs - at - answer - DEADLINE_MARGIN_MS
    return Math.max(0, Math.min(call.arrivedAt + call.maxHoldMs - at, left, this.drainingUntil - at))
  }

  #mayHold(call: OpenCall, state: UpstreamState, until: Millis, at: Millis): boolean {
    return this.#noHoldReason(call, state, until, at) === undefined
  }

  #noHoldReason(call: OpenCall, state: UpstreamState, until: Millis, at: Millis): Reason | undefined {
    if (!call.holdable) return 'hold-memory'
    if (this.drainingUntil !== Infinity) return 'draining'
    if (this.pressure >= PRESSURE_NO_HOLD) return 'overload'
    if (until - at < SHORTEST_HOLD_MS) return 'deadline'
    // The queue itself decides whom it refuses when it is full; those who wait elsewhere are counted here.
    return state.waitingElsewhere >= state.policy.hold.maxCalls ? 'queue-full' : undefined
  }

  /** A member of the upstream's group that is well and has room; the call was not sent anywhere yet. */
  #member(call: OpenCall, state: UpstreamState): UpstreamState | undefined {
    for (const index of state.policy.group) {
      const member = this.#upstreams[index]
      if (member === undefined || member === state || member.unwell) continue
      if (member.inFlight < Math.max(2, member.flow.peak * SPILL_FACTOR)) {
        this.#reroute(call, member)
        return member
      }
    }
    return undefined
  }

  /** Calls per second that the upstream is believed to bear now. */
  #bearableRate(state: UpstreamState): number {
    if (state.release.phase === 'shut') return Math.max(LEAST_RATE, state.flow.healthy * 0.5)
    const rate = Math.max(state.flow.capacity, LEAST_RATE, state.member.expectedRate)
    return state.release.phase === 'ramping' ? Math.max(rate, state.release.rate(-Infinity)) : rate
  }

  #pass(call: OpenCall, state: UpstreamState, reason: Reason, _at: Millis): Verdict {
    const row = (this.#passes[state.index] ??= [])
    for (const verdict of row) if (verdict.reason === reason && verdict.rule === call.decider) return verdict
    const verdict = none(call.decider, state.index, reason)
    row.push(verdict)
    return verdict
  }
}

function none(rule: number, upstream: UpstreamIndex, reason: Reason): Verdict {
  return { do: 'pass', reason, rule, upstream, until: 0, slotAt: 0, shadow: undefined }
}

function final(rule: number, upstream: UpstreamIndex, reason: Reason): Verdict {
  return { ...none(rule, upstream, reason), do: 'shed' }
}

/** What stays the same on every attempt. */
function callerOf(call: OpenCall): number {
  return call.onceKey !== 0 ? call.onceKey : call.fingerprint
}

const RUNAWAY_REASON: Partial<Record<WorkflowCondition, Reason>> = {
  exploding: 'fan-out',
  'over-budget': 'budget',
}

/** A rule against what the caller does: whoever comes back at its slot still does it, or does not. */
function asksForCaller({ when }: Rule): boolean {
  return when?.agent !== undefined || when?.workflow !== undefined
}

const REASON_OF: Partial<Record<Condition, Reason>> = { drifting: 'drift', storming: 'storm', down: 'down' }

/** Why an upstream that is not well makes a call wait. */
function reasonOf(state: UpstreamState): Reason {
  return REASON_OF[state.condition] ?? 'saturated'
}

/**
 * What a call of this class takes of the upstream: its healthy median. A class not yet known takes what calls take
 * there at large; it must not seem free, or it goes before all others.
 */
function usualMs(state: UpstreamState, stratum: number): Millis {
  return state.drift.healthyQ(0.5, stratum) || state.drift.healthyQ(0.5)
}
