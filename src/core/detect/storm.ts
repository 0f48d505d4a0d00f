/**
 * Tells a retry storm, distinct agents that retry together, from an agent that hammers alone and from the
 * retries of an ordinary day. One detector per upstream.
 *
 * In a window of 5 s: `Rw` weighted retries, `D` distinct retrying agents, `N` agents active in 30 s,
 * `rho = Rw / attempts`; `mu`, `rho0` and the dispersion `d0` of `Rw` are learnt while calm.
 *
 *   z       = (Rw - mu) / sqrt(mu * max(1, d0) + 1)
 *   b       = retries begotten per attempt; attempts per logical call = 1 / (1 - b)
 *   forming : D >= max(agents, share/2 * N), z >= 0.52 z*, rho >= rho-star/5
 *   storm   : D >= max(agents, share * N), rho (of 5 s or of the newest 2 s) >= max(rho-star, 3 rho0),
 *             and z >= z* or b >= 0.8
 *   calm    : rho < 0.4 rho-star and z < 0.4 z* for `clearMs`
 *
 * An agent with more than 60 % of the retries is a loop: it is taken out before the storm is judged.
 * Constants: algorithms.md 3(3), except where a comment gives another reason.
 */
import type { StormEvidence, UpstreamSummary } from '../fleet.ts'
import { distinct, keepSmallest, union } from '../fleet/sketch.ts'
import type { Millis } from '../model.ts'
import { DistinctWindow } from '../observe/distinct-window.ts'
import { Heaviest } from '../observe/heaviest.ts'
import { RETRY_BINS, RetryWindow } from '../observe/retry-window.ts'
import type { StormThresholds } from '../policy.ts'
import { RetryBaseline } from './retry-baseline.ts'
import { StormOnset } from './storm-onset.ts'

export type StormState = 'calm' | 'forming' | 'storm'

/** The part of a summary that is about retries. */
export type StormTold = Pick<
  UpstreamSummary,
  | 'attempts'
  | 'retries'
  | 'failed'
  | 'recentAttempts'
  | 'recentRetries'
  | 'ordinary'
  | 'ordinaryShare'
  | 'heaviest'
  | 'heaviestRetries'
  | 'retrying'
  | 'active'
>

export interface StormReading {
  readonly state: StormState
  /** Weighted retries in the window. */
  readonly retries: number
  readonly retryingAgents: number
  readonly activeAgents: number
  /** Of the attempts, 0..1. */
  readonly retryShare: number
  /** Of the attempts of the newest 2 s. */
  readonly recentShare: number
  readonly z: number
  /** Variance over mean of retries per 100 ms: about 1 when callers act on their own. */
  readonly synchrony: number
  /** Retries begotten per attempt, 0..1; at 1 the storm feeds itself. */
  readonly branching: number
  readonly synchronised: boolean
  /** Slot of an agent that makes more than 60 % of the retries; -1 = none. */
  readonly rogueAgent: number
  /** When the current wave of retries began; 0 = no wave. */
  readonly firstRetryAt: Millis
}

/** Less sure inferences are counted by others, never acted on (algorithms.md 3(2)). */
const ACTED_ON_WEIGHT = 0.6
const ACTIVE_BUCKETS = 30
const ACTIVE_BUCKET_MS = 1000
const ROGUE_SHARE = 0.6
/** With fewer retries than this a share says nothing. */
const ROGUE_RETRIES = 4
const BRANCHING_STORM = 0.8
const BRANCHING_MAX = 0.99
const SYNCHRONISED_AT = 3
/** Three agents that retry once each show where a window has up to 0.15 retries on an ordinary day, and not above. */
const FORMING_Z = 0.52
const FORMING_RETRY_SHARE = 0.2
const CLEAR = 0.4
/** What was queued in sockets while the process slept arrives within this time. */
const BACKLOG_MS = 500

export class StormDetector {
  #thresholds: StormThresholds
  #window: RetryWindow
  #retrying: DistinctWindow
  readonly #active: DistinctWindow
  readonly #heaviest: Heaviest
  readonly #maxAgents: number
  readonly #baseline: RetryBaseline
  readonly #onset: StormOnset
  #state: StormState = 'calm'
  #quietSince: Millis
  #deafUntil: Millis = -Infinity
  #rogueShare = 0
  /** What other replicas see; undefined = there are none. */
  #others: StormEvidence | undefined
  /** Hash by agent slot, for sketches; undefined = nobody asks for them. */
  #hashes: Uint32Array | undefined

