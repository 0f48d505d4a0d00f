/**
 * The last few seconds of one upstream in 50 bins: attempts, weighted retries and failures, and how the retries
 * lie in time. Bins are stamped and emptied by the first touch of a later tick, so a gap costs nothing.
 */
import type { Millis } from '../model.ts'

/** 5 s by 100 ms (algorithms.md 3(3)); the index of dispersion of as many Poisson bins is 1 +- 0.2. */
export const RETRY_BINS = 50

/** The newest of them, 2 s: what a share says before the calm half of the window has passed. */
const RECENT_BINS = 20

const KINDS = 3
const ATTEMPTS = 0
const RETRIES = 1
const FAILURES = 2

export interface RetrySums {
  attempts: number
  /** Weighted by the confidence of the inference. */
  retries: number
  failures: number
  /** Retries over attempts in the newest 2 s; 0 without an attempt. */
  recentShare: number
  /** Variance over mean of the retries per bin: about 1 when callers act on their own; 0 without a retry. */
  dispersion: number
}

export class RetryWindow {
  readonly binMs: Millis
  readonly #values = new Float64Array(RETRY_BINS * KINDS)
  /** Tick + 1 of each bin; 0 = never used. */
  readonly #stamps = new Float64Array(RETRY_BINS)
  readonly #sums: RetrySums = { attempts: 0, retries: 0, failures: 0, recentShare: 0, dispersion: 0 }
  /** Of the newest 2 s, as of the last `sums`. */
  readonly recent = { attempts: 0, retries: 0 }

  constructor(windowMs: Millis) {
    this.binMs = windowMs / RETRY_BINS
  }

  /** Retries in the window, as of the last `sums` or `retry`. */
  get hasRetries(): boolean {
    return this.#sums.retries > 0
  }

  attempt(at: Millis): void {
    this.#add(ATTEMPTS, 1, at)
  }

  retry(weight: number, at: Millis): void {
    this.#add(RETRIES, weight, at)
  }

  failure(at: Millis): void {
    this.#add(FAILURES, 1, at)
  }

  /** The sums of the window that ends at `now`; the record is reused by the next call. */
  sums(now: Millis): RetrySums {
    const newest = this.#stamp(now)
    let attempts = 0
    let retries = 0
    let failures = 0
    let recentAttempts = 0
    let recentRetries = 0
    let squares = 0
    for (let bin = 0; bin < RETRY_BINS; bin++) {
      const stamp = this.#stamps[bin] ?? 0
      if (stamp === 0 || stamp > newest || newest - stamp >= RETRY_BINS) continue
      const base = bin * KINDS
      const binRetries = this.#values[base + RETRIES] ?? 0
      const binAttempts = this.#values[base + ATTEMPTS] ?? 0
      if (newest - stamp < RECENT_BINS) {
        recentAttempts += binAttempts
        recentRetries += binRetries
      }
      attempts += binAttempts
      retries += binRetries
      failures += this.#values[base + FAILURES] ?? 0
      squares += binRetries * binRetries
    }
    const mean = retries / RETRY_BINS
    const sums = this.#sums
    sums.attempts = attempts
    sums.retries = retries
    sums.failures = failures
    sums.recentShare = recentAttempts === 0 ? 0 : Math.min(1, recentRetries / recentAttempts)
    this.recent.attempts = recentAttempts
    this.recent.retries = recentRetries
    sums.dispersion = retries === 0 ? 0 : (squares / RETRY_BINS - mean * mean) / mean
    return sums
  }

  clear(): void {
    this.#stamps.fill(0)
  }

  #add(kind: number, n: number, at: Millis): void {
    const stamp = this.#stamp(at)
    const bin = stamp % RETRY_BINS
    const held = this.#stamps[bin] ?? 0
    if (held > stamp) return
    const base = bin * KINDS
    if (held !== stamp) {
      this.#stamps[bin] = stamp
      this.#values.fill(0, base, base + KINDS)
    }
    this.#values[base + kind] = (this.#values[base + kind] ?? 0) + n
  }

  #stamp(at: Millis): number {
    return Math.floor(at / this.binMs) + 1
  }
}
