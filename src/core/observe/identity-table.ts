/**
 * Names that clients send, turned into dense slots that typed arrays can be indexed by. The table has a fixed
 * size: a newcomer takes a free slot, or that of a name that is idle or was seen only once (a CLOCK hand looks
 * for one, at most `HAND_STEPS` slots per newcomer), or else shares slot 0. A pinned slot is never taken away.
 *
 * Why "seen only once" goes first: a flood of invented names then evicts itself, and the agents that came
 * before it keep their slots, their windows and their fair part.
 *
 * Memory: 16 bytes of a row per slot, and the name with its place in the index (24 to 40 bytes plus its characters).
 */
import type { Millis } from '../model.ts'
import { NameIndex } from './name-index.ts'
import { SlotRows } from './slot-rows.ts'

/** The slot that all names share which found no room. */
export const OTHER_SLOT = 0

/** Bounds the work of one newcomer to about a microsecond; the hand goes on where it stopped. */
const HAND_STEPS = 64

/** Of a row, in 8 bytes: when the name was seen last. */
const SEEN_AT = 0
/** In 4 bytes: standing and pins in one; the slot's owners so far. */
const PINS = 2
const GENERATION = 3
/** Standing: 0 = free, 1 = seen once, 2 = seen again. */
const STANDING_BITS = 3
const PIN = 4

export interface IdentityOptions {
  /** Names that have a slot of their own, at least 1. */
  readonly size: number
  /** After this silence an unpinned name may lose its slot. */
  readonly idleMs: Millis
  /** The slot has a new owner. */
  readonly onTake?: (slot: number, name: string) => void
  /** The slot is about to lose its owner: parallel arrays must forget it. */
  readonly onEvict?: (slot: number) => void
  /** Part of rows that belong to others too; `size + 1` of them. */
  readonly rows?: SlotRows | undefined
  /** Of the hash of names, not to be guessed from outside. */
  readonly seed?: number | undefined
}

export class IdentityTable {
  /** Width of its part of a row. */
  static readonly rowBytes = 16
  /** One past the highest slot: the length that parallel arrays need. */
  readonly capacity: number
  readonly #names: NameIndex
  readonly #rows: SlotRows
  readonly #times: Float64Array
  readonly #counts: Uint32Array
  readonly #free: number[] = []
  readonly #idleMs: Millis
  readonly #onTake: ((slot: number, name: string) => void) | undefined
  readonly #onEvict: ((slot: number) => void) | undefined
  #used = 1
  #hand = 1

  /** @throws RangeError unless `size` is a whole number and at least 1. */
  constructor({ size, idleMs, onTake, onEvict, rows, seed }: IdentityOptions) {
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`size must be a whole number >= 1, got ${size}`)
    this.capacity = size + 1
    this.#names = new NameIndex(size, seed ?? 0)
    this.#rows = rows ?? SlotRows.of(this.capacity, IdentityTable.rowBytes)
    this.#times = this.#rows.doubles
    this.#counts = this.#rows.words
    this.#idleMs = idleMs
    this.#onTake = onTake
    this.#onEvict = onEvict
  }

  /** Names that have a slot of their own. */
  get known(): number {
    return this.#names.size
  }

  /** Bytes of its rows and its index; fixed from the constructor on. */
  get bytes(): number {
    return this.#rows.bytes + this.#names.bytes
  }

  /**
   * The slot of a name, made if need be; `OTHER_SLOT` when the table is full of the busy. Allocates nothing for a
   * known name. `guess`: the slot that it may well be, to save the search.
   */
  slot(name: string, at: Millis, guess: number = OTHER_SLOT): number {
    const known = guess !== OTHER_SLOT && this.#names.nameOf(guess) === name ? guess : this.#names.find(name)
    if (known !== -1) {
      this.touch(known, at)
      return known
    }
    const slot = this.#vacancy(at)
    if (slot === OTHER_SLOT || !this.#names.add(name, slot)) {
      if (slot !== OTHER_SLOT) this.#free.push(slot)
      this.#times[this.#rows.at8(OTHER_SLOT) + SEEN_AT] = at
      return OTHER_SLOT
    }
    this.#times[this.#rows.at8(slot) + SEEN_AT] = at
    this.#stand(slot, 1)
    this.#onTake?.(slot, name)
    return slot
  }

  /** The slot of a name that has one; -1 = none. Leaves no trace. */
  find(name: string): number {
    return this.#names.find(name)
  }

  /** A name with a slot was seen again. */
  touch(slot: number, at: Millis): void {
    this.#times[this.#rows.at8(slot) + SEEN_AT] = at
    this.#stand(slot, 2)
  }

  /** '' for a free slot. */
  nameOf(slot: number): string {
    return slot === OTHER_SLOT ? 'other' : this.#names.nameOf(slot)
  }

  seenAt(slot: number): Millis {
    return this.#times[this.#rows.at8(slot) + SEEN_AT] ?? 0
  }

  /** Grows each time that a slot changes its owner. */
  generationOf(slot: number): number {
    return this.#counts[this.#rows.at4(slot) + GENERATION] ?? 0
  }

  isKnown(slot: number): boolean {
    return slot !== OTHER_SLOT && this.#standing(slot) !== 0
  }

  /** Keeps the slot with its name until as many `unpin`s. */
  pin(slot: number): void {
    this.#counts[this.#rows.at4(slot) + PINS]! += PIN
  }

  unpin(slot: number): void {
    if (this.isPinned(slot)) this.#counts[this.#rows.at4(slot) + PINS]! -= PIN
  }

  isPinned(slot: number): boolean {
    return (this.#counts[this.#rows.at4(slot) + PINS] ?? 0) >= PIN
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
      if (this.#standing(slot) !== 1 && at - this.seenAt(slot) < this.#idleMs) continue
      this.#vacate(slot)
      return slot
    }
    return OTHER_SLOT
  }

  #standing(slot: number): number {
    return (this.#counts[this.#rows.at4(slot) + PINS] ?? 0) & STANDING_BITS
  }

  #stand(slot: number, standing: number): void {
    const index = this.#rows.at4(slot) + PINS
    this.#counts[index] = ((this.#counts[index] ?? 0) & ~STANDING_BITS) | standing
  }

  #vacate(slot: number): void {
    this.#onEvict?.(slot)
    this.#names.remove(slot)
    this.#stand(slot, 0)
    this.#counts[this.#rows.at4(slot) + GENERATION]! += 1
  }
}
