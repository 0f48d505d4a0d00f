/**
 * One upstream of one replica as a member of a fleet: what it tells, and what follows from what it hears.
 *
 * Evidence is merged, not verdicts: scores, errors and retries of the others go through the same detectors as if they had
 * been seen here, so each replica concludes what one gateway would that sees everything. Numbers that only one may find
 * (the limit, the way back) are found by one, the steward, whom the board elects for one upstream at a time; the others
 * follow its word. Under each word they count what became of calls sent under it, and the steward judges by that: an
 * answer to a call that was sent under an older word proves nothing, whenever it arrives.
 *
 * Without the board a replica goes on with its last share (as RLQS of Envoy does), after 30 s with the last limit over the
 * last number of replicas, and what it sees itself: never with the whole.
 */
import { CONDITIONS, PRIORITIES, type Condition, type Millis } from '../model.ts'
import type { AdaptiveLimit } from '../limit/adaptive-limit.ts'
import type { RetryBudget } from '../limit/retry-budget.ts'
import type { Release } from '../admit/release.ts'
import type { Slots } from '../admit/slots.ts'
import type { DriftDetector } from '../detect/drift.ts'
import type { StormDetector } from '../detect/storm.ts'
import { FlowRates } from '../observe/flow-rates.ts'
import {
  packFactor,
  PHASES,
  type FleetView,
  type Outlook,
  type Restlessness,
  type UpstreamSummary,
} from '../fleet.ts'
import { agentsOf, partsOf, placesOf, quotasOf, type Member } from './shares.ts'
import { UpstreamFleet, type Demand, type News } from './upstream-fleet.ts'

/** The parts of an upstream's state that a fleet bears upon. */
export interface Steerable {
  readonly limit: AdaptiveLimit
  readonly budget: RetryBudget
  readonly release: Release
  readonly slots: Slots
  readonly drift: DriftDetector
  readonly storm: StormDetector
  readonly flow: FlowRates
  readonly inFlight: number
  readonly inFlightBy: Readonly<Int32Array>
  /** Calls waiting or under way, by class. */
  readonly wanted: readonly number[]
  readonly load: number
  readonly held: number
  readonly heldCritical: number
  readonly overdue: number
  /** More calls are overdue than usually. */
  readonly hasHint: boolean
  readonly ownCondition: Condition
  readonly unwell: boolean
  readonly failuresInRow: number
}

/** Shares are reused for so long without the board; then the last limit is divided by the last count (RLQS pattern). */
const REUSE_MS = 30_000
/** The places that cannot be divided change hands so often. */
const ROUND_MS = 1000
/** Factors that go with a summary: more than a median needs from one of several. */
const FACTORS = 12
const LATELY_MS = 1000

