/**
 * The core's face: five verbs, no I/O. It records what it is told, asks the rooms below what that means and what
 * to do, and keeps the books: every arrival ends in exactly one outcome.
 */
import { Admission } from './admit/admission.ts'
import { Agenda } from './admit/agenda.ts'
import { CLASS_SHARES } from './admit/class-shares.ts'
import { Rulebook } from './admit/rulebook.ts'
import { StaticLimits, type TableSizes } from './admit/static-limits.ts'
import { WaitingLine } from './admit/waiting-line.ts'
import { AgentBook } from './observe/agent-book.ts'
import { IdentityTable, OTHER_SLOT } from './observe/identity-table.ts'
import { LoopDetector } from './detect/loop.ts'
import { InFlight } from './observe/in-flight.ts'
import { LineageTracker } from './observe/lineage.ts'
import { NO_GATES, OpenCalls, type OpenCall } from './observe/open-calls.ts'
import { QuotaKnowledge } from './observe/quota.ts'
import { RouteBook } from './observe/route-book.ts'
import { SlotRows } from './observe/slot-rows.ts'
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
import { hashName } from './fleet/sketch.ts'
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
  /** No new holds; what is held is released or expired before `until`. */
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

/** Below this, a retry is counted but never acted on (algorithms.md 3(2)). */
const ACTED_ON_CONFIDENCE = 0.6
const AGENT_IDLE_MS = 600_000
/** A tick that comes so late means that the process stood still: what piled up is not a storm. */
const STALL_MS = 1000
/**
 * Upstreams looked at in one tick: one, up to 64 of them; for the others the next tick is due at once. Once a minute a
 * look takes half a millisecond, and no call is to wait for 64 of those; in so many rounds all have had their turn.
 */
const MOST_ROUNDS = 64
const NO_ADVICE: Advice = { slotAt: 0 }
const DROPPED = new Set([429, 503, 529])
const NARROWING: ReadonlySet<Reason> = new Set(['fan-out', 'budget', 'loop'])

export function createCoordinator(options: CoreOptions): Coordinator & FleetCore {
  return new Core(options)
}

