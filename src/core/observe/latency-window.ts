/**
 * Times of the last half minute: a ring of 6 histograms of 5 s, each stamped with its tick and zeroed when its
 * place is needed again (the LeapArray of Alibaba Sentinel, on typed arrays), plus their running sum. Nothing
 * moves while nothing happens, so an idle hour costs one rotation. 5.6 KB.
 */
import type { Millis } from '../model.ts'
import { LATENCY_BUCKETS, latencyBucket, quantileOf } from './latency-histogram.ts'

export class LatencyWindow {
  readonly slotMs: Millis
  readonly #slots: number
  readonly #counts: Uint32Array
  readonly #totals: Uint32Array
  readonly #sum = new Uint32Array(LATENCY_BUCKETS)
  #total = 0
  #tick = Number.NEGATIVE_INFINITY
  /** End of the current slot. */
  #until = Number.NEGATIVE_INFINITY
  #slot = 0

  constructor(slotMs: Millis = 5_000, slots = 6) {
    this.slotMs = slotMs
    this.#slots = slots
    this.#counts = new Uint32Array(slots * LATENCY_BUCKETS)
    this.#totals = new Uint32Array(slots)
  }

  /** Time that goes back is read as standing still. */
  record(ms: Millis, at: Millis): void {
    if (at >= this.#until) this.roll(at)
    const bucket = latencyBucket(ms)
    this.#counts[this.#slot * LATENCY_BUCKETS + bucket]!++
    this.#totals[this.#slot]!++
    this.#sum[bucket]!++
    this.#total++
  }

  /** Samples of the window that ends at `at`. */
  total(at: Millis): number {
    this.roll(at)
    return this.#total
  }

  /** Quantile of the window in ms; 0 = no sample. */
  quantile(p: number, at: Millis): Millis {
    this.roll(at)
    return quantileOf(this.#sum, this.#total, p)
  }

  /** Samples of the last slot that is complete at `at`. */
  lastTotal(at: Millis): number {
    this.roll(at)
    return this.#totals[this.#previous()]!
  }

  /** Median of the last slot that is complete at `at`, in ms; 0 = no sample. */
  lastMedian(at: Millis): Millis {
    this.roll(at)
    const slot = this.#previous()
    const from = slot * LATENCY_BUCKETS
    return quantileOf(this.#counts.subarray(from, from + LATENCY_BUCKETS), this.#totals[slot]!, 0.5)
  }

  clear(): void {
    this.#counts.fill(0)
    this.#totals.fill(0)
    this.#sum.fill(0)
    this.#total = 0
  }

  /** Drops what is older than the window at `at`. */
  roll(at: Millis): void {
    const tick = Math.floor(at / this.slotMs)
    if (tick <= this.#tick) return
    const steps = tick - this.#tick
    this.#tick = tick
    this.#until = (tick + 1) * this.slotMs
    if (steps >= this.#slots) {
      if (this.#total > 0) this.clear()
      this.#slot = 0
      return
    }
    for (let step = 0; step < steps; step++) {
      this.#slot = (this.#slot + 1) % this.#slots
      if (this.#totals[this.#slot] === 0) continue
      const from = this.#slot * LATENCY_BUCKETS
      for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        this.#sum[bucket]! -= this.#counts[from + bucket]!
      }
      this.#counts.fill(0, from, from + LATENCY_BUCKETS)
      this.#total -= this.#totals[this.#slot]!
      this.#totals[this.#slot] = 0
    }
  }

  #previous(): number {
    return (this.#slot + this.#slots - 1) % this.#slots
  }
}
