/** Everything that the core knows of one upstream, and the beat that turns observations into a condition. */
import { HoldQueue } from './admit/hold-queue.ts'
import { Pace } from './admit/pace.ts'
import { Release } from './admit/release.ts'
import { Slots } from './admit/slots.ts'
import { conditionOf, isUnwell } from './detect/condition.ts'
import { DriftDetector } from './detect/drift.ts'
import { Jam, piledUp, type Pile, strayAfterMs } from './detect/jam.ts'
import { StormDetector } from './detect/storm.ts'
import { FleetMember } from './fleet/fleet-member.ts'
import { AdaptiveLimit } from './limit/adaptive-limit.ts'
import { RateFinder } from './limit/rate-finder.ts'
import { RetryBudget } from './limit/retry-budget.ts'
import { CounterWindow } from './observe/counter-window.ts'
import { FlowRates } from './observe/flow-rates.ts'
import { Tally } from './observe/tally.ts'
import type { FleetView } from './fleet.ts'
import {
  CONDITIONS,
  PRIORITIES,
  type Condition,
  type CoreEvent,
  type Millis,
  type UpstreamIndex,
} from './model.ts'
import type { UpstreamPolicy } from './policy.ts'
import type { Random } from './random.ts'

/** Storms need sub-second eyes; drift is defined per second (algorithms.md 3(1)). */
const BEAT_MS = 250
const DRIFT_MS = 1000

/** Kinds of the recent-answers window: two seconds by 100 ms. */
const ANSWERED = 0
const LOST = 1
const FAILED = 2
const RECENT_MS = 2000

/** A visible share of "too much" answers; below it quotas of single credentials explain them. */
const LOSING_SHARE = 0.1
const LOSING_COUNT = 3

/**
 * Nothing but failures: not worth sending anything but probes. Counted in the order of sending, so stragglers among
 * good answers are no outage, and as many as chance would bring together once in a million calls.
 */
const DOWN_FAILURES = 5
const DOWN_FAILURES_MAX = 20
const DOWN_ODDS = 1e-6

/** A ramp that nobody waited for so long is over. */
const UNCLAIMED_MS = 2000
/** An early look costs a scan of the open calls: not more often than this. */
const LOOK_MS = 50
/** So many open calls cost next to nothing to look at. */
const FEW = 16

/** Held calls go out no faster than this times what was answered lately, or usually: what flows is believed. */
const OUTFLOW = 1.3
const OUTFLOW_LEAST = 5
const NORMAL_Q90 = 1.2816
const MEDIAN_ERROR = 0.13

export class UpstreamState {
  readonly index: UpstreamIndex
  policy: UpstreamPolicy
  readonly drift: DriftDetector
  readonly storm: StormDetector
  readonly limit: AdaptiveLimit
  readonly budget: RetryBudget
  readonly rate = new RateFinder()
  readonly queue: HoldQueue
  readonly slots: Slots
  readonly release: Release
  readonly tally = new Tally()
  readonly flow = new FlowRates()
  /** Spaces what leaves the hold queue. */
  readonly outflow: Pace

  /** What other replicas see of this upstream, if there are others. */
  readonly member: FleetMember

  condition: Condition = 'healthy'
  /** What this replica concludes by itself. */
  ownCondition: Condition = 'healthy'
  since: Millis
  inFlight = 0
  /** Of those, by class. */
  readonly inFlightBy = new Int32Array(PRIORITIES.length)
  /** Of those, sent before the gate last shut: lost, most likely, and in nobody's way. */
  stuck = 0
  shutAt: Millis = -Infinity
  /** Of those, open for so long that they count as lost; the coordinator counts them before a beat. */
  strayed = 0
  /** Calls that wait for an instant or for a static limit, beside the queue. */
  waitingElsewhere = 0
  /** Of the calls in flight, those open beyond the healthy reference; the coordinator counts them before a beat. */
  overdue = 0
  /** When the next of them will be; Infinity = none. */
  overdueAt: Millis = Infinity
  etaMs: Millis = Infinity
  /** Readings of the last beat, for conditions of rules: numbers, so that asking costs nothing. */
  slowdown = 1
  errorShare = 0
  retryShare = 0
  retryingAgents = 0

  readonly #recent = new CounterWindow({ slots: 1, kinds: 3, bucketMs: 100, buckets: RECENT_MS / 100 })
  /** Failures of calls that were sent after the last one that was answered was sent. */
  #failuresInRow = 0
  #goodSentAt: Millis = -Infinity
  readonly #jam = new Jam()
  #waitedAt: Millis = -Infinity
  #lookAt: Millis = Infinity
  #awake = false
  #beatAt: Millis
  #driftAt: Millis

