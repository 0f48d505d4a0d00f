/**
 * Sliding counts for many slots at once: rings of buckets in typed arrays, each bucket stamped with its tick and
 * emptied by the first touch of a later tick (the LeapArray idea of Sentinel). No timer, no allocation: a gap of
 * an hour costs nothing, and a burst in one instant lands in one bucket.
 *
 * Memory per slot: buckets * (4 + 2 * kinds) bytes, rounded up to whole fours; a bucket's stamp and counts lie side by
 * side. A bucket holds up to 65,535 of a kind and then stays there.
 */
import type { Millis } from '../model.ts'
import { SlotRows } from './slot-rows.ts'

const BUCKET_MAX = 0xffff
/** A stamp is as long as two counts. */
const FIRST_COUNT = 2

export interface CounterWindowOptions {
  readonly slots: number
  readonly kinds: number
  readonly bucketMs: Millis
  /** The window is `buckets * bucketMs` long, the running bucket included. */
  readonly buckets: number
  /** Part of rows that belong to others too, `counterWindowBytes` wide. */
  readonly rows?: SlotRows
}

/** What a window needs per slot, rounded up to whole eights. */
export function counterWindowBytes(kinds: number, buckets: number): number {
  return 8 * Math.ceil((4 * bucketLength(kinds) * buckets) / 8)
}

/** In 4 bytes: the stamp, and two counts in each of the others. */
function bucketLength(kinds: number): number {
  return 1 + Math.ceil(kinds / 2)
}

export class CounterWindow {
  /** Length of a bucket in 4 bytes. */
  readonly #length: number
  readonly #bucketMs: Millis
  readonly #buckets: number
  readonly #rows: SlotRows
  /** The first 4 bytes of each bucket: its tick + 1; 0 = never used. */
  readonly #stamps: Uint32Array
  /** The same memory; counts follow the stamp. */
  readonly #counts: Uint16Array

  constructor(options: CounterWindowOptions) {
    this.#length = bucketLength(options.kinds)
    this.#bucketMs = options.bucketMs
    this.#buckets = options.buckets
    const { slots, kinds, buckets } = options
    this.#rows = options.rows ?? SlotRows.of(slots, counterWindowBytes(kinds, buckets))
    this.#stamps = this.#rows.words
    this.#counts = this.#rows.halves
  }

  /** Bytes of the typed arrays; fixed from the constructor on. */
  get bytes(): number {
    return this.#rows.bytes
  }

  /** Counts `n`, a whole number. An event older than what its bucket holds by now is dropped. */
  add(slot: number, kind: number, at: Millis, n = 1): void {
    const stamp = this.#stamp(at)
    const bucket = this.#rows.at4(slot) + (stamp % this.#buckets) * this.#length
    const held = this.#stamps[bucket] ?? 0
    if (held !== stamp) {
      if (held > stamp) return
      this.#stamps[bucket] = stamp
      for (let word = 1; word < this.#length; word++) this.#stamps[bucket + word] = 0
    }
    const index = 2 * bucket + FIRST_COUNT + kind
    this.#counts[index] = Math.min(BUCKET_MAX, (this.#counts[index] ?? 0) + n)
  }

  /** Of the whole window, or of its newest buckets only, the running one included. */
  sum(slot: number, kind: number, now: Millis, newestBuckets = this.#buckets): number {
    const newest = this.#stamp(now)
    const first = this.#rows.at4(slot)
    const end = first + this.#buckets * this.#length
    let sum = 0
    for (let bucket = first; bucket < end; bucket += this.#length) {
      const stamp = this.#stamps[bucket] ?? 0
      if (stamp === 0 || stamp > newest || newest - stamp >= newestBuckets) continue
      sum += this.#counts[2 * bucket + FIRST_COUNT + kind] ?? 0
    }
    return sum
  }

  /** Forgets a slot, for its next owner. */
  clear(slot: number): void {
    const first = this.#rows.at4(slot)
    this.#stamps.fill(0, first, first + this.#buckets * this.#length)
  }

  #stamp(at: Millis): number {
    return Math.floor(at / this.#bucketMs) + 1
  }
}
