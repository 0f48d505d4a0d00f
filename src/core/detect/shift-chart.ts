/**
 * One one-sided CUSUM (Page, 1954) over ticks, with the size of what it sees:
 *
 *   S = clamp(S + n_eff (m - k), 0, 2H)
 *
 * and beside it the typical factor over the healthy median since S was last 0 (or about half a minute). A
 * significant shift of 3 % is nobody's outage: the alarm asks for the factor too, at least the policy's and more than
 * this upstream shows by itself (healthy-noise.ts).
 */
import type { HealthyNoise } from './healthy-noise.ts'

/** Of the alarm, per tick: a hiccup of the event loop delays any number of calls, yet four bad ticks it takes. */
const MOST_STEP = 0.25
/** Memory of the factor, per tick. */
const KEEP_EFFECT = 0.97
/** The same of a factor that lasts. */
const KEEP_LASTING = 0.9967
/** Ticks from which a shift lasts: smaller ones are known by then. */
const LASTING = 90
/** Shares of the alarm: watch begins at the first, calm is below the second. */
const WATCH = 0.5
const CALM = 0.2

export class ShiftChart {
  readonly #allowance: number
  readonly #alarm: number
  readonly #leastEffect: number
  readonly #leastSamples: number
  readonly #noise: HealthyNoise
  #sum = 0
  #effect = 0
  #weight = 0
  #lasting = 0
  #lastingWeight = 0
  /** Ticks since `#sum` was last 0. */
  #age = 0

  /** `leastEffect` in log2 of a factor, above 0; an alarm rests on `leastSamples` at least. */
  constructor(
    allowance: number,
    alarm: number,
    leastEffect: number,
    leastSamples: number,
    noise: HealthyNoise,
  ) {
    this.#noise = noise
    this.#leastSamples = leastSamples
    this.#allowance = allowance
    this.#alarm = alarm
    this.#leastEffect = leastEffect
  }

  /** `mean` score of `samples` of which `effective` are independent; `effect`: sum of their log2 factors. */
  tick(mean: number, effective: number, samples: number, effect: number): void {
    const rise = Math.min(effective * (mean - this.#allowance), MOST_STEP * this.#alarm)
    this.#sum = Math.min(Math.max(this.#sum + rise, 0), 2 * this.#alarm)
    if (this.#sum === 0) return this.rest()
    this.#effect = this.#effect * KEEP_EFFECT + effect
    this.#weight = this.#weight * KEEP_EFFECT + samples
    this.#lasting = this.#lasting * KEEP_LASTING + effect
    this.#lastingWeight = this.#lastingWeight * KEEP_LASTING + samples
    this.#age++
  }

  rest(): void {
    this.#sum = this.#effect = this.#weight = this.#lasting = this.#lastingWeight = this.#age = 0
  }

  /** Takes over what another chart has gathered. */
  inherit(other: ShiftChart): void {
    this.#sum = Math.min(other.#sum * (this.#alarm / other.#alarm), 2 * this.#alarm)
    this.#effect = other.#effect
    this.#weight = other.#weight
    this.#lasting = other.#lasting
    this.#lastingWeight = other.#lastingWeight
    this.#age = other.#age
  }

  /** Share of the alarm, 0..2. */
  get evidence(): number {
    return this.#sum / this.#alarm
  }

  /** log2 of the typical factor; 0 while there is no evidence. */
  get effect(): number {
    return this.#weight > 0 ? this.#effect / this.#weight : 0
  }

  get alarming(): boolean {
    if (this.evidence < 1 || this.#weight < this.#leastSamples) return false
    const { effect } = this
    if (effect < this.#leastEffect) return false
    if (effect >= this.#noise.leastEffect) return true
    const lasting = this.#lastingWeight > 0 ? this.#lasting / this.#lastingWeight : 0
    return this.#age >= LASTING && lasting >= Math.max(this.#leastEffect, this.#noise.leastLasting)
  }

  get watching(): boolean {
    return this.evidence >= WATCH && this.effect >= Math.max(this.#leastEffect, this.#noise.leastEffect) / 2
  }

  get calm(): boolean {
    return this.evidence < CALM || this.effect < this.#leastEffect / 2
  }
}
