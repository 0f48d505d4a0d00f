/**
 * The calls of one upstream turned into normal scores: each latency by the healthy reference of its stratum, each
 * open call once it is overdue, each silence between chunks by its own reference. Times that span a stall of this
 * process are left out.
 */
import type { Millis } from '../model.ts'
import type { DriftThresholds } from '../policy.ts'
import type { Quantiles } from '../reading.ts'
import type { Baseline } from '../observe/baseline.ts'
import { HealthyReference } from '../observe/healthy-reference.ts'
import { latencyBucket } from '../observe/latency-histogram.ts'
import { LatencyWindow } from '../observe/latency-window.ts'
import { Strata } from '../observe/strata.ts'
import { ShiftChannel } from './shift-channel.ts'

/** Mean normal score of the slowest tenth: what a call is worth that is still open past the healthy q90. */
const PREPAID = 1.75
/** Overdue is also a matter of size: this many times the healthy median at least. */
const LEAST_OVERDUE = 1.5
/** A silence that lasts is one once it is this many times the healthy q99, and no shorter than a beat. */
const SILENT = 2
const LEAST_SILENCE_MS = 1_000
/** A tick later than this: the process stood still, and every call open at that time looks slow. */
const STALL_MS = 2_500
export const STEP_MS = 5_000

