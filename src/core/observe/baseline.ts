/**
 * What one stratum of an upstream is like in health: a slowly forgetting histogram, and for each of its buckets
 * the normal score that a time of that bucket has among healthy times. The score takes the shape out: a heavy or
 * two-humped tail reads the same as a bell. Times wait in `pending` and join the reference only by `absorb`, which
 * the owner calls for healthy minutes alone; `discard` forgets the rest, so a slow upstream never becomes normal
 * by being slow.
 */
import type { Millis } from '../model.ts'
import { LATENCY_BUCKETS, log2Middle, quantileOf } from './latency-histogram.ts'
import { normalScore } from './normal-score.ts'

/** Scores are clipped here: one stuck call is one vote. 2 gave fewer false alarms than 2.5 at equal delay. */
const CLIP = 2
/** log2 of a factor over the median is clipped here: a call that hung for minutes says no more than 32 times. */
const MOST_EFFECT = 5
/**
 * A reference of so many samples is worth half a vote: what its median is off by, all its calls share. Calls of a size
 * that was rare come with such a one, and a shift of the mix is full of them (bench/drift.ts, mixShiftFalseAlarms).
 */
const HALF_TRUSTED = 200
/** A reference of fewer judges nothing alone: the median of so many is known to an eighth of a deviation. */
export const LEAST_SAMPLES = 100
/** Half-life of the reference: 30 absorbed minutes. */
const KEEP_MINUTE = 0.977
/** Samples below which nothing is forgotten. */
const LIGHT = 1_000

export class Baseline {
  /** Healthy quantiles in ms; 0 = nothing absorbed. Of few samples `q90` is further out. */
  q50: Millis = 0
  q90: Millis = 0
  q95: Millis = 0
  /** Mean of `log2Over` over the healthy distribution: a heavy tail is no slowness. */
  #log2Mean = 0
  #log2Q50 = 0
  #trust = 0
  /** The median that creep is measured from, and the samples that it is of; they outlive `restart`. */
  anchorQ50: Millis = 0
  anchorTotal = 0
  /** Whether anything was ever recorded. */
  seen = false
  readonly counts = new Float32Array(LATENCY_BUCKETS)
  readonly #pending = new Uint32Array(LATENCY_BUCKETS)
  readonly #scores = new Float32Array(LATENCY_BUCKETS)
  #total = 0
  #pendingTotal = 0

  /** Weight of what was absorbed, in samples after forgetting. */
  get total(): number {
    return this.#total
  }

  get pending(): number {
    return this.#pendingTotal
  }

  quantile(p: number): Millis {
    return quantileOf(this.counts, this.#total, p)
  }

  record(bucket: number): void {
    this.#pending[bucket]!++
    this.#pendingTotal++
    this.seen = true
  }

  /** What its word is worth, 0..1. */
  get trust(): number {
    return this.#trust
  }

  /** Normal score of a time in this bucket, -2..2, mean 0 over the healthy distribution; less while that is thin. */
  score(bucket: number): number {
    return this.#scores[bucket]!
  }

  /** log2 of the factor over the healthy median, around its healthy mean; less while the reference is thin. */
  effect(bucket: number): number {
    return (this.#over(log2Middle[bucket]!) - this.#log2Mean) * this.#trust
  }

  /** The same of a time in ms. */
  effectOf(ms: Millis): number {
    return (this.#over(Math.log2(ms)) - this.#log2Mean) * this.#trust
  }

  #over(log2: number): number {
    const over = log2 - this.#log2Q50
    return over > MOST_EFFECT ? MOST_EFFECT : over < -MOST_EFFECT ? -MOST_EFFECT : over
  }

  /**
   * Takes in what is pending. The reference keeps share KEEP_MINUTE of its weight, all of it while it is light:
   * at a call a minute a reference that forgets is no reference.
   *
   * @param backing samples of the whole fleet for each one here: references of several replicas are off by luck of
   * their own, and where the scores of all are added up they are trusted as one reference of as many samples
   */
  absorb(backing = 1): void {
    if (this.#pendingTotal === 0) return
    const keep = this.#total < LIGHT ? 1 : KEEP_MINUTE
    let total = 0
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
      const count = this.counts[bucket]! * keep + this.#pending[bucket]!
      this.counts[bucket] = count
      total += count
    }
    this.#total = total
    this.discard()
    this.q50 = quantileOf(this.counts, total, 0.5)
    this.q90 = quantileOf(this.counts, total, lateShare(total))
    this.q95 = quantileOf(this.counts, total, 0.95)
    this.#log2Q50 = Math.log2(this.q50)
    this.#rescore(backing)
  }

  discard(): void {
    if (this.#pendingTotal === 0) return
    this.#pending.fill(0)
    this.#pendingTotal = 0
  }

  /** Forgets everything but the anchor. */
  restart(): void {
    this.discard()
    this.counts.fill(0)
    this.#total = 0
    this.q50 = 0
    this.q90 = 0
    this.q95 = 0
  }

  /** Mid-ranks, so that a bucket that holds half of all times scores by its middle and not by its edge. */
  #rescore(backing: number): void {
    let below = 0
    let mean = 0
    let over = 0
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
      const count = this.counts[bucket]!
      const score = normalScore((below + count / 2) / this.#total)
      const clipped = Math.min(Math.max(score, -CLIP), CLIP)
      this.#scores[bucket] = clipped
      mean += clipped * count
      if (count > 0) over += this.#over(log2Middle[bucket]!) * count
      below += count
    }
    mean /= this.#total
    this.#log2Mean = over / this.#total
    const samples = this.#total * backing
    this.#trust = samples / (samples + HALF_TRUSTED)
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
      this.#scores[bucket] = (this.#scores[bucket]! - mean) * this.#trust
    }
  }
}

/**
 * The share of calls below `q90`. What 25 samples take for their slowest tenth may be anybody's fifth, and calls would be
 * overdue on the calmest day: below LEAST_SAMPLES it is sought two deviations of a share further out.
 */
function lateShare(samples: number): number {
  const astray = deviationOfShare(0.9, samples) - deviationOfShare(0.9, LEAST_SAMPLES)
  return Math.min(0.99, 0.9 + 2 * Math.max(0, astray))
}

function deviationOfShare(share: number, samples: number): number {
  return Math.sqrt((share * (1 - share)) / samples)
}
