/**
 * Which levels of an upstream passed for healthy within a day: the highest and the lowest mean of ten minutes of each
 * hour. A daily wave, or the way back from a level that was accepted, is no news. The second highest hour counts, so
 * that a single bad hour, accepted in the end, does not hide the next.
 */
import type { Millis } from '../model.ts'

const HOURS = 24
const HOUR_MS = 3_600_000
const MINUTES_PER_MEAN = 10

export class LevelRange {
  readonly #highest = new Float64Array(HOURS).fill(Number.NEGATIVE_INFINITY)
  readonly #lowest = new Float64Array(HOURS).fill(Number.POSITIVE_INFINITY)
  #hour = Number.NEGATIVE_INFINITY
  #sum = 0
  #minutes = 0
  #high = Number.NEGATIVE_INFINITY
  #low = Number.POSITIVE_INFINITY

  /** Logarithmic levels; -Infinity and Infinity while fewer than two hours are known. */
  get high(): number {
    return this.#high
  }

  get low(): number {
    return this.#low
  }

  /** The logarithmic level of a healthy minute. */
  push(level: number, at: Millis): void {
    const hour = Math.floor(at / HOUR_MS)
    if (hour > this.#hour) this.#roll(hour)
    this.#sum += level
    if (++this.#minutes < MINUTES_PER_MEAN) return
    const mean = this.#sum / MINUTES_PER_MEAN
    this.#sum = this.#minutes = 0
    const cell = hour % HOURS
    this.#highest[cell] = Math.max(this.#highest[cell]!, mean)
    this.#lowest[cell] = Math.min(this.#lowest[cell]!, mean)
    this.#look()
  }

  /** Levels are measured from somewhere else now: adds `by` to all. */
  shift(by: number): void {
    this.#sum += by * this.#minutes
    for (let cell = 0; cell < HOURS; cell++) {
      this.#highest[cell]! += by
      this.#lowest[cell]! += by
    }
    this.#look()
  }

  clear(): void {
    this.#highest.fill(Number.NEGATIVE_INFINITY)
    this.#lowest.fill(Number.POSITIVE_INFINITY)
    this.#sum = this.#minutes = 0
    this.#look()
  }

  #roll(hour: number): void {
    for (let passed = Math.max(this.#hour + 1, hour - HOURS + 1, 0); passed <= hour; passed++) {
      this.#highest[passed % HOURS] = Number.NEGATIVE_INFINITY
      this.#lowest[passed % HOURS] = Number.POSITIVE_INFINITY
    }
    this.#hour = hour
    this.#look()
  }

  #look(): void {
    this.#high = secondHighest(this.#highest, 1)
    this.#low = -secondHighest(this.#lowest, -1)
  }
}

function secondHighest(values: Float64Array, sign: 1 | -1): number {
  let first = Number.NEGATIVE_INFINITY
  let second = Number.NEGATIVE_INFINITY
  for (let index = 0; index < values.length; index++) {
    const value = sign * values[index]!
    if (value > first) {
      second = first
      first = value
    } else if (value > second) second = value
  }
  return second
}
