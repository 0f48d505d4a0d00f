/**
 * Whether a workflow multiplies: calls are sorted into generations by turnover, without knowing who begot whom.
 * A generation is what arrives while the one before is being answered; it is complete when the first of its own
 * answers comes after the last of the one before. One caller in sequence makes generations of one, a pool of w
 * makes generations of w, a tree of branching b makes 1, b, b*b.
 *
 * Memory: 16 bytes of a row per slot.
 */
import { SlotRows } from './slot-rows.ts'

const GROWTH = 1.5

/** Of a row, in 4 bytes. */
const ARRIVED = 0
const BEFORE = 1
/** Calls of the generation before that are still open. */
const REMAINING = 2
const GROWTHS = 3
const MOST_GROWTHS = 255

export class Generations {
  /** Width of its part of a row. */
  static readonly rowBytes = 16
  readonly #rows: SlotRows
  readonly #words: Uint32Array

  /** @param rows part of rows that belong to others too */
  constructor(slots: number, rows = SlotRows.of(slots, Generations.rowBytes)) {
    this.#rows = rows
    this.#words = rows.words
  }

  get bytes(): number {
    return this.#rows.bytes
  }

  arrive(slot: number): void {
    this.#words[this.#rows.at4(slot) + ARRIVED]! += 1
  }

  /** @param inFlight calls that are still open after this one ended */
  settle(slot: number, inFlight: number): void {
    const words = this.#words
    const row = this.#rows.at4(slot)
    const remaining = words[row + REMAINING]!
    if (remaining > 0) {
      words[row + REMAINING] = remaining - 1
      return
    }
    words[row + GROWTHS] = this.#isGrowing(slot) ? Math.min(MOST_GROWTHS, words[row + GROWTHS]! + 1) : 0
    words[row + BEFORE] = words[row + ARRIVED]!
    words[row + REMAINING] = inFlight
    words[row + ARRIVED] = 0
  }

  /** Calls of the youngest generation so far. */
  size(slot: number): number {
    return this.#words[this.#rows.at4(slot) + ARRIVED] ?? 0
  }

  /** Generations in a row that grew by half or more, the youngest included as soon as it has. */
  growths(slot: number): number {
    return (this.#words[this.#rows.at4(slot) + GROWTHS] ?? 0) + (this.#isGrowing(slot) ? 1 : 0)
  }

  clear(slot: number): void {
    const first = this.#rows.at4(slot)
    this.#words.fill(0, first, first + Generations.rowBytes / 4)
  }

  #isGrowing(slot: number): boolean {
    const before = this.#words[this.#rows.at4(slot) + BEFORE] ?? 0
    return before > 0 && this.size(slot) >= GROWTH * before
  }
}