  /** @param hashes of the agents' names by slot; whoever hands out the slots keeps them up */
  constructor(
    index: UpstreamIndex,
    policy: UpstreamPolicy,
    maxAgents: number,
    random: Random,
    at: Millis,
    hashes: Uint32Array = new Uint32Array(maxAgents),
  ) {
    this.index = index
    this.policy = policy
    this.since = at
    this.#beatAt = at
    this.#driftAt = at
    this.drift = new DriftDetector(policy.drift, at)
    this.storm = new StormDetector(policy.storm, maxAgents, at)
    this.limit = new AdaptiveLimit(policy.limit, at)
    this.budget = new RetryBudget(policy.retryBudget, at)
    this.queue = new HoldQueue(policy.hold)
    this.slots = new Slots(policy.slots)
    this.release = new Release(policy.release, random)
    this.outflow = new Pace(random, at)
    this.member = new FleetMember(this, hashes)
  }

  get unwell(): boolean {
    return isUnwell(this.condition)
  }

  get held(): number {
    return this.queue.size + this.waitingElsewhere
  }

  get heldCritical(): number {
    return this.queue.sizeOf('critical')
  }

  get wanted(): readonly number[] {
    return PRIORITIES.map((priority, rank) => (this.inFlightBy[rank] ?? 0) + this.queue.sizeOf(priority))
  }

  /** Calls that may be at the upstream from here: all of the limit, or the own part of it. */
  get allowance(): number {
    return this.member.allowance
  }

  get failuresInRow(): number {
    return this.#failuresInRow
  }

  /** Takes in what other replicas said. */
  learn(view: FleetView): void {
    const news = this.member.learn(view)
    // Failures without an answer are no sign of life.
    if (news.scored > 0) this.#jam.heard(view.at)
    const { floor, storm, word } = this.member.fleet
    if (floor !== undefined || word !== undefined || (storm?.retries ?? 0) > 0) this.#wake(view.at)
    if (this.#allFail()) this.#shut(view.at)
  }

  /** When the next beat is due; Infinity while nothing is going on. */
  nextBeatAt(): Millis {
    return this.#awake ? Math.min(this.#lookAt, this.#beatAt + BEAT_MS) : Infinity
  }

  /** A call was seen: the beat starts again after an idle stretch, and is early when calls pile up. */
  active(at: Millis): void {
    this.#wake(at)
    this.#lookSoon(at)
  }

  /** One of several replicas with a few calls each: that one of them is overdue is news to all. */
  get #isFewOfMany(): boolean {
    return this.member.fleet.joined && !this.unwell && this.inFlight <= FEW
  }

  #lookSoon(at: Millis): void {
    const soon = Math.max(at, this.#beatAt + LOOK_MS)
    if (this.#lookAt <= soon || this.unwell || !this.#piledUp) return
    this.#lookAt = soon
  }

  #wake(at: Millis): void {
    if (this.#awake) return
    this.#awake = true
    this.#beatAt = at
  }

  /** More of its own calls are overdue than usually. */
  get hasHint(): boolean {
    return this.#jam.hints(this.#ownPile)
  }

  get #ownPile(): Pile {
    return { load: this.load, overdue: this.overdue, healthyPeak: this.flow.peak }
  }

