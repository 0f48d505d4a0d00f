/**
 * Hashes seen lately, each with a dense slot for parallel arrays. Of fixed size: four places per bucket, the one
 * unseen for longest gives way. Keys that nobody has seen for `idleMs` count as unknown.
 *
 * Memory: 16 bytes per place. A look-up reads one bucket (64 bytes).
 */
import type { Millis } from '../model.ts'

const WAYS = 4
const FREE = 0
/** A bucket: its keys, then when each was seen. */
const BUCKET = 2 * WAYS

export class RecentKeys {
  /** Slots run from 0 to below it. */
  readonly capacity: number
  readonly #buckets: Float64Array
  readonly #mask: number
  readonly #idleMs: Millis
  readonly #onEvict: (slot: number) => void
  #wasKnown = false

  /**
   * @param size keys at least; rounded up to a power of two
   * @param onEvict the slot has a new owner, or its owner was away too long: parallel arrays must forget it
   */
  constructor(size: number, idleMs: Millis, onEvict: (slot: number) => void) {
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`size must be a whole number >= 1, got ${size}`)
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(1, size / WAYS)))
    this.capacity = buckets * WAYS
    this.#buckets = new Float64Array(buckets * BUCKET)
    for (let slot = 0; slot < this.capacity; slot++) this.#buckets[seenIndex(slot)] = -Infinity
    this.#mask = buckets - 1
    this.#idleMs = idleMs
    this.#onEvict = onEvict
  }

  /** The slot of a key that is known; -1 = it is not. Leaves no trace. */
  find(key: number, at: Millis): number {
    const bucket = this.#bucket(key)
    const buckets = this.#buckets
    for (let way = 0; way < WAYS; way++) {
      if (buckets[bucket * BUCKET + way] !== key) continue
      return at - buckets[bucket * BUCKET + WAYS + way]! <= this.#idleMs ? bucket * WAYS + way : -1
    }
    return -1
  }

  /** Whether the key of the latest `claim` was known before it. */
  get wasKnown(): boolean {
    return this.#wasKnown
  }

  /** The slot of a key, made if need be; the key counts as seen. `key` is not 0. */
  claim(key: number, at: Millis): number {
    const bucket = this.#bucket(key)
    const buckets = this.#buckets
    const keys = bucket * BUCKET
    const seen = keys + WAYS
    let oldest = 0
    for (let way = 0; way < WAYS; way++) {
      if (buckets[keys + way] === key) {
        this.#wasKnown = at - buckets[seen + way]! <= this.#idleMs
        if (!this.#wasKnown) this.#onEvict(bucket * WAYS + way)
        buckets[seen + way] = at
        return bucket * WAYS + way
      }
      if (buckets[seen + way]! < buckets[seen + oldest]!) oldest = way
    }
    this.#wasKnown = false
    if (buckets[keys + oldest] !== FREE) this.#onEvict(bucket * WAYS + oldest)
    buckets[keys + oldest] = key
    buckets[seen + oldest] = at
    return bucket * WAYS + oldest
  }

  #bucket(key: number): number {
    const low = key >>> 0
    return (low ^ (low >>> 16)) & this.#mask
  }
}

function seenIndex(slot: number): number {
  return Math.floor(slot / WAYS) * BUCKET + WAYS + (slot % WAYS)
}
