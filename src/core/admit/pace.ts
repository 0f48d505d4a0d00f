/**
 * Lets calls go one by one at a rate: on a grid of cells `1 / rate` long, each at a random place in the first half
 * of its cell, so spacings lie between half and one and a half cells and never add up to more than the rate.
 */
import type { Millis } from '../model.ts'
import type { Random } from '../random.ts'

const JITTER = 0.5
/** Timers come late by about this much; what they missed is made up for, and not more. */
const LAG_MS = 5
const DEBT_MS = 1000

export class Pace {
  readonly #random: Random
  #cell: Millis
  #next: Millis

  constructor(random: Random, at: Millis) {
    this.#random = random
    this.#cell = at
    this.#next = at
  }

  /** The instant from which `take` says yes. */
  get nextAt(): Millis {
    return this.#next
  }

  take(at: Millis, ratePerSecond: number): boolean {
    if (at < this.#next) return false
    this.spend(at, ratePerSecond)
    return true
  }

  /** A call went that did not ask: those who do wait for as much longer, though never for more than a second. */
  spend(at: Millis, ratePerSecond: number): void {
    const interval = 1000 / ratePerSecond
    this.#cell = Math.max(this.#cell + interval, at + interval - Math.max(JITTER * interval, LAG_MS))
    this.#cell = Math.min(this.#cell, at + Math.max(interval, DEBT_MS))
    this.#next = this.#cell + JITTER * interval * this.#random()
  }
}
