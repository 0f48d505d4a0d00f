/**
 * Drift of one upstream, both ways, before it errs. Each call's latency becomes its normal score among healthy
 * calls of the same stratum (route x request size x streaming); the scores of a second are summed over all strata
 * and fed to CUSUMs (shift-channel.ts). Open calls are scored as soon as they are overdue, so that a hung upstream
 * is seen before anything settles. Beside it stand the gaps between chunks of streams, the errors (errors.ts) and
 * creep against a pinned anchor (creep.ts).
 *
 * A new normal: what stays slow or fast for REBASE_MS, steadily and without errors, is accepted: the reference
 * starts over and the anchor stays, so that 1.5 times the old level reads `watch` until the anchor is pinned anew
 * (once a day, or by `accept`). What is in `watch` for as long is learned as health is. No upstream is punished
 * for ever for being slower than it once was; what passed for healthy within a day (level-range.ts), or is this
 * upstream's own restlessness (healthy-noise.ts), is no news.
 *
 * Memory: at most 64 strata (strata.ts) plus 15 KB. Nothing is allocated per sample.
 */
import type { Millis } from '../model.ts'
import type { DriftThresholds } from '../policy.ts'
import type { Quantiles } from '../reading.ts'
import { CallScores, STEP_MS } from './call-scores.ts'
import { leftAnchor, LevelTrail, rises } from './creep.ts'
import { ErrorCusum } from './errors.ts'
import { Latch } from './latch.ts'
import { LeadTime } from './lead-time.ts'
import { LevelRange } from './level-range.ts'

export type DriftState = 'healthy' | 'watch' | 'slow' | 'fast'

export interface DriftReading {
  readonly state: DriftState
  /** Evidence, 0 to twice its alarm in the policy (which slow and fast join with the effect asked for). */
  readonly slow: number
  readonly fast: number
  readonly errors: number
  /** Median over the healthy median of the same stratum, last 30 s; 1 = as in health or not known. */
  readonly slowdown: number
  readonly errorShare: number
  /** Estimated ms until the upstream fails; Infinity = no trend. */
  readonly etaMs: Millis
  readonly latency: Quantiles
  readonly baseline: Quantiles
  readonly creeping: boolean
  readonly warm: boolean
}

/** Counts and sums of calls, as replicas tell them. */
interface Seen {
  readonly scored: number
  readonly scores: number
  readonly effects: number
  readonly outcomes: number
  readonly failures: number
}

const LEAST_TICK_MS = 500
const MINUTE_MS = 60_000
const DAY_MS = 24 * 3_600_000
/** Evidence without a call for so long is history. */
const IDLE_MS = 5 * 60_000
const REBASE_MS = 30 * 60_000
const REBASE_SPREAD = 1.4
const LEAST_REBASE_CALLS = 100
const LEAST_PER_STEP = 3
const LEAST_PER_LEVEL = 5
/** Shares of the errors' alarm: it ends below the first, watch begins at the second. */
const CALM = 0.2
const WATCH = 0.5
const LEAST_CALM_CALLS = 20

export class DriftDetector {
  #thresholds: DriftThresholds
  readonly #scores: CallScores
  readonly #errors: ErrorCusum
  readonly #lead = new LeadTime(STEP_MS)
  readonly #minutes = new LevelTrail()
  readonly #range = new LevelRange()
  readonly #slow = new Latch()
  readonly #fast = new Latch()
  readonly #failing = new Latch()
  #state: DriftState = 'healthy'
  #creeping = false
  #rising = false
  #stepAt: Millis
  #minuteAt: Millis
  #anchorAt: Millis
  #minuteHealthy = true
  #minuteWatched = false
  /** End of the last minute that was healthy all through. */
  #wellAt: Millis

  constructor(thresholds: DriftThresholds, at: Millis) {
    this.#thresholds = thresholds
    this.#scores = new CallScores(thresholds, at)
    this.#errors = new ErrorCusum(thresholds.errorAlarm)
    this.#stepAt = this.#minuteAt = this.#anchorAt = this.#wellAt = at
  }

  /** Other thresholds; what was learned stays, the anchor too: a reload says nothing about the upstream. */
  adopt(thresholds: DriftThresholds): void {
    this.#thresholds = thresholds
    this.#scores.adopt(thresholds)
    this.#errors.adopt(thresholds.errorAlarm)
  }

  /**
   * The class of calls that a call belongs to, 0..63. `route` is a dense index; `bytes` of the request, negative =
   * unknown. Ask `streamed` once the head says so, and sample with its answer.
   */
  stratum(route: number, bytes: number, streaming = false): number {
    return this.#scores.stratum(route, bytes, streaming)
  }

  /** The class of an open call whose head says that it streams. `prepaid`: it was given to `prepay` before. */
  streamed(stratum: number, prepaid: boolean): number {
    return this.#scores.streamed(stratum, prepaid)
  }

