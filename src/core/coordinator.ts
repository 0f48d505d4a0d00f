/**
 * The core's face: five verbs, no I/O. Here stands what it promises and the order of its steps: it records what it is
 * told, asks the rooms below what that means and what to do, and sees to it that every arrival ends in exactly one
 * outcome.
 */
import { Admission } from './admit/admission.ts'
import { Agenda } from './admit/agenda.ts'
import { Rulebook } from './admit/rulebook.ts'
import { StaticLimits, type TableSizes } from './admit/static-limits.ts'
import { WaitingLine } from './admit/waiting-line.ts'
import { WaitingRoom } from './admit/waiting-room.ts'
import { CallBooks } from './call-books.ts'
import { scoreUnanswered } from './detect/unanswered.ts'
import { Lessons, NO_ADVICE } from './lessons.ts'
import { Agents } from './observe/agents.ts'
import { Arrivals } from './observe/arrivals.ts'
import { InFlight } from './observe/in-flight.ts'
import { LineageTracker } from './observe/lineage.ts'
import { NO_GATES, OpenCalls, type OpenCall } from './observe/open-calls.ts'
import { QuotaKnowledge } from './observe/quota.ts'
import { Workflows } from './observe/workflows.ts'
import { readUpstream } from './observe/upstream-view.ts'
import type {
  Advice,
  Arrival,
  CallSlot,
  CoreEvent,
  Directive,
  Mark,
  Millis,
  Outcome,
  Reason,
  Settlement,
  UpstreamIndex,
  Verdict,
} from './model.ts'
import type { CallersSummary, CallersView, FleetView, Outlook, UpstreamSummary } from './fleet.ts'
import { CallersMember } from './fleet/callers-member.ts'
import type { Policy } from './policy.ts'
import { seeded } from './random.ts'
import type { AgentReading, CoreReading, WorkflowReading } from './reading.ts'
import { UpstreamNews } from './upstream-news.ts'
import { UpstreamState } from './upstream-state.ts'

export interface CoreOptions {
  readonly policy: Policy
  /** Names by upstream index. */
  readonly upstreams: readonly string[]
  readonly seed: number
  /** Sizes of the fixed tables; defaults 10,000 agents and 16,384 workflows (promises.md row 60). */
  readonly maxAgents?: number
  readonly maxWorkflows?: number
}

/** The whole contract of the core. Not re-entrant: one call at a time, `at` never goes back. */
export interface Coordinator {
  /** Decides one call. After `shed` and `defer` the call is over; after `pass` and `hold` it is open. */
  arrive(arrival: Arrival): Verdict
  /** An open call was sent upstream, got its head, or got a chunk of a stream. */
  progress(mark: Mark): Advice
  /** Ends an open call, whether it was held (kind `cancelled`: the client left) or in flight. */
  settle(settlement: Settlement): void
  /**
   * A call that `arrive` deferred was not, after all: whoever keeps such calls did not take it, or its client had left.
   * It is counted as what happened to it; nothing that is decided depends on it.
   */
  notDeferred(upstream: UpstreamIndex, happened: Outcome): void
  /** Does what is due; the array is reused by the next call. Also due right after a `settle`: see `wakeAt`. */
  tick(now: Millis): readonly Directive[]
  /** When `tick` has something to do next; Infinity = never, a past instant = now. */
  wakeAt(): Millis
  /** Takes another policy; open and held calls keep their place. */
  adopt(policy: Policy, at: Millis): void
  /** No new holds; what is held is released in time to be answered by `until`, or expired. */
  drain(at: Millis, until: Millis): void
  /** Outside pressure on Weir itself, 0 (calm) to 1: from 0.8 nothing is held, from 0.9 only critical work passes. */
  pressure(level: number): void
  read(now: Millis): CoreReading
  /** The busiest first. */
  agents(now: Millis, most: number): readonly AgentReading[]
  workflows(now: Millis, most: number): readonly WorkflowReading[]
}

/** A core that is one of several for the same upstreams: `board/` carries what they say to each other. */
export interface FleetCore {
  /** What this replica has to say of one upstream to the others. Cheap enough for a few times a second. */
  summary(upstream: UpstreamIndex, now: Millis): UpstreamSummary
  /** What the others said of one upstream; may make something due: see `wakeAt`. */
  learn(view: FleetView): void
  /** How soon there is something to exchange; cheap. */
  outlook(upstream: UpstreamIndex): Outlook
  /** The same three of its callers: workflows and the operator's limits. */
  callers(now: Millis): CallersSummary
  learnCallers(view: CallersView): void
  callersOutlook(): Outlook
}

