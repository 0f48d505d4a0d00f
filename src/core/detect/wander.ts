/**
 * How far the level of a healthy upstream strays by itself: mixes of calls shift, neighbours come and go, nights are
 * quiet. The mean log2 factor of each batch of calls is squared and averaged, over the newest batches and over a long
 * time, and the larger average holds. Who asks for several such deviations has an alarm that knows the upstream: one
 * that wobbles by half must double, one that never moves needs the least effect of the policy only.
 *
 * Bounded influence (P. J. Huber, "Robust estimation of a location parameter", 1964): a batch counts for at most CALM
 * deviations, for ALARMED while an alarm stands, and then in the long memory only. An incident widens the deviation a
 * little; a habit of more than a ninth of the time widens it until it fits.
 */

const CALM = 4
const ALARMED = 3
/** A newest average of fewer batches says nothing. */
const LEAST_BATCHES = 20
/** Smaller than what a histogram with buckets of 12.5 % can tell, in log2. */
const LEAST_DEVIATION = 0.02

export interface WanderMemory {
  /** Share that is kept per batch. */
  readonly newest: number
  readonly long: number
  /** Before anything is known: so many batches of this deviation, in log2. */
  readonly priorBatches: number
  readonly prior: number
}

export class Wander {
  readonly #memory: WanderMemory
  #newest = 0
  #newestWeight = 0
  #long: number
  #longWeight: number
  #deviation: number

  constructor(memory: WanderMemory) {
    this.#memory = memory
    this.#deviation = memory.prior
    this.#longWeight = memory.priorBatches
    this.#long = memory.priorBatches * memory.prior * memory.prior
  }

  /** Root mean square of the batches' log2 factors, above 0. */
  get deviation(): number {
    return this.#deviation
  }

  /** `level`: mean log2 factor of a batch over its healthy mean; `alarmed`: an alarm stands. */
  learn(level: number, alarmed: boolean): void {
    const bounded = Math.min(Math.abs(level), (alarmed ? ALARMED : CALM) * this.#deviation)
    const square = bounded * bounded
    if (!alarmed) {
      this.#newest = this.#newest * this.#memory.newest + square
      this.#newestWeight = this.#newestWeight * this.#memory.newest + 1
    }
    this.#long = this.#long * this.#memory.long + square
    this.#longWeight = this.#longWeight * this.#memory.long + 1
    const newest = this.#newestWeight >= LEAST_BATCHES ? this.#newest / this.#newestWeight : 0
    this.#deviation = Math.max(Math.sqrt(Math.max(newest, this.#long / this.#longWeight)), LEAST_DEVIATION)
  }
}
