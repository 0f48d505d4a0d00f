/**
 * Rates by the generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling): one number per key, the
 * theoretical arrival time; no window, no timer, exact at any gap. Keys are dense slots, so the table is one
 * typed array.
 */
import type { Millis } from '../model.ts'

/** Rounding of additions of fractional milliseconds; a wait that was waited out must always be enough. */
const ROUNDING_MS = 1e-6

export class Gcra {
  readonly #interval: Millis
  readonly #burst: number
  readonly #theoretical: Float64Array

  /** @throws RangeError unless `ratePerSecond > 0`, `burst >= 1` and `slots >= 1`. */
  constructor({ slots, ratePerSecond, burst }: { slots: number; ratePerSecond: number; burst: number }) {
    if (!(slots >= 1)) throw new RangeError(`slots is ${slots}, must be at least 1`)
    if (!(ratePerSecond > 0)) throw new RangeError(`ratePerSecond is ${ratePerSecond}, must be above 0`)
    if (!(burst >= 1)) throw new RangeError(`burst is ${burst}, must be at least 1`)
    this.#interval = 1000 / ratePerSecond
    this.#burst = burst
    this.#theoretical = new Float64Array(slots).fill(-Infinity)
  }

  /**
   * Takes one: 0 = taken, else nothing is taken and this many ms until it would be.
   *
   * @param part of the rate and of the burst that this slot may use here, above 0; the rest is somebody else's
   */
  take(slot: number, at: Millis, part = 1): Millis {
    const theoretical = this.#at(slot)
    const early = theoretical - at - this.#tolerance(part)
    if (early > ROUNDING_MS) return early
    this.#theoretical[slot] = Math.max(theoretical, at) + this.#interval / part
    return 0
  }

  /** What `take` would answer. */
  peek(slot: number, at: Millis): Millis {
    const early = this.#at(slot) - at - this.#tolerance(1)
    return early > ROUNDING_MS ? early : 0
  }

  /** Undoes one `take`, when a later check refused the call. */
  giveBack(slot: number, part = 1): void {
    this.#theoretical[slot] = this.#at(slot) - this.#interval / part
  }

  /** The slot's part changed: what it took already is worth as many calls as before. */
  rescale(slot: number, at: Millis, before: number, part: number): void {
    const ahead = this.#at(slot) - at
    if (ahead > 0) this.#theoretical[slot] = at + (ahead * before) / part
  }

  /** Forgets the slot's past: it belongs to another key from here on. */
  reset(slot: number): void {
    this.#theoretical[slot] = -Infinity
  }

  /** One call at least fits into any part. */
  #tolerance(part: number): Millis {
    return Math.max(0, this.#burst * part - 1) * (this.#interval / part)
  }

  #at(slot: number): Millis {
    return this.#theoretical[slot] ?? -Infinity
  }
}