/** A tick that comes so late means that the process stood still: what piled up is not a storm. */
const STALL_MS = 1000
/**
 * Upstreams looked at in one tick: one, up to 64 of them; for the others the next tick is due at once. Once a minute a
 * look takes half a millisecond, and no call is to wait for 64 of those; in so many rounds all have had their turn.
 */
const MOST_ROUNDS = 64
const NARROWING: ReadonlySet<Reason> = new Set(['fan-out', 'budget', 'loop'])

export function createCoordinator(options: CoreOptions): Coordinator & FleetCore {
  return new Core(options)
}

class Core implements Coordinator, FleetCore {
  readonly #upstreams: UpstreamState[]
  readonly #news: UpstreamNews[]
  readonly #agents: Agents
  readonly #arrivals: Arrivals
  readonly #workflows: Workflows
  readonly #lineage: LineageTracker
  readonly #quota = new QuotaKnowledge(4096)
  readonly #calls = new OpenCalls()
  readonly #inFlight: InFlight
  readonly #agenda = new Agenda()
  readonly #line = new WaitingLine()
  readonly #admission: Admission
  readonly #books: CallBooks
  readonly #waiting: WaitingRoom
  readonly #lessons: Lessons
  readonly #callers: CallersMember
  readonly #sizes: TableSizes
  readonly #directives: Directive[] = []
  readonly #announced: CoreEvent[] = []
  /** The earliest beat of all upstreams; an arrival may bring it forward, a tick looks anew. */
  #nextBeatAt: Millis = Infinity
  #tickedAt: Millis = -Infinity
  #at: Millis = 0

