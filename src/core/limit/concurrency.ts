/** Calls at once, counted per dense slot. */
export class Concurrency {
  readonly #limit: number
  readonly #counts: Uint32Array

  /** @throws RangeError unless `limit >= 1` and `slots >= 1`. */
  constructor({ slots, limit }: { slots: number; limit: number }) {
    if (!(slots >= 1)) throw new RangeError(`slots is ${slots}, must be at least 1`)
    if (!(limit >= 1)) throw new RangeError(`limit is ${limit}, must be at least 1`)
    this.#limit = limit
    this.#counts = new Uint32Array(slots)
  }

  /**
   * Takes a place; false, and nothing taken, when all are.
   *
   * @param limit of this slot, when it is another than that of all
   */
  take(slot: number, limit = this.#limit): boolean {
    const count = this.count(slot)
    if (count >= limit) return false
    this.#counts[slot] = count + 1
    return true
  }

  /** Gives a place back. A give without a take stays at zero: a miscount must not take the proxy down. */
  give(slot: number): void {
    const count = this.count(slot)
    if (count > 0) this.#counts[slot] = count - 1
  }

  count(slot: number): number {
    return this.#counts[slot] ?? 0
  }
}