  /** A successful call's latency (streams: time to first byte). `prepaid`: the call was given to `prepay` before. */
  sample(stratum: number, ms: Millis, at: Millis, prepaid: boolean): void {
    this.#scores.sample(stratum, ms, at, prepaid)
  }

  /**
   * Whether a call open for `elapsedMs` is late by the healthy reference of its stratum. Says yes again and again:
   * keep a flag, and `prepay` once.
   */
  overdue(stratum: number, elapsedMs: Millis): boolean {
    return this.#scores.overdue(stratum, elapsedMs)
  }

  /** How long a call may be open until it is overdue; Infinity = nobody knows. */
  overdueAfter(stratum: number): Millis {
    return this.#scores.overdueAfter(stratum)
  }

  /** Scores an open call that is overdue, once. */
  prepay(stratum: number): void {
    this.#scores.prepay(stratum)
  }

  /** Whether a stream has been silent for so long that `gap` is told before its next chunk comes. */
  silent(stratum: number, ms: Millis): boolean {
    return this.#scores.silent(stratum, ms)
  }

  /** Silence between two chunks of a stream, or so far if it lasts (then once per silence). */
  gap(stratum: number, ms: Millis, at: Millis): void {
    this.#scores.gap(stratum, ms, at)
  }

  /** 0 = success, 1 = failure (5xx, 408, 429, connect error, timeout), 0.5 = the client left before the answer. */
  outcome(failureWeight: number, at: Millis): void {
    this.#scores.hear(at)
    this.#errors.record(failureWeight, at)
  }

