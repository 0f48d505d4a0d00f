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
import type { Millis } from '../model.ts'
import { DistinctWindow } from '../observe/distinct-window.ts'
import { Heaviest } from '../observe/heaviest.ts'
import { RETRY_BINS, RetryWindow } from '../observe/retry-window.ts'
import type { StormThresholds } from '../policy.ts'
import { RetryBaseline } from './retry-baseline.ts'
import { StormOnset } from './storm-onset.ts'

export type StormState = 'calm' | 'forming' | 'storm'

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

  /** Judges; to be called a few times a second while there is traffic. After a gap it judges what is left. */
  tick(now: Millis): StormState {
    const t = this.#thresholds
    const seen = this.reading(now)
    const judged = seen.rogueAgent === -1 ? seen : this.#withoutRogue(seen)
    const breadth = (share: number): boolean =>
      judged.retryingAgents >= Math.max(t.agents, share * judged.activeAgents)
    const dense =
      Math.max(judged.retryShare, judged.recentShare) >= Math.max(t.retryShare, 3 * this.#baseline.share)
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
    if (this.#state === 'calm') this.#baseline.learn(seen.retries, seen.retryShare, t.windowMs, now)
    else {
      this.#baseline.distrust(now)
      this.#onset.stormed(now)
    }
    return this.#state
  }

  reading(now: Millis): StormReading {
    const sums = this.#window.sums(now)
    const retryShare = sums.attempts === 0 ? 0 : Math.min(1, sums.retries / sums.attempts)
    // Failure odds of an attempt times the odds that a failure is tried again. One window for both: the gap
    // between a failure and its retry is short against 5 s, and at the start of a wave this errs low.
    const failing = sums.attempts === 0 ? 0 : Math.min(1, sums.failures / sums.attempts)
    const propagated = sums.failures === 0 ? 0 : Math.min(1, sums.retries / sums.failures)
    const wave = sums.retries > 0
    return {
      state: this.#state,
      retries: sums.retries,
      retryingAgents: this.#retrying.count(0, now),
      activeAgents: this.#active.count(0, now),
      retryShare,
      recentShare: sums.recentShare,
      z: this.#baseline.z(sums.retries, sums.attempts),
      synchrony: sums.dispersion,
      branching: Math.min(BRANCHING_MAX, failing * propagated),
      synchronised: this.#state !== 'calm' && sums.dispersion >= SYNCHRONISED_AT,
      rogueAgent: wave ? this.#rogue(sums.retries) : -1,
      firstRetryAt: wave ? this.#onset.at : 0,
    }
  }

  #rogue(retries: number): number {
    if (retries < ROGUE_RETRIES || this.#heaviest.leaderShare <= ROGUE_SHARE) return -1
    return this.#heaviest.leader
  }

  /** What is left when the agent that hammers is taken out, its own attempts included. */
  #withoutRogue(seen: StormReading): StormReading {
    const share = this.#heaviest.leaderShare
    const retries = seen.retries * (1 - share)
    const attempts = seen.retryShare === 0 ? 0 : seen.retries / seen.retryShare
    const left = Math.max(retries, attempts - seen.retries * share)
    return {
      ...seen,
      retries,
      retryingAgents: seen.retryingAgents - 1,
      retryShare: left === 0 ? 0 : retries / left,
      recentShare: 0,
      z: this.#baseline.z(retries, left),
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