class Core implements Coordinator, FleetCore {
  readonly #upstreams: UpstreamState[]
  readonly #news: UpstreamNews[]
  readonly #agents: IdentityTable
  readonly #book: AgentBook
  readonly #loops: LoopDetector
  readonly #routes = new RouteBook()
  readonly #workflows: Workflows
  readonly #lineage: LineageTracker
  readonly #quota = new QuotaKnowledge(4096)
  readonly #calls = new OpenCalls()
  readonly #inFlight: InFlight
  readonly #agenda = new Agenda()
  readonly #line = new WaitingLine()
  readonly #admission: Admission
  readonly #callers: CallersMember
  readonly #sizes: TableSizes
  /** Of the agents' names, by slot: what they are called on the board. */
  readonly #hashes: Uint32Array
  readonly #directives: Directive[] = []
  readonly #announced: CoreEvent[] = []
  /** The earliest beat of all upstreams; an arrival may bring it forward, a tick looks anew. */
  #nextBeatAt: Millis = Infinity
  #tickedAt: Millis = -Infinity
  /** False = nobody stands in any queue; true = somebody may. */
  #queueing = false
  /** Room may have been made: held calls are looked at by the next tick. */
  #dispatchDue = false
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
    this.#hashes = new Uint32Array(agents + 1)
    this.#hashes[OTHER_SLOT] = hashName('other')
    const widths = [IdentityTable.rowBytes, AgentBook.rowBytes, ...LoopDetector.rowBytes]
    const [identity, book, ...loops] = SlotRows.shared(agents + 1, widths)
    this.#book = new AgentBook(agents + 1, book)
    this.#loops = new LoopDetector(agents + 1, loops)
    this.#agents = new IdentityTable({
      size: agents,
      idleMs: AGENT_IDLE_MS,
      onTake: (slot, name) => (this.#hashes[slot] = hashName(name)),
      onEvict: (slot) => this.#forgetAgent(slot),
      rows: identity,
      seed: options.seed,
    })
    this.#workflows = new Workflows({
      size: workflows,
      thresholds: options.policy.workflow,
      upstreams: options.upstreams.length,
      seed: options.seed,
      onForget: (slot) => this.#admission.limits.forget('workflow', slot),
    })
    this.#lineage = new LineageTracker({ size: 16_384 })
    this.#inFlight = new InFlight(options.upstreams.length)
    this.#upstreams = options.policy.upstreams.map(
      (policy, index) => new UpstreamState(index, policy, agents + 1, random, 0, this.#hashes),
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
      reroute: (call, state) => this.#reroute(call, state),
    })
    this.#callers = new CallersMember(this.#workflows, () => this.#admission.limits)
  }

  arrive(arrival: Arrival): Verdict {
    const at = this.#advance(arrival.at)
    const call = this.#calls.begin(arrival.call)
    const state = this.#state(arrival.upstream)
    this.#fill(call, arrival, state, at)
    // Who comes back because it was asked to is no sign of a storm; who comes early, against advice, is.
    call.invited = this.#admission.invited(call, state, at)
    if (call.invited) this.#admission.keepPromise(call, state, at)
    this.#observe(call, arrival, state, at)
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
    if (mark.kind === 'head') return this.#head(mark, call, at)
    const state = this.#state(call.upstream)
    if (mark.kind === 'sent') {
      call.sentAt = at
      state.tally.attempts += 1
    } else {
      if (call.lastChunkAt > 0) state.drift.gap(call.stratum, at - call.lastChunkAt, at)
      call.lastChunkAt = at
    }
    return NO_ADVICE
  }

  settle(settlement: Settlement): void {
    const at = this.#advance(settlement.at)
    const call = this.#calls.get(settlement.call)
    if (call === undefined) return
    const state = this.#state(call.upstream)
    if (call.waiting !== 'nothing') {
      this.#stopWaiting(settlement.call, call)
      this.#withdraw(call)
      this.#finish(settlement.call, call, 'client-gone')
      return
    }
    const failed = settlement.kind === 'failure' || settlement.kind === 'dropped'
    state.tally.settlement(settlement.kind)
    this.#learn(settlement, call, state, at)
    if (!call.longLived) {
      const { bytesIn, bytesOut } = settlement
      this.#workflows.settle(call.workflowSlot, call.route, bytesIn, bytesOut, failed, at)
    }
    this.#book.settled(call.agentSlot, failed)
    this.#finish(settlement.call, call, outcomeOf(settlement, call))
  }

  notDeferred(upstream: UpstreamIndex, happened: Outcome): void {
    this.#state(upstream).tally.correct('deferred', happened)
  }

  tick(now: Millis): readonly Directive[] {
    const due = this.wakeAt()
    const at = this.#advance(now)
    this.#directives.length = 0
    this.#dispatchDue = false
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
      if (state.queue.size > 0) this.#serve(state, at)
    }
    for (let slot = this.#agenda.take(at); slot !== -1; slot = this.#agenda.take(at)) this.#due(slot, at)
    this.#lookAhead()
    for (const event of this.#announced) this.#directives.push({ do: 'announce', event })
    this.#announced.length = 0
    return this.#directives
  }

  wakeAt(): Millis {
    if (this.#dispatchDue || this.#announced.length > 0) return this.#at
    let next = Math.min(this.#agenda.nextAt(), this.#nextBeatAt)
    if (!this.#queueing) return next
    for (const state of this.#upstreams) {
      if (state.queue.size === 0) continue
      next = Math.min(next, state.queue.nextExpiry())
      next = Math.min(next, Math.max(this.#at + 1, state.nextDispatchAt()))
    }
    return next
  }

  adopt(policy: Policy, at: Millis): void {
    this.#advance(at)
    const limits = new StaticLimits(policy, this.#sizes)
    this.#workflows.adopt(policy.workflow)
    for (const state of this.#upstreams) {
      const own = policy.upstreams[state.index]
      if (own !== undefined) state.adopt(own)
    }
    for (let slot = 0; slot < this.#calls.capacity; slot++) this.#detach(slot)
    this.#admission.limits = limits
    this.#callers.adopted(this.#at)
    this.#admission.rulebook = this.#rulebook(policy, limits)
    this.#dispatchDue = true
  }

  drain(at: Millis, until: Millis): void {
    this.#advance(at)
    this.#admission.drainingUntil = until
    for (let slot = 0; slot < this.#calls.capacity; slot++) {
      const call = this.#calls.get(slot)
      if (call === undefined || call.waiting === 'nothing' || call.until <= until) continue
      call.until = until
      // Those who wait for room stand in the queue as well: the agenda ends their wait, whatever the queue says.
      if (call.waiting !== 'instant') this.#agenda.add(slot, until)
    }
    this.#dispatchDue = true
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
    if (state.held > 0) this.#dispatchDue = true
  }

  outlook(upstream: UpstreamIndex): Outlook {
    return this.#state(upstream).member.outlook
  }

  callers(now: Millis): CallersSummary {
    return this.#callers.summary(this.#advance(now))
  }

  learnCallers(view: CallersView): void {
    this.#callers.learn({ ...view, at: this.#advance(view.at) })
    const { limits } = this.#admission
    for (const place of this.#line.places) {
      for (const call of this.#line.at(place).slice(0, limits.roomAt(place))) {
        this.#agenda.add(call, this.#at)
        this.#dispatchDue = true
      }
    }
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
    return this.#book.list(most, {
      callsPerSecond: (slot) => this.#loops.callsPerSecond(slot, now),
      lastSeen: (slot) => this.#agents.seenAt(slot),
      nameOf: (slot) => this.#agents.nameOf(slot),
      conditionOf: (slot) => this.#loops.condition(slot, now),
    })
  }

  workflows(now: Millis, most: number): readonly WorkflowReading[] {
    return this.#workflows.list(now, most)
  }

  #rulebook(policy: Policy, limits: StaticLimits): Rulebook {
    return new Rulebook(policy, limits, this.#sizes.upstreams, {
      agent: (call) => this.#loops.condition(call.agentSlot, this.#at),
      workflow: (call) => this.#workflows.condition(call.workflowSlot),
      isAskedToWait: (call) => this.#quota.blockedUntil(call.credential, this.#at) > this.#at,
    })
  }

  #forgetAgent(slot: number): void {
    this.#book.clear(slot)
    this.#loops.forget(slot)
    this.#hashes[slot] = 0
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

  #fill(call: OpenCall, arrival: Arrival, state: UpstreamState, at: Millis): void {
    call.upstream = arrival.upstream
    call.asked = arrival.upstream
    call.agentSlot = this.#agents.slot(arrival.agent, at)
    this.#agents.pin(call.agentSlot)
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
  #reroute(call: OpenCall, state: UpstreamState): void {
    call.upstream = state.index
    call.route = this.#routes.counterpart(call.route, state.index)
    call.stratum = state.drift.stratum(call.route, call.requestBytes)
  }

  #observe(call: OpenCall, arrival: Arrival, state: UpstreamState, at: Millis): void {
    const lineage = this.#lineage.arrive(arrival, at)
    const isRetry = lineage.kind === 'retry'
    call.attempt = lineage.attempt
    call.isRetry = isRetry && lineage.confidence >= ACTED_ON_CONFIDENCE
    state.tally.arrivals += 1
    state.active(at)
    this.#nextBeatAt = Math.min(this.#nextBeatAt, state.nextBeatAt())
    if (!isRetry) state.flow.firstTry()
    state.storm.attempt(call.agentSlot, at)
    if (isRetry) {
      state.tally.retries += lineage.confidence
      if (!call.invited) state.storm.retry(call.agentSlot, lineage.confidence, at)
    }
    this.#loops.attempt(call.agentSlot, call.isRetry, at)
    this.#lookForLoop(call, arrival, at)
    this.#book.arrived(call.agentSlot, isRetry ? lineage.confidence : 0)
    call.workflowSlot = 0
    if (arrival.longLived) return
    call.workflowSlot = this.#workflows.arrive(
      arrival.workflow,
      this.#book.workflowOf(call.agentSlot),
      arrival.agent,
      arrival.parent,
      call.route,
      arrival.upstream,
      arrival.bytes,
      call.isRetry,
      at,
    )
    this.#book.worksIn(call.agentSlot, call.workflowSlot)
  }

  #tellNarrowed(arrival: Arrival, call: OpenCall, at: Millis): void {
    const { agent, workflow, upstream } = arrival
    const readings = {
      calls: this.#workflows.calls(call.workflowSlot),
      depth: this.#workflows.depth(call.workflowSlot),
    }
    this.#news[upstream]?.told('workflow-narrowed', at, readings, { agent, workflow })
  }

  #lookForLoop(call: OpenCall, arrival: Arrival, at: Millis): void {
    const looping = this.#loops.condition(call.agentSlot, at) === 'looping'
    if (looping === this.#book.isLooping(call.agentSlot)) return
    this.#book.loops(call.agentSlot, looping)
    if (!looping) return
    const { upstream, agent } = arrival
    const readings = { retryShare: this.#state(upstream).retryShare }
    this.#announce({ name: 'agent-looping', at, upstream, agent, readings })
  }

  /** Keeps the books of a decision: what is open, in flight, waiting, over. */
  #enact(slot: CallSlot, call: OpenCall, verdict: Verdict, at: Millis): void {
    const state = this.#state(verdict.upstream)
    if (verdict.do === 'pass') {
      if (state.queue.size > 0) state.outflow.spend(at, state.outflowRate())
      return this.#goUpstream(slot, call)
    }
    if (verdict.do === 'hold') {
      call.wasHeld = true
      this.#queueing = true
      this.#book.held(call.agentSlot, 1)
      return
    }
    const adviceMs = verdict.slotAt === 0 ? -1 : verdict.slotAt - at
    if (verdict.slotAt !== 0) this.#lineage.failed(call, 429, adviceMs, at)
    this.#withdraw(call)
    this.#finish(slot, call, verdict.do === 'defer' ? 'deferred' : 'shed')
  }

  #goUpstream(slot: CallSlot, call: OpenCall): void {
    if (call.longLived) return
    const state = this.#state(call.upstream)
    call.inFlight = true
    this.#inFlight.join(slot, call.upstream)
    this.#quota.spend(call.credential, this.#at)
    state.inFlight += 1
    state.inFlightBy[CLASS_SHARES[call.priority].rank]! += 1
    this.#book.inFlight(call.agentSlot, 1)
    // Calls that no rule steers (shadow mode, exempt ones) go to a shut upstream anyway: they are its probes.
    if (!call.probe && state.release.phase === 'shut' && state.release.mayProbe(this.#at, true)) {
      call.probe = true
      state.release.probeSent(slot, this.#at)
    }
  }

  #head(mark: Extract<Mark, { kind: 'head' }>, call: OpenCall, at: Millis): Advice {
    const state = this.#state(call.upstream)
    call.headAt = at
    call.status = mark.status
    call.streaming = mark.streaming
    if (call.streaming && !call.longLived) this.#firstByte(call, state, mark.status < 400, at)
    call.adviceMs = mark.retryAfterMs
    if (mark.quota !== undefined || mark.retryAfterMs > 0) this.#learnQuota(mark, call, at)
    if (!DROPPED.has(mark.status) || !call.governed) return NO_ADVICE
    const slotAt = this.#admission.promise(
      call,
      state,
      at,
      mark.retryAfterMs > 0 ? at + mark.retryAfterMs : at,
    )
    call.adviceMs = slotAt - at
    return { slotAt }
  }

  /** A stream is judged by its first byte, as soon as that is there and among calls that stream. */
  #firstByte(call: OpenCall, state: UpstreamState, ok: boolean, at: Millis): void {
    call.stratum = state.drift.streamed(call.stratum, call.prepaid)
    if (ok) state.drift.sample(call.stratum, at - startOf(call), at, call.prepaid)
  }

  #learnQuota(mark: Extract<Mark, { kind: 'head' }>, call: OpenCall, at: Millis): void {
    const blockedBefore = this.#quota.blockedUntil(call.credential, at)
    this.#quota.observe(call.credential, mark.quota, mark.retryAfterMs, mark.status, at)
    const blocked = this.#quota.blockedUntil(call.credential, at)
    if (blocked > blockedBefore) {
      this.#news[call.upstream]?.told('quota-learned', at, { status: mark.status, blockedMs: blocked - at })
    }
  }

  /** What the end of an upstream attempt teaches. */
  #learn(settlement: Settlement, call: OpenCall, state: UpstreamState, at: Millis): void {
    const started = startOf(call)
    switch (settlement.kind) {
      case 'success': {
        const latency = (call.streaming && call.headAt > 0 ? call.headAt : at) - started
        if (!call.longLived) {
          if (!call.streaming) state.drift.sample(call.stratum, latency, at, call.prepaid)
          state.tally.durations.record(latency)
        }
        state.drift.outcome(0, at)
        state.answered(call.stratum, latency, started, at)
        state.budget.success()
        this.#lineage.settledOk(call.fingerprint, at)
        this.#released(settlement.call, call, state, true, latency, at)
        break
      }
      case 'dropped':
        state.drift.outcome(1, at)
        state.lost(started, at)
        state.storm.failure(call.isRetry, at)
        this.#lineage.failed(call, settlement.status, call.adviceMs, at)
        this.#released(settlement.call, call, state, false, 0, at)
        break
      case 'failure':
        state.drift.outcome(1, at)
        state.failed(started, at, settlement.status === 0)
        state.storm.failure(call.isRetry, at)
        this.#lineage.failed(call, settlement.status, call.adviceMs, at)
        this.#released(settlement.call, call, state, false, 0, at)
        break
      case 'cancelled':
        // A client that leaves before any answer is the earliest sign before errors (algorithms.md 3(1)).
        if (call.headAt === 0 && call.sentAt > 0) {
          state.drift.outcome(0.5, at)
          this.#lineage.failed(call, 0, -1, at)
        }
        if (call.probe) state.release.probeEnded(settlement.call, undefined, at)
        break
      case 'ignored':
        if (call.probe) state.release.probeEnded(settlement.call, true, at)
        break
    }
  }

  #released(
    slot: CallSlot,
    call: OpenCall,
    state: UpstreamState,
    ok: boolean,
    latency: Millis,
    at: Millis,
  ): void {
    // What a probe took, alone at the upstream, is what a call takes there now: slower than ever is well enough.
    if (call.probe && !ok) this.#news[state.index]?.told('probe-failed', at, { status: call.status })
    if (call.probe) return state.release.probeEnded(slot, ok, at, latency)
    if (state.release.phase !== 'ramping' && !state.member.fleet.joined) return
    const healthy = state.drift.healthyQ(0.95)
    const latencyOk = healthy === 0 || latency <= 1.5 * Math.max(healthy, state.release.probeMs)
    if (ok) state.member.ramped(!latencyOk, call.sentAt)
    state.release.outcome(ok, latencyOk, at, DROPPED.has(call.status), call.sentAt)
  }

  #finish(slot: CallSlot, call: OpenCall, outcome: Outcome): void {
    const state = this.#state(call.upstream)
    if (call.inFlight) {
      call.inFlight = false
      this.#inFlight.leave(slot, call.upstream)
      state.inFlight -= 1
      state.inFlightBy[CLASS_SHARES[call.priority].rank]! -= 1
      if (state.stuck > 0 && call.sentAt <= state.shutAt) state.stuck -= 1
      this.#book.inFlight(call.agentSlot, -1)
      state.queue.complete(slot, this.#at - call.sentAt)
    }
    if (call.gatesTaken) this.#leaveGates(call)
    if (call.shadowGatesTaken) this.#admission.limits.leave(call.shadowGates, call)
    this.#loops.ended(call.agentSlot)
    this.#agents.unpin(call.agentSlot)
    this.#state(call.asked).tally.outcome(outcome)
    this.#calls.end(slot)
    if (state.held > 0) this.#dispatchDue = true
  }

  #leaveGates(call: OpenCall): void {
    const { limits } = this.#admission
    limits.leave(call.gates, call)
    call.gatesTaken = false
    for (const gate of call.gates) {
      const next = this.#line.first(limits.placeOf(gate, call))
      if (next === -1) continue
      this.#agenda.add(next, this.#at)
      this.#dispatchDue = true
    }
  }

  /** A call that another policy governs from now on: limits of the old one are no longer counted. */
  #detach(slot: CallSlot): void {
    const call = this.#calls.get(slot)
    if (call === undefined) return
    call.gates = NO_GATES
    call.shadowGates = NO_GATES
    call.gatesTaken = false
    call.shadowGatesTaken = false
    if (call.waiting === 'limit') this.#agenda.add(slot, this.#at)
  }

  readonly #announce = (event: CoreEvent): void => void this.#announced.push(event)

  #beat(state: UpstreamState, at: Millis): void {
    this.#scoreOpenCalls(state)
    state.beat(at, this.#announce)
    this.#news[state.index]?.look(at, this.#upstreams)
    state.slots.tick(at)
  }

  /** Calls still in flight that crossed the healthy q90 are evidence already (algorithms.md 3(1)). */
  #scoreOpenCalls(state: UpstreamState): void {
    state.overdue = 0
    state.strayed = 0
    const strayMs = state.strayMs
    const lists = this.#inFlight
    for (let slot = lists.first(state.index); slot !== -1; slot = lists.after(slot)) {
      const call = this.#calls.get(slot)!
      if (call.sentAt <= state.shutAt && state.stuck > 0) continue
      if (call.sentAt === 0) continue
      if (call.streaming) {
        this.#lookForSilence(call, state)
        continue
      }
      if (!call.prepaid && !state.drift.overdue(call.stratum, this.#at - call.sentAt)) continue
      if (this.#at - call.sentAt > strayMs) state.strayed += 1
      state.overdue += 1
      if (call.prepaid) continue
      call.prepaid = true
      state.drift.prepay(call.stratum)
    }
  }

  /** A silence that lasts counts before it ends; then not again. */
  #lookForSilence(call: OpenCall, state: UpstreamState): void {
    const silence = this.#at - call.lastChunkAt
    if (call.lastChunkAt === 0 || !state.drift.silent(call.stratum, silence)) return
    state.drift.gap(call.stratum, silence, this.#at)
    call.lastChunkAt = 0
  }

  #lookAhead(): void {
    this.#nextBeatAt = Infinity
    this.#queueing = false
    for (const state of this.#upstreams) {
      this.#nextBeatAt = Math.min(this.#nextBeatAt, state.nextBeatAt())
      this.#queueing ||= state.queue.size > 0
    }
  }

  #serve(state: UpstreamState, at: Millis): void {
    state.queue.expire(at, (slot, displaced) => this.#expire(slot, displaced ? 'queue-full' : 'deadline', at))
    this.#dispatch(state, at)
  }

  /** Lets held calls of one upstream go while there is room. */
  #dispatch(state: UpstreamState, at: Millis): void {
    while (state.queue.size > 0) {
      if (state.release.phase === 'shut') {
        if (!state.release.mayProbe(at, true)) return
        const slot = state.queue.next(at)
        if (slot === -1) return
        const call = this.#calls.get(slot)!
        this.#book.held(call.agentSlot, -1)
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
      this.#book.held(call.agentSlot, -1)
      const reason = state.unwell ? (state.release.phase === 'ramping' ? 'ramp' : 'under-limit') : 'recovered'
      this.#release(slot, call, reason, at)
    }
  }

  #release(slot: CallSlot, call: OpenCall, reason: Reason, at: Millis): void {
    const state = this.#state(call.upstream)
    call.waiting = 'nothing'
    if (call.gates !== NO_GATES && !call.gatesTaken) {
      call.gatesTaken = this.#admission.limits.take(call.gates, call, at) === undefined
    }
    this.#endHold(call, state, at)
    this.#goUpstream(slot, call)
    this.#directives.push({ do: 'release', call: slot, reason, upstream: call.upstream })
  }

  /** A call whose instant has come: its deadline, or what it waited for. */
  #due(slot: CallSlot, at: Millis): void {
    const call = this.#calls.get(slot)
    if (call === undefined || call.waiting === 'nothing') return
    const state = this.#state(call.upstream)
    if (at >= call.until || call.waiting === 'room') return this.#expire(slot, 'deadline', at)
    this.#stopWaiting(slot, call)
    const verdict = this.#admission.decide(slot, call, at, true)
    if (verdict.do === 'hold') return this.#book.held(call.agentSlot, 1)
    if (verdict.do === 'pass') return this.#release(slot, call, verdict.reason, at)
    this.#endHold(call, state, at)
    this.#directives.push({ do: 'expire', call: slot, reason: verdict.reason, slotAt: verdict.slotAt })
    this.#withdraw(call)
    this.#finish(slot, call, 'hold-expired')
  }

  #expire(slot: CallSlot, reason: Reason, at: Millis): void {
    const call = this.#calls.get(slot)
    if (call === undefined) return
    const state = this.#state(call.upstream)
    this.#stopWaiting(slot, call)
    const why = this.#admission.drainingUntil === Infinity ? reason : 'draining'
    const { slotAt } = this.#admission.refuse(call, state, why, at)
    this.#lineage.failed(call, 503, slotAt - at, at)
    this.#endHold(call, state, at)
    this.#directives.push({ do: 'expire', call: slot, reason: why, slotAt })
    this.#withdraw(call)
    this.#finish(slot, call, 'hold-expired')
  }

  /** It never went upstream: its workflow does not have it in flight any more. */
  #withdraw(call: OpenCall): void {
    if (!call.longLived) this.#workflows.withdraw(call.workflowSlot)
  }

  /** Out of whatever line it stands in. */
  #stopWaiting(slot: CallSlot, call: OpenCall): void {
    const state = this.#state(call.upstream)
    if (call.waiting === 'nothing') return
    if (call.waiting === 'room') state.queue.remove(slot)
    else state.waitingElsewhere -= 1
    this.#agenda.remove(slot)
    this.#line.leave(slot)
    this.#book.held(call.agentSlot, -1)
    call.waiting = 'nothing'
  }

  #endHold(call: OpenCall, state: UpstreamState, at: Millis): void {
    state.tally.holds.record(at - call.arrivedAt)
  }
}

function startOf(call: OpenCall): Millis {
  return call.sentAt > 0 ? call.sentAt : call.arrivedAt
}

function outcomeOf(settlement: Settlement, call: OpenCall): Outcome {
  if (settlement.kind === 'cancelled') return 'client-gone'
  if (!settlement.answered) return 'upstream-error'
  return call.wasHeld ? 'passed-after-hold' : 'passed'
}