  /** What this replica alone has seen since start, and how much it has learned of the upstream in health. */
  get told(): Seen & { learned: number } {
    const { first, reference } = this.#scores
    return { ...first.told, ...this.#errors.told, learned: Math.round(reference.samples) }
  }

  /**
   * Others have learned so much of the upstream, in samples: with `replicas` of them, this one included, each needs that
   * much less of its own to know it, since each judges the scores of all.
   */
  back(learned: number, replicas: number): void {
    this.#scores.reference.back(learned, replicas)
  }

  /** What other replicas have seen since the last time. */
  hear(news: Seen, at: Millis): void {
    if (news.scored > 0) this.#scores.hear(at)
    this.#scores.first.hear(news.scored, news.scores, news.effects)
    if (news.outcomes > 0) this.#errors.hear(news.outcomes, Math.min(news.failures, news.outcomes), at)
  }

  /**
   * Judges what came since the last tick. Call it about once a second as long as calls are open or the state is
   * not `healthy`; more often does nothing, more than 2.5 s late is taken for a stall of this process, and what was
   * open across it is not judged. `healthy`: nothing but this detector's own `watch` stands against the upstream.
   */
  tick(now: Millis, healthy: boolean): DriftState {
    if (now - this.#scores.now < LEAST_TICK_MS) return this.#state
    const learning = healthy && this.#state !== 'slow' && this.#state !== 'fast'
    const alarmed = !learning && !this.#failing.on && (this.#slow.on || this.#fast.on)
    this.#scores.tick(now, learning, alarmed)
    if (now - this.#scores.heardAt > IDLE_MS) this.#rest()
    this.#latchAll(now)
    this.#minuteHealthy &&= learning
    if (!this.#scores.reference.known) this.#warmUp(now, learning)
    if (now - this.#stepAt >= STEP_MS) this.#step(now)
    if (now - this.#minuteAt >= MINUTE_MS) this.#minute(now)
    this.#state = this.#judge()
    return this.#state
  }

  /** An operator's word that the upstream is as it should be: forget the reference, pin a new anchor when warm. */
  accept(at: Millis): void {
    this.#errors.accept(true)
    this.#restart(at)
    this.#scores.forgetAnchor()
    this.#range.clear()
    this.#creeping = false
    this.#state = 'healthy'
  }

  /** Quantile of healthy latency in ms, of the whole upstream or of a stratum; 0 = not warm. */
  healthyQ(p: number, stratum?: number): Millis {
    return stratum === undefined ? this.#scores.reference.quantile(p) : this.#scores.healthyQ(p, stratum)
  }

  reading(now: Millis): DriftReading {
    const { first, gaps, factors, reference } = this.#scores
    const { slowAlarm, fastAlarm } = this.#thresholds
    const typical = factors.total(now) >= LEAST_PER_STEP ? factors.quantile(0.5, now) : 1
    return {
      state: this.#state,
      slow: Math.max(first.slow, gaps.slow) * slowAlarm,
      fast: first.fast * fastAlarm,
      errors: this.#errors.sum,
      slowdown: this.#slow.on ? Math.max(typical, first.slowdown) : typical,
      errorShare: this.#errors.share(now),
      etaMs: this.#failing.on ? 0 : this.#lead.etaMs(),
      latency: this.#scores.latency(now),
      baseline: reference.quantiles(),
      creeping: this.#creeping,
      warm: reference.known,
    }
  }

  #latchAll(now: Millis): void {
    const { clearMs } = this.#thresholds
    const { first, gaps } = this.#scores
    const slow = (first.slowAlarming && this.#unheardOf(first.slowEffect)) || gaps.slowAlarming
    const fast = first.fastAlarming && this.#unheardOf(-first.fastEffect)
    const began = this.#slow.update(slow, first.slowCalm && gaps.slowCalm, now, clearMs)
    const turned = this.#fast.update(fast, first.fastCalm, now, clearMs)
    if (began || turned) this.#minutes.clear()
    const alarm = this.#thresholds.errorAlarm
    const failing = this.#errors.sum >= alarm
    if (this.#failing.update(failing, this.#errorsCalm(now), now, clearMs)) {
      this.#errors.discard()
      if (!this.#failing.on) this.#errors.rest()
    }
  }

  /** Whether a shift of the healthy median by `effect` (log2) leaves what passed for healthy within a day. */
  #unheardOf(effect: number): boolean {
    const { slowEffect, fastEffect } = this.#thresholds
    const level = this.#scores.reference.level + effect * Math.LN2
    return effect > 0
      ? level >= this.#range.high + Math.log(slowEffect)
      : level <= this.#range.low + Math.log(fastEffect)
  }

  /** The test's own way down takes hundreds of successes; twenty without more than the usual share will do. */
  #errorsCalm(now: Millis): boolean {
    if (this.#errors.sum < CALM * this.#thresholds.errorAlarm) return true
    return this.#errors.calls(now) >= LEAST_CALM_CALLS && this.#errors.share(now) <= 2 * this.#errors.usual
  }

  #judge(): DriftState {
    if (this.#slow.on || this.#failing.on) return 'slow'
    if (this.#fast.on) return 'fast'
    const failingSoon = this.#errors.sum >= WATCH * this.#thresholds.errorAlarm
    const watch = this.#scores.first.watching || this.#scores.gaps.watching || failingSoon
    if (watch) this.#minuteWatched = true
    return watch || this.#creeping ? 'watch' : 'healthy'
  }

  /** What is seen in trouble is forgotten at once: who comes to know the upstream just after it must not take it for health. */
  #warmUp(now: Millis, learning: boolean): void {
    const { warmUpSamples, warmUpMs } = this.#thresholds
    const { samples, coldFrom, reference } = this.#scores
    if (!learning || this.#failing.on) return reference.discard()
    if (samples * reference.backing < warmUpSamples || now - coldFrom < warmUpMs) return
    reference.absorb()
  }

  #step(now: Millis): void {
    this.#stepAt = now
    if (this.#scores.factors.lastTotal(now) >= LEAST_PER_STEP)
      this.#lead.push(this.#scores.factors.lastMedian(now))
    else this.#lead.clear()
  }

  #minute(now: Millis): void {
    this.#minuteAt = now
    if (this.#scores.factors.total(now) >= LEAST_PER_LEVEL) {
      const level = Math.log(this.#scores.factors.quantile(0.5, now)) + this.#scores.reference.level
      this.#minutes.push(level)
      if (this.#minuteHealthy) this.#range.push(level, now)
    }
    this.#rising = rises(this.#minutes)
    if (!this.#minuteWatched) this.#wellAt = now
    const bearable = !this.#minuteWatched || now - this.#wellAt >= REBASE_MS
    if (this.#minuteHealthy && bearable && !this.#rising) {
      this.#scores.absorb()
      this.#errors.absorb()
    } else {
      this.#scores.discard()
      if (!this.#failing.on) this.#errors.discard()
    }
    this.#creeping = this.#rising || leftAnchor(Math.exp(this.#scores.reference.level))
    this.#minuteHealthy = true
    this.#minuteWatched = false
    this.#settle(now)
    if (now - this.#anchorAt >= DAY_MS && this.#state !== 'slow' && this.#state !== 'fast') {
      this.#anchorAt = now
      this.#range.shift(-this.#scores.reference.level)
      this.#scores.pinAnchor()
    }
  }

  /** Accepts as the new normal what lasted, steadily. */
  #settle(now: Millis): void {
    if (this.#failing.on) {
      if (now - this.#failing.since < REBASE_MS || this.#errors.pending < LEAST_REBASE_CALLS) return
      if (this.#errors.accept()) this.#failing.reset()
      else {
        this.#errors.discard()
        this.#failing.renew(now)
      }
      return
    }
    if (!this.#slow.on && !this.#fast.on) return
    const since = Math.max(this.#slow.on ? this.#slow.since : 0, this.#fast.on ? this.#fast.since : 0)
    if (now - since < REBASE_MS || !this.#minutes.full) return
    if (this.#minutes.spread() <= REBASE_SPREAD) this.#restart(now)
  }

  #restart(now: Millis): void {
    this.#scores.restart(now)
    this.#errors.rest()
    this.#slow.reset()
    this.#fast.reset()
    this.#failing.reset()
    this.#minutes.clear()
    this.#lead.clear()
  }

  #rest(): void {
    this.#scores.rest()
    this.#errors.rest()
  }
}
