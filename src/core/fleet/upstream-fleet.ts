/**
 * What one replica knows of the others at one upstream, merged: sums of what they see, aged by arrival; who leads; and
 * what is new since the last time, which the detectors take in as if it had been seen here.
 */
import { CONDITIONS, type Condition, type Millis } from '../model.ts'
import { isUnwell } from '../detect/condition.ts'
import {
  FRESH_MS,
  GONE_MS,
  PHASES,
  unpackFactor,
  weightOf,
  type FleetView,
  type Peer,
  type StormEvidence,
  type UpstreamSummary,
} from '../fleet.ts'
import { union } from './sketch.ts'

/**
 * alone: no other replica was ever known, or all have left. joined: the board answers, and others are there. cut: it
 * does not answer; what was known is used with care.
 */
export type Standing = 'alone' | 'joined' | 'cut'

/** What came since the last look. */
export interface News {
  scored: number
  scores: number
  effects: number
  outcomes: number
  failures: number
  /** Answers to calls that were sent under the steward's present word, over the healthy median. */
  readonly factors: number[]
  losses: number
  aborts: number
  /** Good and late answers under the ramp as it stands, or one step below. */
  fine: number
  late: number
}

/** What a limit is divided by. */
export interface Demand {
  readonly replica: string
  /** Calls that it would have in flight if it could, by class, the highest first. */
  readonly demands: readonly number[]
  /** Sketch of the agents that call through it. */
  readonly active: readonly number[]
}

/** The steward's word that is in force. */
export interface Word {
  readonly epoch: number
  readonly version: number
  readonly total: number
  readonly phase: (typeof PHASES)[number]
  readonly fraction: number
  readonly round: number
}

/** A step of a ramp is over before its word has come back: answers to the step below open the next one. */
const STEP_BEHIND = 1.6

/** "At least two replicas, or one with 30 % of the traffic" (algorithms.md 3(8)). */
const FLOOR_REPLICAS = 2
const FLOOR_TRAFFIC = 0.3

export class UpstreamFleet {
  standing: Standing = 'alone'
  /** Replicas that are there, this one included. */
  replicas = 1
  /** Place of this replica among them, by name. */
  index = 0
  isSteward = false
  steward = ''
  epoch = 0
  word: Word | undefined
  /** When the board stopped answering. */
  cutAt: Millis = -Infinity
  inFlight = 0
  held = 0
  critical = 0
  overdue = 0
  rate = 0
  healthyRate = 0
  /** Samples that the others have learned of the upstream in health. */
  learned = 0
  failuresInRow = 0
  /** Nobody who sends calls there has had a good answer lately. */
  allFailing = false
  /** The condition that enough others conclude by themselves; undefined = not enough of them. */
  floor: Condition | undefined
  storm: StormEvidence | undefined
  /** Everybody among whom a limit is divided, the recently gone included: their calls may still be there. */
  members: Demand[] = []
  /** What the others allow themselves, together; -1 = some of them allow any number. */
  allowances = 0
  replica = ''
  readonly #before = new Map<string, Peer>()

  get joined(): boolean {
    return this.standing === 'joined'
  }

  /** Takes in what the board said. `ownRate` weighs the traffic of this replica against that of the others. */
  learn(view: FleetView, ownRate: number): News {
    this.replica = view.replica
    const live = view.peers.filter((peer) => view.at - peer.arrivedAt < GONE_MS)
    this.#stand(view, live.length)
    const news: News = {
      scored: 0,
      scores: 0,
      effects: 0,
      outcomes: 0,
      failures: 0,
      factors: [],
      losses: 0,
      aborts: 0,
      fine: 0,
      late: 0,
    }
    if (!view.linked) return news
    this.#lead(view)
    for (const peer of live) this.#hear(peer, news)
    for (const name of this.#before.keys()) {
      if (!live.some((peer) => peer.replica === name)) this.#before.delete(name)
    }
    this.#sum(live, view.at, ownRate)
    this.members = view.peers.map(({ replica, summary }) => ({
      replica,
      demands: summary.demands.map((sixteenths) => sixteenths / 16),
      active: summary.active,
    }))
    return news
  }

  /** All members, this replica with what it says of itself. */
  membersWith(demands: readonly number[], active: readonly number[]): Demand[] {
    return [...this.members, { replica: this.replica, demands, active }]
  }

  /** Evidence fades between two looks at the board, too. */
  age(now: Millis): void {
    if (this.standing === 'cut' && now - this.cutAt >= GONE_MS) this.#forget()
  }