export class CallScores {
  readonly first: ShiftChannel
  readonly gaps: ShiftChannel
  /** Factors over the healthy median, in the buckets of times: 1 "ms" = as in health. */
  readonly factors = new LatencyWindow(STEP_MS)
  readonly reference = new HealthyReference((visit) => this.#strata.each(visit))
  readonly #gapReference = new HealthyReference((visit) => this.#strata.eachGap(visit))
  readonly #strata = new Strata()
  readonly #latency = new LatencyWindow(STEP_MS)
  #coldSamples = 0
  #coldFrom: Millis
  #now: Millis
  #heardAt: Millis
  #stallUntil = Number.NEGATIVE_INFINITY

  constructor(thresholds: DriftThresholds, at: Millis) {
    this.first = new ShiftChannel(thresholds)
    this.gaps = new ShiftChannel(thresholds)
    this.#now = this.#heardAt = this.#coldFrom = at
  }

  adopt(thresholds: DriftThresholds): void {
    this.first.adopt(thresholds)
    this.gaps.adopt(thresholds)
  }

  /** The last tick. */
  get now(): Millis {
    return this.#now
  }

  /** The last call heard of. */
  get heardAt(): Millis {
    return this.#heardAt
  }

  get samples(): number {
    return this.#coldSamples
  }

  /** Since when `samples` are counted. */
  get coldFrom(): Millis {
    return this.#coldFrom
  }

  stratum(route: number, bytes: number, streaming: boolean): number {
    return this.#strata.find(route, bytes, streaming, this.#now)
  }

  /** The class of an open call whose head says that it streams; what it was given to `prepay` moves along. */
  streamed(stratum: number, prepaid: boolean): number {
    const streaming = this.#strata.streaming(stratum, this.#now)
    if (prepaid && streaming !== stratum) {
      const before = this.#known(stratum)
      const after = this.#known(streaming)
      this.first.correct(owed(after) - owed(before), owedEffect(after) - owedEffect(before))
    }
    return streaming
  }

  /** A successful call's latency (streams: time to first byte). `prepaid`: the call was given to `prepay` before. */
  sample(stratum: number, ms: Millis, at: Millis, prepaid: boolean): void {
    if (this.#stalled(ms, at)) return
    this.#heardAt = at
    this.#strata.touch(stratum, at)
    this.#latency.record(ms, at)
    const judge = this.#known(stratum)
    const baseline = this.#strata.baseline(stratum)
    const bucket = latencyBucket(ms)
    baseline.record(bucket)
    this.#coldSamples++
    if (baseline.total === 0) {
      if (prepaid) this.first.correct(-owed(judge), -owedEffect(judge))
      return
    }
    this.factors.record(ms / baseline.q50, at)
    const effect = baseline.effect(bucket)
    if (prepaid) {
      this.first.correct(baseline.score(bucket) - owed(baseline), effect - owedEffect(baseline))
    } else {
      this.first.add(baseline.score(bucket), effect)
    }
  }

  /**
   * Whether a call open for `elapsedMs` is late by the healthy reference of its stratum (or, while nobody knows
   * whether it streams, of its streaming counterpart). Says yes again and again: keep a flag, and `prepay` once.
   */
  overdue(stratum: number, elapsedMs: Millis): boolean {
    return this.#now - elapsedMs >= this.#stallUntil && elapsedMs > this.overdueAfter(stratum)
  }

  /** How long a call may be open until it is overdue; Infinity = nobody knows. */
  overdueAfter(stratum: number): Millis {
    const baseline = this.#known(stratum)
    return baseline.total > 0 ? overdueMs(baseline) : Infinity
  }

  /** Scores an open call that is overdue, once. */
  prepay(stratum: number): void {
    const baseline = this.#known(stratum)
    if (baseline.total === 0) return
    this.#heardAt = this.#now
    this.first.add(owed(baseline), owedEffect(baseline))
  }

  /** Whether a stream has been silent for so long that this is told before its next chunk comes. */
  silent(stratum: number, ms: Millis): boolean {
    if (ms < LEAST_SILENCE_MS) return false
    const baseline = this.#strata.gapBaseline(stratum)
    return baseline.total > 0 && ms > SILENT * baseline.quantile(0.99)
  }

  /** Silence between two chunks of a stream, or so far if it lasts (then once per silence). */
  gap(stratum: number, ms: Millis, at: Millis): void {
    if (this.#stalled(ms, at)) return
    this.#heardAt = at
    const baseline = this.#strata.gapBaseline(stratum)
    const bucket = latencyBucket(ms)
    baseline.record(bucket)
    if (baseline.total > 0) this.gaps.add(baseline.score(bucket), baseline.effect(bucket))
  }

  hear(at: Millis): void {
    this.#heardAt = at
  }

  /** Feeds the channels. `learning`, `alarmed`: what the noise may be learned from. */
  tick(now: Millis, learning: boolean, alarmed: boolean): void {
    if (now - this.#now > STALL_MS) {
      this.#stallUntil = now
      this.first.skip()
      this.gaps.skip()
    }
    this.#now = now
    this.first.tick(now, learning, alarmed)
    this.gaps.tick(now, learning, alarmed)
  }

  /** Learns a healthy minute. The first latencies are learned by who decides what is warm: `reference.absorb`. */
  absorb(): void {
    if (this.reference.known) this.reference.absorb()
    this.#gapReference.absorb()
  }

  discard(): void {
    this.reference.discard()
    this.#gapReference.discard()
  }

  pinAnchor(): void {
    this.reference.pinAnchor()
    this.#gapReference.pinAnchor()
  }

  forgetAnchor(): void {
    this.reference.forgetAnchor()
    this.#gapReference.forgetAnchor()
  }

  /** Drops the evidence. */
  rest(): void {
    this.first.rest()
    this.gaps.rest()
  }

  /** Starts cold, but for the anchor. */
  restart(at: Millis): void {
    this.rest()
    this.reference.restart()
    this.#gapReference.restart()
    this.factors.clear()
    this.#coldFrom = at
    this.#coldSamples = 0
  }

  healthyQ(p: number, stratum: number): Millis {
    return this.#known(stratum).quantile(p)
  }

  /** Of the last half minute. */
  latency(now: Millis): Quantiles {
    return {
      p50: this.#latency.quantile(0.5, now),
      p90: this.#latency.quantile(0.9, now),
      p99: this.#latency.quantile(0.99, now),
    }
  }

  /** Whether a time of `ms` that ended at `at` spans a stall of this process: it says nothing about the upstream. */
  #stalled(ms: Millis, at: Millis): boolean {
    if (at - this.#now > STALL_MS && at > this.#stallUntil) this.#stallUntil = at
    return at - ms < this.#stallUntil
  }

  /** Before any whole answer was ever seen, a call of this class is judged by its streaming counterpart. */
  #known(stratum: number): Baseline {
    const own = this.#strata.baseline(stratum)
    return own.seen ? own : this.#strata.baseline(this.#strata.sibling(stratum))
  }
}

function overdueMs(baseline: Baseline): Millis {
  return Math.max(baseline.q90, baseline.q50 * LEAST_OVERDUE)
}

/** What `prepay` gives by this reference. */
function owed(baseline: Baseline): number {
  return baseline.total === 0 ? 0 : PREPAID * baseline.trust
}

function owedEffect(baseline: Baseline): number {
  return baseline.total === 0 ? 0 : baseline.effectOf(overdueMs(baseline))
}