export class FleetMember {
  readonly fleet = new UpstreamFleet()
  /** Of the fleet's calls in flight: their peak and their usual number. */
  readonly flow = new FlowRates()
  readonly #state: Steerable
  readonly #hashes: Uint32Array
  /** The limit counts the calls of all, and `#places` are the own part of it. */
  #shared = false
  #places = Infinity
  readonly #demands = PRIORITIES.map(() => 0)
  readonly #lately = PRIORITIES.map(() => 0)
  #demandAt: Millis = 0
  /** -1 = its own. */
  #healthyRate = -1
  #round = 0
  /** Hints so far: that there is one is news, that it has gone is none. */
  #hints = 0
  #hinted = false
  #said = { total: -2, phase: -1, fraction: -2 }
  #total = Infinity
  #dividedAt: Millis = Infinity
  /** What became of calls sent under the word `epoch`, `version`, which was heard at `since`. */
  #under = {
    epoch: 0,
    version: 0,
    since: Infinity,
    samples: 0,
    factors: [] as number[],
    losses: 0,
    fraction: -1,
    stepAt: Infinity,
    fine: 0,
    late: 0,
  }

  /** @param hashes by agent slot, kept up by the coordinator */
  constructor(state: Steerable, hashes: Uint32Array) {
    this.#state = state
    this.#hashes = hashes
  }

  /** Calls that this replica may have in flight. */
  get allowance(): number {
    const { limit } = this.#state
    if (!limit.running) return Infinity
    return this.#shared ? this.#places : limit.value
  }

  /** Calls per second that its part of the fleet would have answered in health. */
  get healthyRate(): number {
    return this.#healthyRate < 0 ? this.#state.flow.healthy : this.#healthyRate
  }

  /**
   * Calls per second that can be expected here over the next seconds, by this replica's part of all demand: whose turn it is
   * at this moment says nothing about that. 0 = nothing more is known than what was seen here.
   */
  get expectedRate(): number {
    const { fleet } = this
    if (!fleet.joined) return 0
    const { flow, release } = this.#state
    const opening = Math.max(0, release.fraction) * (fleet.healthyRate + flow.healthy)
    return Math.max(fleet.rate + flow.recent, opening) * this.#part()
  }

  /** Calls at the upstream, of all replicas. */
  get load(): number {
    return this.#state.load + (this.fleet.joined ? this.fleet.inFlight : 0)
  }

  get held(): number {
    return this.#state.held + (this.fleet.joined ? this.fleet.held : 0)
  }

  /** Whether this replica judges the limit: always, unless others are there and one of them does. */
  get judges(): boolean {
    return !this.#shared || this.fleet.isSteward
  }

  /** It has something to find out, and something to find it out with. */
  get claims(): boolean {
    const { unwell, release, held, inFlight, flow } = this.#state
    if (!unwell) return false
    if (release.phase !== 'shut') return held + inFlight > 0 || flow.recent > 0.1
    return held + inFlight > 0 && !this.#others.some((demands) => topOf(demands) < topOf(this.#state.wanted))
  }

  /** What the others want, by class. */
  get #others(): readonly (readonly number[])[] {
    return this.fleet.joined ? this.fleet.members.map(({ demands }) => demands) : []
  }

  get outlook(): Outlook {
    return { restlessness: this.#restlessness, claims: this.claims, stamp: this.#stamp }
  }

  get #restlessness(): Restlessness {
    if (this.#state.unwell) return this.#state.release.phase === 'ramping' ? 'turning' : 'unwell'
    if (this.#state.hasHint) return 'turning'
    const retries = this.fleet.storm?.retries ?? 0
    const watched = this.#state.ownCondition !== 'healthy' || this.#state.storm.state !== 'calm'
    return watched || retries > 0 || this.#state.storm.hasRetries ? 'restless' : 'quiet'
  }

  /** Everything that others need at once when it changes, as one number. */
  get #stamp(): number {
    const condition = CONDITIONS.indexOf(this.#state.ownCondition)
    const { epoch, isSteward, version } = this.fleet
    const starved = this.#places === 0 && this.#state.held > 0
    const bits = (this.claims ? 1 : 0) + (starved ? 2 : 0) + (this.#hints % 2) * 4
    return ((epoch * 1000 + (isSteward ? version : 0)) * 16 + condition) * 8 + bits
  }

  summary(now: Millis): UpstreamSummary {
    const state = this.#state
    const { fleet } = this
    this.#feelDemand(now)
    const storm = state.storm.told(now, this.#hashes)
    this.#told = {
      demands: this.#demands.map((demand) => Math.round(16 * demand)),
      active: storm.active,
    }
    this.#everybody = undefined
    if (fleet.isSteward) this.#speak(now)
    const { total, phase, fraction } = this.#said
    const under = this.#under
    return {
      condition: CONDITIONS.indexOf(state.ownCondition),
      phase: fleet.isSteward ? phase : PHASES.indexOf(state.release.phase),
      inFlight: state.load,
      held: state.held,
      critical: state.heldCritical,
      overdue: state.overdue,
      demands: this.#told.demands,
      rate: state.flow.recent,
      healthyRate: state.flow.healthy,
      allowance: this.allowance === Infinity ? -1 : this.allowance,
      ...state.drift.told,
      failuresInRow: state.failuresInRow,
      ...storm,
      aborts: state.release.aborted,
      blocked: [],
      epoch: fleet.isSteward ? fleet.epoch : 0,
      version: fleet.isSteward ? fleet.version : 0,
      total: fleet.isSteward ? total : -1,
      fraction: fleet.isSteward ? fraction : -1,
      round: this.#round,
      heardEpoch: under.epoch,
      heardVersion: under.version,
      heardFraction: Math.max(0, under.fraction),
      fine: under.fine,
      late: under.late,
      samples: under.samples,
      factors: under.factors,
      losses: under.losses,
    }
  }

  /** Takes in what the others said; answers what of it is new. */
  learn(view: FleetView): News {
    const { at } = view
    const state = this.#state
    const { fleet } = this
    const wasSteward = fleet.isSteward
    const news = fleet.learn(view, state.flow.recent)
    this.#everybody = undefined
    state.drift.hear(news, at)
    state.storm.hear(fleet.storm, this.#hashes)
    this.#feelDemand(at)
    this.#scale(at)
    if (fleet.isSteward) {
      if (!wasSteward) this.#takeOver()
      for (const factor of news.factors) state.limit.answered(factor, Infinity)
      if (news.losses > 0) state.limit.loss(at, state.drift.healthyQ(0.5), at)
      if (news.aborts > 0) state.release.abort(at)
      state.release.hear(news.fine + news.late, news.late, at)
      this.#speak(at)
    } else this.#follow(at)
    this.divide()
    return news
  }

  /** With each beat, before the limit is judged. `elapsed` since the last one. */
  beat(now: Millis, elapsed: Millis, healthy: boolean, doubtful: boolean): void {
    this.fleet.age(now)
    const { hasHint } = this.#state
    if (hasHint !== this.#hinted) this.#hints += 1
    this.#hinted = hasHint
    this.#state.drift.back(this.fleet.learned, this.fleet.replicas)
    if (this.fleet.joined) {
      const saturated = this.held > 0 && this.load >= this.#state.limit.value - 1
      this.flow.tick(elapsed, { inFlight: Math.round(this.load), healthy, saturated, doubtful })
    }
    this.#scale(now)
  }

  /** After the limit was judged: the own part of it. */
  divide(): void {
    this.#places = this.#shared ? this.#ownPlaces() : Infinity
  }

  /** The limit has just begun to run, at the own scale. */
  limitStarted(now: Millis): void {
    this.#shared = false
    this.#scale(now, true)
    this.divide()
  }

  /** A call that was sent at `sentAt` was answered: `factor` times the healthy median. */
  answered(factor: number, sentAt: Millis): void {
    const under = this.#under
    if (!this.#shared || this.fleet.isSteward || sentAt < under.since) return
    under.samples += 1
    under.factors = [...under.factors.slice(-(FACTORS - 1)), packFactor(factor)]
  }

  /** A call that was sent at `sentAt` came back good under the ramp, or late. */
  ramped(late: boolean, sentAt: Millis): void {
    const under = this.#under
    if (!this.fleet.joined || this.fleet.isSteward || under.fraction <= 0 || sentAt < under.stepAt) return
    if (late) under.late += 1
    else under.fine += 1
  }

  /** A call that was sent at `sentAt` was refused by the upstream, or lost. */
  lost(sentAt: Millis): void {
    if (this.#shared && !this.fleet.isSteward && sentAt >= this.#under.since) this.#under.losses += 1
    if (this.#shared) this.#places = Math.min(this.#places, this.#ownPlaces())
  }

  /** At the own scale and at the fleet's a limit means different things: it goes over from one to the other. */
  #scale(now: Millis, isNew = false): void {
    const { limit, flow, release, budget, slots } = this.#state
    const { fleet } = this
    const part = fleet.joined ? this.#part() : fleet.standing === 'cut' ? 1 / fleet.replicas : 1
    budget.share(part)
    slots.phase(fleet.index, fleet.replicas)
    release.fleet(fleet.replicas, fleet.joined ? 1 : fleet.replicas)
    const led = fleet.joined && !fleet.isSteward && fleet.word !== undefined
    release.bar(led && fleet.word?.phase === 'shut')
    if (!led) release.goOn()
    if (fleet.joined && this.#state.unwell) release.portion((this.#healthyRate = this.#portion()))
    else this.#healthyRate = -1
    if (!limit.running) {
      this.#shared = false
      return
    }
    if (fleet.joined && !this.#shared) {
      const said = fleet.word?.total ?? Infinity
      limit.rescale(said === Infinity ? this.#ofAll(isNew) : said, this.#peak, now)
      this.#shared = true
    } else if (!fleet.joined && this.#shared) {
      this.#shared = false
      this.#total = limit.value
      this.#dividedAt = fleet.standing === 'cut' ? fleet.cutAt + REUSE_MS : Infinity
      const own = fleet.standing === 'cut' ? Math.max(1, this.#places) : limit.value
      limit.rescale(own, Math.max(flow.peak, own / 2), now)
    } else if (!this.#shared && now >= this.#dividedAt) {
      this.#dividedAt = Infinity
      limit.rescale(Math.max(1, this.#total / fleet.replicas), flow.peak, now)
    }
  }

  /**
   * The limit of all, where no steward has said it. A new one begins where that of one gateway would: what is out by now may
   * be the jam. Of one that ran at the own scale the others have theirs.
   */
  #ofAll(isNew: boolean): number {
    const { fleet, flow } = this
    if (isNew && flow.limit > 0) return flow.limit
    return this.#state.limit.value + (fleet.allowances < 0 ? fleet.inFlight * 1.2 : fleet.allowances)
  }

  /** Of the healthy rate of all, the part that its calls should have now: most important first, wherever they are. */
  #portion(): number {
    const { limit, flow } = this.#state
    const members = this.#members()
    const total = limit.running && this.#shared ? limit.value : members.length
    const quotas = quotasOf(total, members)
    return ((this.fleet.healthyRate + flow.healthy) * (quotas.at(-1) ?? 0)) / total
  }

  get #peak(): number {
    return this.flow.peak > 0 ? this.flow.peak : this.#state.flow.peak * this.fleet.replicas
  }

  #takeOver(): void {
    this.fleet.version = 0
    this.#said = { total: -2, phase: -1, fraction: -2 }
    this.#state.release.goOn()
  }

  /** The steward's word: another version as soon as anything in it is another. */
  #speak(now: Millis): void {
    const { limit, release } = this.#state
    const total = limit.running && this.#shared ? limit.value : -1
    const phase = PHASES.indexOf(release.phase)
    const fraction = Math.round(release.fraction * 128) / 128
    this.fleet.fraction = fraction
    this.#round = Math.floor(now / ROUND_MS)
    const said = this.#said
    if (said.total === total && said.phase === phase && said.fraction === fraction) return
    if (said.total !== total) this.fleet.version += 1
    this.#said = { total, phase, fraction }
  }

  #follow(at: Millis): void {
    const { word } = this.fleet
    const { limit, release } = this.#state
    if (!this.fleet.joined || word === undefined) return
    if (word.epoch !== this.#under.epoch || word.version !== this.#under.version) {
      const { epoch, version } = word
      this.#under = { ...this.#under, epoch, version, since: at, samples: 0, factors: [], losses: 0 }
      if (word.total !== Infinity) limit.follow(word.total)
    }
    this.#round = word.round
    if (word.fraction !== this.#under.fraction) {
      this.#under = { ...this.#under, fraction: word.fraction, stepAt: at, fine: 0, late: 0 }
    }
    if (word.phase === 'shut') release.fail(at)
    else if (word.phase === 'ramping') release.follow(word.fraction, at)
    else if (release.phase === 'ramping') release.open()
  }

  #ownPlaces(): number {
    return placesOf(this.#state.limit.value, this.#members(), this.fleet.replica, this.#round)
  }

  #part(): number {
    return partsOf(this.#asked()).at(-1) ?? 1
  }

  /** Everybody, this replica last. */
  #members(): readonly Member[] {
    if (this.#everybody !== undefined) return this.#everybody
    const asked = this.#asked()
    const agents = agentsOf(asked.map(({ active }) => active))
    this.#everybody = asked.map(({ replica, demands }, index) => ({
      replica,
      demands,
      agents: agents[index]!,
    }))
    return this.#everybody
  }

  #asked(): Demand[] {
    const { demands, active } = this.#told
    return this.fleet.membersWith(
      demands.map((sixteenths) => sixteenths / 16),
      active,
    )
  }

  /** What it last said of itself: the others divide by that, and so must it. */
  #told: { readonly demands: readonly number[]; readonly active: readonly number[] } = {
    demands: [],
    active: [],
  }
  /** Until somebody says something new. */
  #everybody: readonly Member[] | undefined

  /** Calls at the upstream as they were lately, and those that wait now: a lull of a moment gives nothing away. */
  #feelDemand(now: Millis): void {
    const { inFlightBy, wanted } = this.#state
    const part = Math.min(1, Math.max(0, now - this.#demandAt) / LATELY_MS)
    this.#demandAt = now
    for (const rank of this.#demands.keys()) {
      this.#lately[rank]! += ((inFlightBy[rank] ?? 0) - this.#lately[rank]!) * part
      this.#demands[rank] = Math.max(wanted[rank] ?? 0, this.#lately[rank]!)
    }
  }
}

/** The highest class that is wanted; critical calls make the best probes, as they gain most by them. */
function topOf(demands: readonly number[]): number {
  const rank = demands.findIndex((demand) => demand >= 0.5)
  return rank === -1 ? demands.length : rank
}
