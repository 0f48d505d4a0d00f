/**
 * Hashes seen lately, each with a dense slot for parallel arrays. Of fixed size: four places per bucket, the one
 * unseen for longest gives way. Keys that nobody has seen for `idleMs` count as unknown.
 *
 * Memory: 16 bytes per place. A look-up reads one bucket (32 bytes of keys).
 */
import type { Millis } from '../model.ts'

const WAYS = 4
const FREE = 0

export class RecentKeys {
  /** Slots run from 0 to below it. */
  readonly capacity: number
  readonly #keys: Float64Array
  readonly #seenAt: Float64Array
  readonly #mask: number
  readonly #idleMs: Millis
  readonly #onEvict: (slot: number) => void

  /**
   * @param size keys at least; rounded up to a power of two
   * @param onEvict the slot has a new owner, or its owner was away too long: parallel arrays must forget it
   */
  constructor(size: number, idleMs: Millis, onEvict: (slot: number) => void) {
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`size must be a whole number >= 1, got ${size}`)
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(1, size / WAYS)))
    this.capacity = buckets * WAYS
    this.#keys = new Float64Array(this.capacity)
    this.#seenAt = new Float64Array(this.capacity).fill(-Infinity)
    this.#mask = buckets - 1
    this.#idleMs = idleMs
    this.#onEvict = onEvict
  }

  /** The slot of a key that is known; -1 = it is not. Leaves no trace. */
  find(key: number, at: Millis): number {
    const first = this.#bucket(key)
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#keys[slot] === key) return at - this.#seenAt[slot]! <= this.#idleMs ? slot : -1
    }
    return -1
  }

  /** The slot of a key, made if need be; the key counts as seen. `key` is not 0. */
  claim(key: number, at: Millis): number {
    const first = this.#bucket(key)
    let oldest = first
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#keys[slot] === key) {
        if (at - this.#seenAt[slot]! > this.#idleMs) this.#onEvict(slot)
        this.#seenAt[slot] = at
        return slot
      }
      if (this.#seenAt[slot]! < this.#seenAt[oldest]!) oldest = slot
    }
    if (this.#keys[oldest] !== FREE) this.#onEvict(oldest)
    this.#keys[oldest] = key
    this.#seenAt[oldest] = at
    return oldest
  }

  #bucket(key: number): number {
    const low = key >>> 0
    return ((low ^ (low >>> 16)) & this.#mask) * WAYS
  }
}
