/**
 * How long until an upstream fails, if it goes on slowing as it does: the logarithm of its slowdown is followed in
 * 5 s steps, its slope by Theil-Sen over the last minute, believed when Mann-Kendall finds a rise (one-sided
 * p < 0.05). "Fails" = UNBEARABLE times its healthy median; clients of model APIs give up about there.
 */
import type { Millis } from '../model.ts'
import { LevelTrail, mannKendall, theilSen } from './creep.ts'

const STEPS = 12
const LEAST_STEPS = 5
const SIGNIFICANT = 1.645
const UNBEARABLE = 6

export class LeadTime {
  readonly #stepMs: Millis
  readonly #trail = new LevelTrail(STEPS)

  constructor(stepMs: Millis) {
    this.#stepMs = stepMs
  }

  /** `slowdown`: median of one step over the healthy median, above 0. */
  push(slowdown: number): void {
    this.#trail.push(Math.log(slowdown))
  }

  clear(): void {
    this.#trail.clear()
  }

  /** Milliseconds from the last step; 0 = it is there; Infinity = no trend. */
  etaMs(): Millis {
    const count = this.#trail.count
    if (count === 0) return Number.POSITIVE_INFINITY
    const levels = this.#trail.ordered()
    const left = Math.log(UNBEARABLE) - levels[count - 1]!
    if (left <= 0) return 0
    if (count < LEAST_STEPS || mannKendall(levels, count) < SIGNIFICANT) return Number.POSITIVE_INFINITY
    const slope = theilSen(levels, count)
    return slope > 0 ? (left / slope) * this.#stepMs : Number.POSITIVE_INFINITY
  }
}
