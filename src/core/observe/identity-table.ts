/**
 * Names that clients send, turned into dense slots that typed arrays can be indexed by. The table has a fixed
 * size: a newcomer takes a free slot, or that of a name that is idle or was seen only once (a CLOCK hand looks
 * for one, at most `HAND_STEPS` slots per newcomer), or else shares slot 0. A pinned slot is never taken away.
 *
 * Why "seen only once" goes first: a flood of invented names then evicts itself, and the agents that came
 * before it keep their slots, their windows and their fair part.
 *
 * Memory: 17 bytes of arrays per slot, and the name with its map entry (about 100 bytes plus its characters).
 */
import type { Millis } from '../model.ts'

/** The slot that all names share which found no room. */
export const OTHER_SLOT = 0

/** Bounds the work of one newcomer to about a microsecond; the hand goes on where it stopped. */
const HAND_STEPS = 64

export class IdentityTable {
  /** One past the highest slot: the length that parallel arrays need. */
  readonly capacity: number
  /** Grows each time that a slot changes its owner. */
  readonly generation: Uint32Array
  readonly #slots = new Map<string, number>()
  readonly #names: string[]
  readonly #pins: Uint32Array
  readonly #seenAt: Float64Array
  /** 0 = free, 1 = seen once, 2 = seen again. */
  readonly #standing: Uint8Array
  readonly #free: number[] = []
  readonly #idleMs: Millis
  readonly #onEvict: (slot: number) => void
  #used = 1
  #hand = 1

  /**
   * @param size names that have a slot of their own, at least 1
   * @param idleMs after this silence an unpinned name may lose its slot
   * @param onEvict the slot is about to lose its owner: parallel arrays must forget it
   */
  constructor(size: number, idleMs: Millis, onEvict: (slot: number) => void = (): void => undefined) {
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`size must be a whole number >= 1, got ${size}`)
    this.capacity = size + 1
    this.generation = new Uint32Array(this.capacity)
    this.#names = ['other']
    this.#pins = new Uint32Array(this.capacity)
    this.#seenAt = new Float64Array(this.capacity)
    this.#standing = new Uint8Array(this.capacity)
    this.#idleMs = idleMs
    this.#onEvict = onEvict
  }

  /** Names that have a slot of their own. */
  get known(): number {
    return this.#slots.size
  }

  /** Bytes of the typed arrays; fixed from the constructor on. */
  get bytes(): number {
    const { generation } = this
    return generation.byteLength + this.#pins.byteLength + this.#seenAt.byteLength + this.#standing.byteLength
  }

  /** The slot of a name, made if need be; `OTHER_SLOT` when the table is full of the busy. Allocates nothing for a known name. */
  slot(name: string, at: Millis): number {
    const known = this.#slots.get(name)
    if (known !== undefined) {
      this.touch(known, at)
      return known
    }
    const slot = this.#vacancy(at)
    if (slot === OTHER_SLOT) return OTHER_SLOT
    this.#slots.set(name, slot)
    this.#names[slot] = name
    this.#seenAt[slot] = at
    this.#standing[slot] = 1
    return slot
  }

  /** The slot of a name that has one; -1 = none. Leaves no trace. */
  find(name: string): number {
    return this.#slots.get(name) ?? -1
  }

  /** A name with a slot was seen again. */
  touch(slot: number, at: Millis): void {
    this.#seenAt[slot] = at
    this.#standing[slot] = 2
  }

  /** '' for a free slot. */
  nameOf(slot: number): string {
    return this.#names[slot] ?? ''
  }

  seenAt(slot: number): Millis {
    return this.#seenAt[slot] ?? 0
  }

  isKnown(slot: number): boolean {
    return slot !== OTHER_SLOT && (this.#standing[slot] ?? 0) !== 0
  }

  /** Keeps the slot with its name until as many `unpin`s. */
  pin(slot: number): void {
    this.#pins[slot] = (this.#pins[slot] ?? 0) + 1
  }

  unpin(slot: number): void {
    const pins = this.#pins[slot] ?? 0
    if (pins > 0) this.#pins[slot] = pins - 1
  }

  isPinned(slot: number): boolean {
    return (this.#pins[slot] ?? 0) > 0
  }

  /** Frees a slot before its time; false when it is pinned, shared or free already. */
  evict(slot: number): boolean {
    if (!this.isKnown(slot) || this.isPinned(slot)) return false
    this.#vacate(slot)
    this.#free.push(slot)
    return true
  }

  #vacancy(at: Millis): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#used < this.capacity) return this.#used++
    const steps = Math.min(HAND_STEPS, this.capacity - 1)
    for (let step = 0; step < steps; step++) {
      const slot = this.#hand
      this.#hand = slot + 1 < this.capacity ? slot + 1 : 1
      if (this.isPinned(slot)) continue
      if (this.#standing[slot] !== 1 && at - (this.#seenAt[slot] ?? 0) < this.#idleMs) continue
      this.#vacate(slot)
      return slot
    }
    return OTHER_SLOT
  }

  #vacate(slot: number): void {
    this.#onEvict(slot)
    this.#slots.delete(this.#names[slot] ?? '')
    this.#names[slot] = ''
    this.#standing[slot] = 0
    this.generation[slot] = (this.generation[slot] ?? 0) + 1
  }
}
