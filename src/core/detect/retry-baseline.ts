/**
 * How many retries an upstream sees per window on an ordinary day: mean, share and dispersion, learnt from whole
 * windows while calm. A window is taken in one window late, so that the first window of a storm teaches nothing.
 */
import type { Millis } from '../model.ts'

/** Memory of about 60 windows, 5 minutes by default: long against a storm's start, short against a day. */
const MEMORY = 60

/** What is assumed before anything was learnt, fading with each window: one attempt in two hundred is a retry. */
const ASSUMED_SHARE = 0.005

export class RetryBaseline {
  #mean = 0
  #variance = 0
  #share = 0
  #windows = 0
  #pendingRetries = -1
  #pendingShare = 0
  #learnAt: Millis

  constructor(at: Millis) {
    this.#learnAt = at
  }

  /** Ordinary share of retries among attempts, 0..1. */
  get share(): number {
    return this.#share
  }

  /** Ordinary retries per window. */
  get mean(): number {
    return this.#mean
  }

  /**
   * Standard deviations above the ordinary; the `+ 1` keeps an upstream without retries from crying at one.
   * `elsewhere`: ordinary retries of other replicas, whose retries and attempts are counted too.
   */
  z(retries: number, attempts: number, elsewhere = 0): number {
    const mean = Math.max(this.#mean + elsewhere, (ASSUMED_SHARE * attempts) / (1 + this.#windows))
    const dispersion = this.#mean > 0 ? Math.max(1, this.#variance / this.#mean) : 1
    return (retries - mean) / Math.sqrt(mean * dispersion + 1)
  }

  /** Retries per ms that are within the ordinary: mean and two standard deviations. */
  leakPerMs(windowMs: Millis): number {
    return (this.#mean + 2 * Math.sqrt(this.#mean + 1)) / windowMs
  }

  /** Takes in the window that ends now, at most one per window length; after a gap only the window that is there. */
  learn(retries: number, share: number, windowMs: Millis, now: Millis): void {
    if (now - this.#learnAt < windowMs) return
    this.#learnAt = now
    if (this.#pendingRetries >= 0) this.#absorb(this.#pendingRetries, this.#pendingShare)
    this.#pendingRetries = retries
    this.#pendingShare = share
  }

  /** Not an ordinary time: what is pending is part of it. */
  distrust(now: Millis): void {
    this.#pendingRetries = -1
    this.#learnAt = now
  }

  reset(): void {
    this.#mean = 0
    this.#variance = 0
    this.#share = 0
    this.#windows = 0
    this.#pendingRetries = -1
  }

  #absorb(retries: number, share: number): void {
    this.#windows += 1
    const part = Math.max(1 / this.#windows, 1 / MEMORY)
    const off = retries - this.#mean
    this.#mean += part * off
    this.#variance += part * (off * (retries - this.#mean) - this.#variance)
    this.#share += part * (share - this.#share)
  }
}