  #stand(view: FleetView, others: number): void {
    if (!view.linked) {
      if (this.standing === 'joined') {
        this.standing = 'cut'
        this.cutAt = view.at
      }
      this.isSteward = false
      return
    }
    if (others === 0) {
      this.standing = 'alone'
      this.#forget()
      this.replicas = 1
      this.index = 0
      this.word = undefined
      return
    }
    this.standing = 'joined'
    this.replicas = others + 1
    this.index = view.peers.filter(
      ({ replica, arrivedAt }) => view.at - arrivedAt < GONE_MS && replica < view.replica,
    ).length
  }

  #lead(view: FleetView): void {
    // An epoch that is past is a steward who does not know yet that it was replaced.
    if (view.epoch < this.epoch) return
    this.epoch = view.epoch
    this.steward = view.steward
    this.isSteward = view.steward === view.replica
    if (this.isSteward || view.steward === '') {
      this.word = undefined
      return
    }
    const said = view.peers.find((peer) => peer.replica === view.steward)?.summary
    if (said === undefined || said.epoch !== view.epoch) return
    const { epoch, version, total, fraction, round } = said
    this.word = {
      epoch,
      version,
      total: total < 0 ? Infinity : total,
      phase: PHASES[said.phase] ?? 'open',
      fraction,
      round,
    }
  }

  #hear(peer: Peer, news: News): void {
    const before = this.#before.get(peer.replica)
    if (before?.arrivedAt === peer.arrivedAt) return
    this.#before.set(peer.replica, peer)
    // What piled up while it was not heard is history.
    if (before === undefined || peer.arrivedAt - before.arrivedAt > GONE_MS) return
    const now = peer.summary
    const then = before.summary
    news.scored += Math.max(0, now.scored - then.scored)
    news.scores += now.scores - then.scores
    news.effects += now.effects - then.effects
    news.outcomes += Math.max(0, now.outcomes - then.outcomes)
    news.failures += Math.max(0, now.failures - then.failures)
    news.aborts += Math.max(0, now.aborts - then.aborts)
    this.#hearUnderWord(now, then, news)
  }

  #hearUnderWord(now: UpstreamSummary, then: UpstreamSummary, news: News): void {
    if (!this.isSteward || now.heardEpoch !== this.epoch) return
    const sameStep = then.heardEpoch === now.heardEpoch && then.heardFraction === now.heardFraction
    if (now.heardFraction > 0 && now.heardFraction >= this.fraction / STEP_BEHIND) {
      news.fine += Math.max(0, now.fine - (sameStep ? then.fine : 0))
      news.late += Math.max(0, now.late - (sameStep ? then.late : 0))
    }
    if (now.heardVersion !== this.version) return
    const same = then.heardEpoch === now.heardEpoch && then.heardVersion === now.heardVersion
    const fresh = now.samples - (same ? then.samples : 0)
    for (const packed of now.factors.slice(-Math.max(0, fresh)).slice(0, Math.max(0, fresh))) {
      news.factors.push(unpackFactor(packed))
    }
    news.losses += Math.max(0, now.losses - (same ? then.losses : 0))
  }

  /** Version and ramp of the own word, while this replica is the steward. */
  version = 0
  fraction = -1

  #sum(live: readonly Peer[], at: Millis, ownRate: number): void {
    this.#forget()
    const heaviest = new Map<number, number>()
    const storm = {
      attempts: 0,
      retries: 0,
      failed: 0,
      recentAttempts: 0,
      recentRetries: 0,
      ordinary: 0,
      ordinaryShare: 0,
    }
    let traffic = ownRate
    let allFailing = true
    for (const { summary, arrivedAt } of live) {
      const weight = weightOf(at - arrivedAt)
      this.inFlight += summary.inFlight * weight
      this.held += summary.held * weight
      this.critical += summary.critical * weight
      this.overdue += summary.overdue * weight
      this.rate += summary.rate * weight
      this.healthyRate += summary.healthyRate * weight
      this.learned += summary.learned
      this.failuresInRow += summary.failuresInRow * weight
      if (summary.attempts > 0 && summary.failuresInRow === 0) allFailing = false
      if (summary.allowance < 0 || this.allowances < 0) this.allowances = -1
      else this.allowances += summary.allowance
      storm.attempts += summary.attempts * weight
      storm.retries += summary.retries * weight
      storm.failed += summary.failed * weight
      storm.recentAttempts += summary.recentAttempts * weight
      storm.recentRetries += summary.recentRetries * weight
      storm.ordinary += summary.ordinary * weight
      storm.ordinaryShare = Math.max(storm.ordinaryShare, summary.ordinaryShare)
      if (summary.heaviest !== 0) {
        const known = heaviest.get(summary.heaviest) ?? 0
        heaviest.set(summary.heaviest, known + summary.heaviestRetries * weight)
      }
      traffic += summary.rate
    }
    this.allFailing = allFailing
    const heard = live.filter(({ arrivedAt }) => at - arrivedAt <= 2 * FRESH_MS).map(({ summary }) => summary)
    this.storm = {
      ...storm,
      heaviest,
      retrying: union(heard.map(({ retrying }) => retrying)),
      active: union(heard.map(({ active }) => active)),
    }
    this.floor = floorOf(heard, traffic)
  }

  #forget(): void {
    this.inFlight = 0
    this.held = 0
    this.critical = 0
    this.overdue = 0
    this.rate = 0
    this.healthyRate = 0
    this.learned = 0
    this.failuresInRow = 0
    this.allFailing = false
    this.allowances = 0
    this.floor = undefined
    this.storm = undefined
  }
}

/** The mildest of what those conclude who are enough to be believed: they agree on at least this. */
function floorOf(heard: readonly UpstreamSummary[], traffic: number): Condition | undefined {
  const unwell = heard.filter(({ condition }) => isUnwell(CONDITIONS[condition] ?? 'healthy'))
  const share = unwell.reduce((sum, { rate }) => sum + rate, 0) / Math.max(traffic, 1e-9)
  if (unwell.length < FLOOR_REPLICAS && !(unwell.length > 0 && share >= FLOOR_TRAFFIC)) return undefined
  return CONDITIONS[Math.min(...unwell.map(({ condition }) => condition))]
}