  /** @param maxAgents one past the highest agent slot; 16 bytes each */
  constructor(thresholds: StormThresholds, maxAgents: number, at: Millis) {
    this.#thresholds = thresholds
    this.#maxAgents = maxAgents
    this.#window = new RetryWindow(thresholds.windowMs)
    this.#retrying = this.#newRetrying(thresholds.windowMs)
    this.#active = new DistinctWindow({
      groups: 1,
      members: maxAgents,
      bucketMs: ACTIVE_BUCKET_MS,
      buckets: ACTIVE_BUCKETS,
    })
    this.#heaviest = new Heaviest(maxAgents, thresholds.windowMs)
    this.#baseline = new RetryBaseline(at)
    this.#onset = new StormOnset()
    this.#quietSince = at
  }

  get state(): StormState {
    return this.#state
  }

  get onset(): StormOnset {
    return this.#onset
  }

  /** A retry was seen here lately; cheap and now and then out of date. */
  get hasRetries(): boolean {
    return this.#window.hasRetries
  }

  get bytes(): number {
    return this.#retrying.bytes + this.#active.bytes + this.#heaviest.bytes
  }

  /** Takes other numbers. Another window length starts with an empty window; the baseline of counts starts anew. */
  adopt(thresholds: StormThresholds): void {
    if (thresholds.windowMs !== this.#thresholds.windowMs) {
      this.#window = new RetryWindow(thresholds.windowMs)
      this.#retrying = this.#newRetrying(thresholds.windowMs)
      this.#baseline.reset()
    }
    this.#thresholds = thresholds
  }

  attempt(agentSlot: number, at: Millis): void {
    if (at < this.#deafUntil) return
    this.#active.add(0, agentSlot, at)
    this.#window.attempt(at)
  }

  /** @param weight confidence that it is a retry, 0..1; 1 = proven by a header; below 0.6 it does not count */
  retry(agentSlot: number, weight: number, at: Millis): void {
    if (weight < ACTED_ON_WEIGHT || at < this.#deafUntil) return
    this.#window.retry(weight, at)
    this.#retrying.add(0, agentSlot, at)
    this.#heaviest.add(agentSlot, weight, at)
    this.#onset.retry(agentSlot, weight, this.#baseline.leakPerMs(this.#thresholds.windowMs), at)
  }

  failure(_wasRetry: boolean, at: Millis): void {
    if (at >= this.#deafUntil) this.#window.failure(at)
  }

  /**
   * The process lost time: a stop, a suspended machine, a long pause. What arrives next was queued in sockets
   * meanwhile and came at another instant than it seems; it is no evidence, and the window starts anew.
   */
  paused(at: Millis): void {
    this.#window.clear()
    this.#retrying.clear(0)
    this.#heaviest.clear()
    this.#deafUntil = at + BACKLOG_MS
  }

  /** The agent's slot gets another owner. */
  forget(agentSlot: number): void {
    this.#retrying.forget(0, agentSlot)
    this.#active.forget(0, agentSlot)
    this.#heaviest.forget(agentSlot)
    this.#onset.forget(agentSlot)
  }

  /** Whether this agent retried here since `since`, to the resolution of the window's bins. */
  retriedSince(agentSlot: number, since: Millis): boolean {
    return this.#retrying.latest(0, agentSlot) > since - this.#window.binMs
  }

  /** Retries that other replicas see, or none: judged together with those seen here. */
  hear(others: StormEvidence | undefined, hashes: Uint32Array): void {
    this.#others = others
    this.#hashes = hashes
  }

  /** What this replica alone sees, for the others; `hashes` by agent slot. */
  told(now: Millis, hashes: Uint32Array): StormTold {
    const sums = this.#window.sums(now)
    const { leader, leaderShare } = this.#heaviest
    const retrying = this.#sketchOf(this.#retrying, hashes, now)
    return {
      attempts: sums.attempts,
      retries: sums.retries,
      failed: sums.failures,
      recentAttempts: this.#window.recent.attempts,
      recentRetries: this.#window.recent.retries,
      ordinary: this.#baseline.mean,
      ordinaryShare: this.#baseline.share,
      heaviest: sums.retries > 0 && leader >= 0 ? (hashes[leader] ?? 0) : 0,
      heaviestRetries: sums.retries * leaderShare,
      retrying,
      active: this.#sketchOf(this.#active, hashes, now),
    }
  }

  /** Judges; to be called a few times a second while there is traffic. After a gap it judges what is left. */
  tick(now: Millis): StormState {
    const t = this.#thresholds
    const seen = this.reading(now)
    const judged = this.#rogueShare === 0 ? seen : this.#withoutRogue(seen)
    const breadth = (share: number): boolean =>
      judged.retryingAgents >= Math.max(t.agents, share * judged.activeAgents)
    const ordinary = Math.max(this.#baseline.share, this.#others?.ordinaryShare ?? 0)
    const dense = Math.max(judged.retryShare, judged.recentShare) >= Math.max(t.retryShare, 3 * ordinary)
    const quiet = judged.retryShare < CLEAR * t.retryShare && judged.z < CLEAR * t.z
    if (!quiet) this.#quietSince = now
    if (breadth(t.agentShare) && dense && (judged.z >= t.z || judged.branching >= BRANCHING_STORM))
      this.#state = 'storm'
    else if (
      this.#state === 'calm' &&
      breadth(t.agentShare / 2) &&
      judged.z >= FORMING_Z * t.z &&
      judged.retryShare >= FORMING_RETRY_SHARE * t.retryShare
    ) {
      this.#state = 'forming'
    } else if (this.#state !== 'calm' && now - this.#quietSince >= t.clearMs) this.#state = 'calm'
    if (this.#state === 'calm') {
      const own = this.#window.sums(now)
      this.#baseline.learn(own.retries, ratio(own.retries, own.attempts), t.windowMs, now)
    } else {
      this.#baseline.distrust(now)
      this.#onset.stormed(now)
    }
    return this.#state
  }

  /** With what other replicas see, where there are any. */
  reading(now: Millis): StormReading {
    const own = this.#window.sums(now)
    const others = this.#others
    const retries = own.retries + (others?.retries ?? 0)
    const attempts = own.attempts + (others?.attempts ?? 0)
    const failures = own.failures + (others?.failed ?? 0)
    // Failure odds of an attempt times the odds that a failure is tried again. One window for both: the gap
    // between a failure and its retry is short against 5 s, and at the start of a wave this errs low.
    const failing = ratio(failures, attempts)
    const propagated = ratio(retries, failures)
    const breadth = this.#breadth(now)
    this.#rogueShare = this.#findRogue(own.retries, retries)
    const isOwn = this.#rogueShare > 0 && this.#heaviest.leaderShare * own.retries >= ROGUE_SHARE * retries
    return {
      state: this.#state,
      retries,
      retryingAgents: breadth.retrying,
      activeAgents: breadth.active,
      retryShare: ratio(retries, attempts),
      recentShare: ratio(
        this.#window.recent.retries + (others?.recentRetries ?? 0),
        this.#window.recent.attempts + (others?.recentAttempts ?? 0),
      ),
      z: this.#baseline.z(retries, attempts, others?.ordinary),
      synchrony: own.dispersion,
      branching: Math.min(BRANCHING_MAX, failing * propagated),
      synchronised: this.#state !== 'calm' && own.dispersion >= SYNCHRONISED_AT,
      rogueAgent: isOwn ? this.#heaviest.leader : -1,
      firstRetryAt: own.retries > 0 ? this.#onset.at : 0,
    }
  }

  /** Distinct agents, here and elsewhere: one that calls through several replicas counts once. */
  #breadth(now: Millis): { retrying: number; active: number } {
    const retrying = this.#retrying.count(0, now)
    const active = this.#active.count(0, now)
    const others = this.#others
    const hashes = this.#hashes
    if (others === undefined || hashes === undefined) return { retrying, active }
    if (others.retrying.length === 0) return { retrying, active: active + distinct(others.active) }
    return {
      retrying: distinct(union([this.#sketchOf(this.#retrying, hashes, now), others.retrying])),
      active: distinct(union([this.#sketchOf(this.#active, hashes, now), others.active])),
    }
  }

  #sketchOf(window: DistinctWindow, hashes: Uint32Array, now: Millis): number[] {
    const sketch: number[] = []
    if (window.count(0, now) > 0) window.each(0, now, (slot) => keepSmallest(sketch, hashes[slot] ?? 0))
    return sketch
  }

  /** Share of an agent that makes more than 60 % of all retries; 0 = there is none. */
  #findRogue(ownRetries: number, retries: number): number {
    if (retries < ROGUE_RETRIES) return 0
    const { leader, leaderShare } = this.#heaviest
    const own = ownRetries > 0 ? leaderShare * ownRetries : 0
    const ownHash = this.#hashes?.[leader] ?? 0
    let most = own
    for (const [hash, weight] of this.#others?.heaviest ?? []) {
      most = Math.max(most, hash === ownHash ? weight + own : weight)
    }
    const share = this.#others === undefined ? (own > 0 ? leaderShare : 0) : most / retries
    return share > ROGUE_SHARE ? Math.min(1, share) : 0
  }

  /** What is left when the agent that hammers is taken out, its own attempts included. */
  #withoutRogue(seen: StormReading): StormReading {
    const share = this.#rogueShare
    const retries = seen.retries * (1 - share)
    const attempts = seen.retryShare === 0 ? 0 : seen.retries / seen.retryShare
    const left = Math.max(retries, attempts - seen.retries * share)
    return {
      ...seen,
      retries,
      retryingAgents: seen.retryingAgents - 1,
      retryShare: left === 0 ? 0 : retries / left,
      recentShare: 0,
      z: this.#baseline.z(retries, left, this.#others?.ordinary),
      branching: 0,
    }
  }

  #newRetrying(windowMs: Millis): DistinctWindow {
    return new DistinctWindow({
      groups: 1,
      members: this.#maxAgents,
      bucketMs: windowMs / RETRY_BINS,
      buckets: RETRY_BINS,
    })
  }
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(1, part / whole)
}
