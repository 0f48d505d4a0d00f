/**
 * Whether a workflow multiplies: calls are sorted into generations by turnover, without knowing who begot whom.
 * A generation is what arrives while the one before is being answered; it is complete when the first of its own
 * answers comes after the last of the one before. One caller in sequence makes generations of one, a pool of w
 * makes generations of w, a tree of branching b makes 1, b, b*b.
 *
 * Memory per slot: 13 bytes.
 */
const GROWTH = 1.5

export class Generations {
  readonly #arrived: Uint32Array
  readonly #before: Uint32Array
  /** Calls of the generation before that are still open. */
  readonly #remaining: Uint32Array
  readonly #growths: Uint8Array

  constructor(slots: number) {
    this.#arrived = new Uint32Array(slots)
    this.#before = new Uint32Array(slots)
    this.#remaining = new Uint32Array(slots)
    this.#growths = new Uint8Array(slots)
  }

  get bytes(): number {
    return (
      this.#arrived.byteLength +
      this.#before.byteLength +
      this.#remaining.byteLength +
      this.#growths.byteLength
    )
  }

  arrive(slot: number): void {
    this.#arrived[slot] = this.size(slot) + 1
  }

  /** @param inFlight calls that are still open after this one ended */
  settle(slot: number, inFlight: number): void {
    const remaining = this.#remaining[slot] ?? 0
    if (remaining > 0) {
      this.#remaining[slot] = remaining - 1
      return
    }
    this.#growths[slot] = this.#isGrowing(slot) ? Math.min(255, (this.#growths[slot] ?? 0) + 1) : 0
    this.#before[slot] = this.size(slot)
    this.#remaining[slot] = inFlight
    this.#arrived[slot] = 0
  }

  /** Calls of the youngest generation so far. */
  size(slot: number): number {
    return this.#arrived[slot] ?? 0
  }

  /** Generations in a row that grew by half or more, the youngest included as soon as it has. */
  growths(slot: number): number {
    return (this.#growths[slot] ?? 0) + (this.#isGrowing(slot) ? 1 : 0)
  }

  clear(slot: number): void {
    this.#arrived[slot] = 0
    this.#before[slot] = 0
    this.#remaining[slot] = 0
    this.#growths[slot] = 0
  }

  #isGrowing(slot: number): boolean {
    const before = this.#before[slot] ?? 0
    return before > 0 && this.size(slot) >= GROWTH * before
  }
}
