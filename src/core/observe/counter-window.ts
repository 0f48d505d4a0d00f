/**
 * Sliding counts for many slots at once: rings of buckets in typed arrays, each bucket stamped with its tick and
 * emptied by the first touch of a later tick (the LeapArray idea of Sentinel). No timer, no allocation: a gap of
 * an hour costs nothing, and a burst in one instant lands in one bucket.
 *
 * Memory per slot: buckets * (4 + 2 * kinds) bytes. A bucket holds up to 65,535 of a kind and then stays there.
 */
import type { Millis } from '../model.ts'

const BUCKET_MAX = 0xffff

export interface CounterWindowOptions {
  readonly slots: number
  readonly kinds: number
  readonly bucketMs: Millis
  /** The window is `buckets * bucketMs` long, the running bucket included. */
  readonly buckets: number
}

export class CounterWindow {
  readonly #kinds: number
  readonly #bucketMs: Millis
  readonly #buckets: number
  readonly #counts: Uint16Array
  /** Tick + 1 of each bucket; 0 = never used. */
  readonly #stamps: Uint32Array

  constructor(options: CounterWindowOptions) {
    this.#kinds = options.kinds
    this.#bucketMs = options.bucketMs
    this.#buckets = options.buckets
    this.#counts = new Uint16Array(options.slots * options.buckets * options.kinds)
    this.#stamps = new Uint32Array(options.slots * options.buckets)
  }

  /** Bytes of the typed arrays; fixed from the constructor on. */
  get bytes(): number {
    return this.#counts.byteLength + this.#stamps.byteLength
  }

  /** Counts `n`, a whole number. An event older than what its bucket holds by now is dropped. */
  add(slot: number, kind: number, at: Millis, n = 1): void {
    const stamp = this.#stamp(at)
    const bucket = slot * this.#buckets + (stamp % this.#buckets)
    const base = bucket * this.#kinds
    const held = this.#stamps[bucket] ?? 0
    if (held !== stamp) {
      if (held > stamp) return
      this.#stamps[bucket] = stamp
      this.#counts.fill(0, base, base + this.#kinds)
    }
    this.#counts[base + kind] = Math.min(BUCKET_MAX, (this.#counts[base + kind] ?? 0) + n)
  }

  /** Of the whole window, or of its newest buckets only, the running one included. */
  sum(slot: number, kind: number, now: Millis, newestBuckets = this.#buckets): number {
    const newest = this.#stamp(now)
    const first = slot * this.#buckets
    let sum = 0
    for (let bucket = first; bucket < first + this.#buckets; bucket++) {
      const stamp = this.#stamps[bucket] ?? 0
      if (stamp === 0 || stamp > newest || newest - stamp >= newestBuckets) continue
      sum += this.#counts[bucket * this.#kinds + kind] ?? 0
    }
    return sum
  }

  /** Forgets a slot, for its next owner. */
  clear(slot: number): void {
    const first = slot * this.#buckets
    this.#stamps.fill(0, first, first + this.#buckets)
  }

  #stamp(at: Millis): number {
    return Math.floor(at / this.#bucketMs) + 1
  }
}