  /** Of all replicas: a sidecar alone has hardly enough calls to pile up. */
  get #pile(): Pile {
    const { fleet, flow, load } = this.member
    if (!fleet.joined || flow.peak === 0) return this.#ownPile
    return { load, overdue: this.overdue + fleet.overdue, healthyPeak: flow.peak }
  }

  /** Asked with each arrival: without a pile of its own. */
  get #piledUp(): boolean {
    const { fleet, flow } = this.member
    if (!fleet.joined || flow.peak === 0) return piledUp(this.load, this.flow.peak)
    return piledUp(this.member.load, flow.peak)
  }

  /** Takes another policy's numbers; what was learnt stays. */
  adopt(policy: UpstreamPolicy): void {
    this.policy = policy
    this.drift.adopt(policy.drift)
    this.storm.adopt(policy.storm)
    this.limit.adopt(policy.limit)
    this.budget.adopt(policy.retryBudget)
    this.queue.adopt(policy.hold)
    this.slots.adopt(policy.slots)
    this.release.adopt(policy.release)
  }

  /** A call of class `stratum`, sent at `sentAt`, was answered after `latency`. */
  answered(stratum: number, latency: Millis, sentAt: Millis, at: Millis): void {
    this.#recent.add(0, ANSWERED, at)
    this.flow.answered()
    this.#jam.heard(at)
    if (sentAt > this.#goodSentAt) {
      this.#goodSentAt = sentAt
      this.#failuresInRow = 0
    }
    if (!this.limit.running) return
    const usual = this.drift.healthyQ(0.5, stratum)
    if (usual === 0) return this.limit.answeredUnjudged(sentAt)
    this.limit.answered(latency / usual, sentAt)
    this.member.answered(latency / usual, sentAt)
  }

  /** The upstream said "too much" to a call that was sent at `sentAt`. */
  lost(sentAt: Millis, at: Millis): void {
    this.rate.loss(at, sentAt, (this.#recent.sum(0, ANSWERED, at) * 1000) / RECENT_MS)
    this.#recent.add(0, LOST, at)
    this.#jam.heard(at)
    this.limit.loss(at, this.drift.healthyQ(0.5), sentAt)
    this.member.lost(sentAt)
  }

  /** A call failed; `silent` = without any answer: a connection refused or cut, or a timeout. */
  failed(sentAt: Millis, at: Millis, silent: boolean): void {
    this.#recent.add(0, FAILED, at)
    if (!silent) this.#jam.heard(at)
    // A connection refused at once says that nobody is there, not that there is too much to do.
    if (silent && at - sentAt > this.drift.healthyQ(0.5)) {
      this.limit.loss(at, this.drift.healthyQ(0.5), sentAt)
      this.member.lost(sentAt)
    }
    if (sentAt <= this.#goodSentAt) return
    this.#failuresInRow += 1
    if (this.#failuresInRow >= this.#downFailures() || this.#allFail()) this.#shut(at)
  }

  /** Nothing but failures at every replica, as many together as one alone would want. */
  #allFail(): boolean {
    const { fleet } = this.member
    if (!fleet.joined || !fleet.allFailing || (this.#failuresInRow === 0 && this.flow.recent > 0.01))
      return false
    return this.#failuresInRow + fleet.failuresInRow >= this.#downFailures()
  }

  /** Calls that the upstream works on, as far as anybody can tell. */
  get load(): number {
    return Math.max(0, this.inFlight - this.stuck - this.strayed)
  }

  /** From which age a call without an answer is nobody's work any more: it no longer takes a place under the limit. */
  get strayMs(): Millis {
    return strayAfterMs(this.drift.healthyQ(0.99))
  }

  #shut(at: Millis): void {
    if (this.release.phase === 'shut') return
    this.release.fail(at)
    this.shutAt = at
    this.stuck = this.inFlight
  }

  #downFailures(): number {
    if (this.errorShare <= 0) return DOWN_FAILURES
    const byChance = Math.ceil(Math.log(DOWN_ODDS) / Math.log(Math.min(0.99, this.errorShare)))
    return Math.min(DOWN_FAILURES_MAX, Math.max(DOWN_FAILURES, byChance))
  }

  /** When a call in the queue could go, if it is not room that it waits for; Infinity = a call must end first. */
  nextDispatchAt(): Millis {
    if (this.release.phase !== 'open') return this.release.nextAt()
    return this.load < this.allowance ? this.outflow.nextAt : Infinity
  }

  /** Calls per second at which held calls may go out. */
  outflowRate(): number {
    const believed = Math.max(OUTFLOW_LEAST, OUTFLOW * Math.max(this.flow.recent, this.member.healthyRate))
    return Math.min(this.rate.rate, believed)
  }

  get lossShare(): number {
    return this.#lossShare
  }
  #lossShare = 0

  /**
   * Looks at everything once more if a beat is due. Returns whether the condition changed; `announce` receives
   * the event with the numbers that fired it.
   */
  beat(now: Millis, announce: (event: CoreEvent) => void): boolean {
    if (now < this.nextBeatAt()) return false
    const elapsed = now - this.#beatAt
    this.#beatAt = now
    this.#lookAt = this.#isFewOfMany ? Math.max(this.overdueAt, now + LOOK_MS) : Infinity
    this.#measureFlow(elapsed)
    const storm = this.storm.tick(now)
    const retries = this.storm.reading(now)
    this.retryShare = retries.retryShare
    this.retryingAgents = retries.retryingAgents
    if (now - this.#driftAt >= DRIFT_MS) this.#driftTick(now)
    this.#lookForJam(now, elapsed)
    this.#lookForOpening(now)
    this.#judgeLimit(now)
    this.rate.tick(now, this.flow.recent)
    const answered = this.#recent.sum(0, ANSWERED, now)
    const lost = this.#recent.sum(0, LOST, now)
    this.#lossShare = lost === 0 ? 0 : lost / (answered + lost)
    this.#awake =
      this.inFlight > 0 ||
      this.held > 0 ||
      this.member.fleet.floor !== undefined ||
      this.condition !== 'healthy' ||
      this.flow.recent > 0.01
    this.ownCondition = conditionOf({
      gate: this.release.phase,
      drift: this.#drift,
      crowded: this.#jam.crowded,
      failing: this.#failing,
      losing: lost >= LOSING_COUNT && this.#lossShare >= LOSING_SHARE,
      storm,
      limited: this.limit.value !== Infinity && !this.#limitDone(now),
    })
    return this.#become(stricter(this.ownCondition, this.member.fleet.floor), now, announce)
  }

  #judgeLimit(now: Millis): void {
    const { member } = this
    const critical = this.heldCritical + member.fleet.critical
    if (member.judges) this.limit.tick(now, Math.round(member.load), critical)
    member.divide()
  }

  /** A ramp well above the usual rate that nobody waits for holds nobody back; single calls still bump into its pace. */
  #lookForOpening(now: Millis): void {
    const rate = this.release.rate(now)
    if (this.held > 0 || this.release.phase !== 'ramping' || rate < OUTFLOW * this.member.healthyRate)
      this.#waitedAt = now
    else if (now - this.#waitedAt >= UNCLAIMED_MS) this.release.open()
  }

  #lookForJam(now: Millis, elapsed: Millis): void {
    const pile = this.#pile
    if (this.#jam.silent(pile, this.drift.healthyQ(0.99), now)) this.#shut(now)
    this.#jam.look(pile, now, this.condition === 'healthy' ? elapsed : 0)
  }

  get driftState(): 'healthy' | 'watch' | 'slow' | 'fast' {
    return this.#drift
  }

  #drift: 'healthy' | 'watch' | 'slow' | 'fast' = 'healthy'
  #failing = false

  #driftTick(now: Millis): void {
    this.#driftAt = now
    const watched = this.condition === 'watch' && this.storm.state === 'calm'
    this.#drift = this.drift.tick(now, watched || this.condition === 'healthy')
    const reading = this.drift.reading(now)
    this.#failing = reading.errors >= this.policy.drift.errorAlarm
    this.etaMs = reading.etaMs
    this.slowdown = reading.slowdown
    this.errorShare = reading.errorShare
  }

  #measureFlow(elapsed: Millis): void {
    const { inFlight } = this
    const healthy = this.condition === 'healthy'
    const saturated = this.held > 0 && this.load >= this.allowance - 1
    const doubtful = this.#jam.doubts(this.#pile)
    this.flow.tick(elapsed, { inFlight, healthy, saturated, doubtful })
    this.member.beat(this.#beatAt, elapsed, healthy, doubtful)
    if (healthy) this.release.healthyRate(this.flow.healthy, this.drift.healthyQ(0.95))
  }

  /** The limit goes when it has not mattered for a while: nobody waits and it is far from reached. */
  #limitDone(now: Millis): boolean {
    const { held, load } = this.member
    if (held >= 1 || load * 2 >= this.limit.value) return false
    return now - this.since >= 2000 && this.#lossShare === 0
  }

  #become(condition: Condition, now: Millis, announce: (event: CoreEvent) => void): boolean {
    const from = this.condition
    if (from === condition) return false
    const wasUnwell = this.unwell
    this.condition = condition
    this.since = now
    if (this.unwell && !wasUnwell) this.#startLimit(now)
    if (!this.unwell && wasUnwell) {
      this.limit.stop()
      this.rate.stop()
    }
    announce({
      name: 'condition-changed',
      at: now,
      upstream: this.index,
      from,
      to: condition,
      readings: this.readings(now),
    })
    return true
  }

  #startLimit(now: Millis): void {
    this.limit.start(this.flow.peak, this.inFlight, now, this.flow.limit, this.#samplesWanted())
    this.member.limitStarted(now)
  }

  /** Answers that make a median good to about 13 %: the wider the healthy spread, the more. */
  #samplesWanted(): number {
    const median = this.drift.healthyQ(0.5)
    const sigma = median > 0 ? Math.log(this.drift.healthyQ(0.9) / median) / NORMAL_Q90 : 0
    return Math.min(30, ((1.25 * sigma) / MEDIAN_ERROR) ** 2)
  }

  /** The numbers behind the condition, for events. */
  readings(now: Millis): Record<string, number> {
    const drift = this.drift.reading(now)
    const storm = this.storm.reading(now)
    return {
      slowdown: drift.slowdown,
      driftSlow: drift.slow,
      driftFast: drift.fast,
      driftErrors: drift.errors,
      errorShare: drift.errorShare,
      lossShare: this.#lossShare,
      retryShare: storm.retryShare,
      retryingAgents: storm.retryingAgents,
      activeAgents: storm.activeAgents,
      overdue: this.overdue,
      inFlight: this.inFlight,
      held: this.held,
      limit: this.limit.value,
    }
  }
}

/** The worse of the two; that nothing passes is for the gate to say. */
function stricter(own: Condition, floor: Condition | undefined): Condition {
  if (floor === undefined) return own
  const most = floor === 'down' ? 'degraded' : floor
  return CONDITIONS.indexOf(most) > CONDITIONS.indexOf(own) ? most : own
}