  constructor(options: CoreOptions) {
    const agents = options.maxAgents ?? 10_000
    const workflows = options.maxWorkflows ?? 16_384
    const random = seeded(options.seed)
    this.#sizes = {
      upstreams: options.upstreams.length,
      agents: agents + 1,
      workflows: workflows + 1,
      nameOf: (per, slot) => {
        if (per === 'upstream') return options.upstreams[slot] ?? ''
        return per === 'agent' ? this.#agents.nameOf(slot) : this.#workflows.nameOf(slot)
      },
    }
    this.#agents = new Agents({
      size: agents,
      seed: options.seed,
      onForget: (slot) => this.#forgetAgent(slot),
    })
    this.#workflows = new Workflows({
      size: workflows,
      thresholds: options.policy.workflow,
      upstreams: options.upstreams.length,
      seed: options.seed,
      onForget: (slot) => this.#admission.limits.forget('workflow', slot),
    })
    this.#lineage = new LineageTracker({ size: 16_384 })
    this.#arrivals = new Arrivals({
      agents: this.#agents,
      lineage: this.#lineage,
      workflows: this.#workflows,
    })
    this.#inFlight = new InFlight(options.upstreams.length)
    this.#upstreams = options.policy.upstreams.map(
      (policy, index) => new UpstreamState(index, policy, agents + 1, random, 0, this.#agents.hashes),
    )
    this.#news = this.#upstreams.map((state) => new UpstreamNews(state, this.#announce))
    const limits = new StaticLimits(options.policy, this.#sizes)
    this.#admission = new Admission({
      limits,
      rulebook: this.#rulebook(options.policy, limits),
      upstreams: this.#upstreams,
      quota: this.#quota,
      workflows: this.#workflows,
      agenda: this.#agenda,
      line: this.#line,
      reroute: (call, state) => this.#arrivals.reroute(call, state),
    })
    this.#callers = new CallersMember(this.#workflows, () => this.#admission.limits)
    this.#lessons = new Lessons({
      admission: this.#admission,
      lineage: this.#lineage,
      quota: this.#quota,
      news: this.#news,
    })
    const waiting = {
      calls: this.#calls,
      upstreams: this.#upstreams,
      admission: this.#admission,
      agenda: this.#agenda,
      line: this.#line,
    }
    this.#books = new CallBooks({
      ...waiting,
      inFlight: this.#inFlight,
      agents: this.#agents,
      workflows: this.#workflows,
      quota: this.#quota,
    })
    this.#waiting = new WaitingRoom({
      ...waiting,
      books: this.#books,
      agentBook: this.#agents.book,
      lineage: this.#lineage,
      directives: this.#directives,
    })
  }

  arrive(arrival: Arrival): Verdict {
    const at = this.#advance(arrival.at)
    const call = this.#calls.begin(arrival.call)
    const state = this.#state(arrival.upstream)
    this.#arrivals.identify(call, arrival, state, at)
    // Who comes back because it was asked to is no sign of a storm; who comes early, against advice, is.
    call.invited = this.#admission.invited(call, state, arrival.attempt, at)
    if (call.invited) this.#admission.keepPromise(call, state, at)
    if (this.#arrivals.count(call, arrival, state, at)) this.#tellLooping(arrival, state, at)
    this.#nextBeatAt = Math.min(this.#nextBeatAt, state.nextBeatAt())
    this.#admission.rulebook.consult(call, arrival, state)
    const shadow =
      call.shadow !== -1 || call.shadowGates !== NO_GATES ? this.#admission.foresee(call, at) : undefined
    const plain = this.#admission.decide(arrival.call, call, at, false)
    const verdict = shadow === undefined ? plain : { ...plain, shadow }
    state.tally.verdict(verdict)
    if (NARROWING.has(verdict.reason)) this.#tellNarrowed(arrival, call, at)
    this.#enact(arrival.call, call, verdict, at)
    return verdict
  }

  progress(mark: Mark): Advice {
    const at = this.#advance(mark.at)
    const call = this.#calls.get(mark.call)
    if (call === undefined) return NO_ADVICE
    const state = this.#state(call.upstream)
    if (mark.kind === 'head') return this.#lessons.head(mark, call, state, at)
    if (mark.kind === 'sent') {
      call.sentAt = at
      state.tally.attempts += 1
    } else this.#lessons.chunk(call, state, at)
    return NO_ADVICE
  }

  settle(settlement: Settlement): void {
    const at = this.#advance(settlement.at)
    const call = this.#calls.get(settlement.call)
    if (call === undefined) return
    if (call.waiting !== 'nothing') return this.#waiting.abandon(settlement.call, call, at)
    const state = this.#state(call.upstream)
    const failed = settlement.kind === 'failure' || settlement.kind === 'dropped'
    state.tally.settlement(settlement.kind)
    this.#lessons.settled(settlement, call, state, at)
    if (!call.longLived) {
      const { bytesIn, bytesOut } = settlement
      this.#workflows.settle(call.workflowSlot, call.route, bytesIn, bytesOut, failed, at)
    }
    this.#agents.book.settled(call.agentSlot, failed)
    this.#books.ends(settlement.call, call, outcomeOf(settlement, call), at)
  }

  notDeferred(upstream: UpstreamIndex, happened: Outcome): void {
    this.#state(upstream).tally.correct('deferred', happened)
  }

  tick(now: Millis): readonly Directive[] {
    const due = this.wakeAt()
    const at = this.#advance(now)
    this.#directives.length = 0
    this.#agenda.isUrgent = false
    const late = due === Infinity ? 0 : at - Math.max(due, this.#tickedAt)
    this.#tickedAt = at
    this.#callers.age(at)
    if (late >= STALL_MS) for (const state of this.#upstreams) state.storm.paused(at)
    let beats = Math.ceil(this.#upstreams.length / MOST_ROUNDS)
    for (const state of this.#upstreams) {
      if (beats > 0 && state.nextBeatAt() <= at) {
        this.#beat(state, at)
        beats -= 1
      }
      if (state.queue.size > 0) this.#waiting.serve(state, at)
    }
    this.#waiting.endDue(at)
    this.#lookAhead()
    for (const event of this.#announced) this.#directives.push({ do: 'announce', event })
    this.#announced.length = 0
    return this.#directives
  }

  wakeAt(): Millis {
    if (this.#agenda.isUrgent || this.#announced.length > 0) return this.#at
    return Math.min(this.#nextBeatAt, this.#waiting.nextAt(this.#at))
  }

  adopt(policy: Policy, at: Millis): void {
    this.#advance(at)
    const limits = new StaticLimits(policy, this.#sizes)
    this.#workflows.adopt(policy.workflow)
    for (const state of this.#upstreams) {
      const own = policy.upstreams[state.index]
      if (own !== undefined) state.adopt(own)
    }
    this.#books.leaveLimits(this.#at)
    this.#admission.limits = limits
    this.#callers.adopted(this.#at)
    this.#admission.rulebook = this.#rulebook(policy, limits)
    this.#agenda.isUrgent = true
  }

  drain(at: Millis, until: Millis): void {
    this.#admission.drainingUntil = until
    this.#waiting.closeAt(until, this.#advance(at))
  }

  pressure(level: number): void {
    this.#admission.pressure = level
  }

  summary(upstream: UpstreamIndex, now: Millis): UpstreamSummary {
    return this.#state(upstream).member.summary(this.#advance(now))
  }

  learn(view: FleetView): void {
    this.#advance(view.at)
    const state = this.#state(view.upstream)
    state.learn(view)
    this.#nextBeatAt = Math.min(this.#nextBeatAt, state.nextBeatAt())
    if (state.held > 0) this.#agenda.isUrgent = true
  }

  outlook(upstream: UpstreamIndex): Outlook {
    return this.#state(upstream).member.outlook
  }

  callers(now: Millis): CallersSummary {
    return this.#callers.summary(this.#advance(now))
  }

  learnCallers(view: CallersView): void {
    const at = this.#advance(view.at)
    this.#callers.learn({ ...view, at })
    this.#waiting.lookAtLimits(at)
  }

  callersOutlook(): Outlook {
    return this.#callers.outlook
  }

  read(now: Millis): CoreReading {
    return {
      at: now,
      open: this.#calls.size,
      upstreams: this.#upstreams.map((state) => readUpstream(state, now)),
      agentsKnown: this.#agents.known,
      workflowsKnown: this.#workflows.known,
    }
  }

  agents(now: Millis, most: number): readonly AgentReading[] {
    return this.#agents.list(most, now)
  }

  workflows(now: Millis, most: number): readonly WorkflowReading[] {
    return this.#workflows.list(now, most)
  }

  #rulebook(policy: Policy, limits: StaticLimits): Rulebook {
    return new Rulebook(policy, limits, this.#sizes.upstreams, {
      agent: (call) => this.#agents.condition(call.agentSlot, this.#at),
      workflow: (call) => this.#workflows.condition(call.workflowSlot),
      isAskedToWait: (call) => this.#quota.blockedUntil(call.credential, this.#at) > this.#at,
    })
  }

  #forgetAgent(slot: number): void {
    for (const state of this.#upstreams) state.storm.forget(slot)
    this.#admission.limits.forget('agent', slot)
  }

  #state(upstream: number): UpstreamState {
    const state = this.#upstreams[upstream]
    if (state === undefined) throw new RangeError(`unknown upstream index ${upstream}`)
    return state
  }

  /** Time never goes back in here, whatever a caller's clock does. */
  #advance(at: Millis): Millis {
    if (at > this.#at) this.#at = at
    return this.#at
  }

  #tellNarrowed(arrival: Arrival, call: OpenCall, at: Millis): void {
    const { agent, workflow, upstream } = arrival
    const readings = {
      calls: this.#workflows.calls(call.workflowSlot),
      depth: this.#workflows.depth(call.workflowSlot),
    }
    this.#news[upstream]?.told('workflow-narrowed', at, readings, { agent, workflow })
  }

  #tellLooping(arrival: Arrival, state: UpstreamState, at: Millis): void {
    const { upstream, agent } = arrival
    const readings = { retryShare: state.retryShare }
    this.#announce({ name: 'agent-looping', at, upstream, agent, readings })
  }

  /** Keeps the books of a decision: what is open, in flight, waiting, over. */
  #enact(slot: CallSlot, call: OpenCall, verdict: Verdict, at: Millis): void {
    const state = this.#state(verdict.upstream)
    if (verdict.do === 'pass') {
      if (state.queue.size > 0) state.outflow.spend(at, state.outflowRate())
      return this.#books.goesUpstream(slot, call, at)
    }
    if (verdict.do === 'hold') return this.#waiting.enter(call)
    const adviceMs = verdict.slotAt === 0 ? -1 : verdict.slotAt - at
    if (verdict.slotAt !== 0) this.#lineage.failed(call, 429, adviceMs, at)
    this.#books.unsent(slot, call, verdict.do === 'defer' ? 'deferred' : 'shed', at)
  }

  readonly #announce = (event: CoreEvent): void => void this.#announced.push(event)

  #beat(state: UpstreamState, at: Millis): void {
    scoreUnanswered(state, this.#calls, this.#inFlight, at)
    state.beat(at, this.#announce)
    this.#news[state.index]?.look(at, this.#upstreams)
    state.slots.tick(at)
  }

  #lookAhead(): void {
    this.#nextBeatAt = Infinity
    for (const state of this.#upstreams) this.#nextBeatAt = Math.min(this.#nextBeatAt, state.nextBeatAt())
  }
}

function outcomeOf(settlement: Settlement, call: OpenCall): Outcome {
  if (settlement.kind === 'cancelled') return 'client-gone'
  if (!settlement.answered) return 'upstream-error'
  return call.wasHeld ? 'passed-after-hold' : 'passed'
}
