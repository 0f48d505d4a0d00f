/**
 * The error channel of drift: a Bernoulli CUSUM (Reynolds and Stoumbos, 1999), the fastest test between a usual
 * failure share p0 and a bad one p1: S = max(0, S + ln(p1/p0)) at a failure, S + ln((1-p1)/(1-p0)) at a success.
 * p0 = max(usual, 0.5 %), p1 = max(3 p0, p0 + 5 %): from rest, 5 straight failures make 12.0, past the usual
 * alarm of 11.5. A client that leaves before the answer weighs one half: the earliest sign of all.
 * The usual share is learned from healthy minutes only.
 */
import type { Millis } from '../model.ts'

const FLOOR = 0.005
const LEAST_RISE = 0.05
/** Weight of the prior share FLOOR, in calls. */
const PRIOR_CALLS = 200
/** Half-life of the usual share: 30 absorbed minutes. */
const KEEP_MINUTE = 0.977
/** Past this, a steady share is an outage, not a habit. */
const MOST_USUAL = 0.2
const SLOTS = 6
const SLOT_MS = 5_000

export class ErrorCusum {
  #alarm: number
  #sum = 0
  #usual = FLOOR
  #atFailure = 0
  #atSuccess = 0
  /** Absorbed outcomes, and those that wait for the minute to be found healthy. */
  #calls = 0
  #failures = 0
  #pendingCalls = 0
  #pendingFailures = 0
  /** Since start, of this replica alone: what it tells the others. */
  readonly told = { outcomes: 0, failures: 0 }
  readonly #slotCalls = new Float64Array(SLOTS)
  readonly #slotFailures = new Float64Array(SLOTS)
  #tick = Number.NEGATIVE_INFINITY
  #slot = 0

  constructor(alarm: number) {
    this.#alarm = alarm
    this.#aim()
  }

  adopt(alarm: number): void {
    this.#alarm = alarm
    this.#sum = Math.min(this.#sum, 2 * alarm)
  }

  /** The test statistic, 0 to twice the alarm. */
  get sum(): number {
    return this.#sum
  }

  /** Usual share of failures, learned in health. */
  get usual(): number {
    return this.#usual
  }

  /** `failureWeight` 0 = success, 1 = failure, between = partly; outside it is clipped. */
  record(failureWeight: number, at: Millis): void {
    const weight = failureWeight > 0 ? (failureWeight < 1 ? failureWeight : 1) : 0
    this.told.outcomes += 1
    this.told.failures += weight
    this.hear(1, weight, at)
  }

  /** Outcomes of other replicas, together, `failures` of them by weight: judged as if they had been seen here. */
  hear(outcomes: number, failures: number, at: Millis): void {
    const next = this.#sum + failures * this.#atFailure + (outcomes - failures) * this.#atSuccess
    const most = 2 * this.#alarm
    this.#sum = next < 0 ? 0 : next > most ? most : next
    this.#roll(at)
    this.#slotCalls[this.#slot]! += outcomes
    this.#slotFailures[this.#slot]! += failures
    this.#pendingCalls += outcomes
    this.#pendingFailures += failures
  }

  /** Share of failures in the last half minute; 0 = no call. */
  share(at: Millis): number {
    const calls = this.calls(at)
    return calls > 0 ? sum(this.#slotFailures) / calls : 0
  }

  /** Outcomes of the last half minute. */
  calls(at: Millis): number {
    this.#roll(at)
    return sum(this.#slotCalls)
  }

  /** Outcomes since the last absorb, discard or accept. */
  get pending(): number {
    return this.#pendingCalls
  }

  /** Takes in the pending outcomes of a healthy minute. */
  absorb(): void {
    this.#calls = this.#calls * KEEP_MINUTE + this.#pendingCalls
    this.#failures = this.#failures * KEEP_MINUTE + this.#pendingFailures
    this.discard()
    this.#usual = (this.#failures + FLOOR * PRIOR_CALLS) / (this.#calls + PRIOR_CALLS)
    this.#aim()
  }

  discard(): void {
    this.#pendingCalls = 0
    this.#pendingFailures = 0
  }

  /** Drops what was gathered without new evidence: nobody called for long. */
  rest(): void {
    this.#sum = 0
  }

  /**
   * Takes the pending share as the usual one: it held for long. Refuses (false) a share past 20 %, unless `insist`.
   */
  accept(insist = false): boolean {
    if (this.#pendingCalls === 0) return true
    const share = this.#pendingFailures / this.#pendingCalls
    if (share > MOST_USUAL && !insist) return false
    this.#usual = Math.min(share, MOST_USUAL)
    this.#calls = this.#pendingCalls
    this.#failures = this.#usual * this.#calls
    this.discard()
    this.#sum = 0
    this.#aim()
    return true
  }

  #aim(): void {
    const p0 = Math.max(this.#usual, FLOOR)
    const p1 = Math.min(Math.max(3 * p0, p0 + LEAST_RISE), 0.95)
    this.#atFailure = Math.log(p1 / p0)
    this.#atSuccess = Math.log((1 - p1) / (1 - p0))
  }

  #roll(at: Millis): void {
    const tick = Math.floor(at / SLOT_MS)
    if (tick <= this.#tick) return
    const steps = Math.min(tick - this.#tick, SLOTS)
    this.#tick = tick
    for (let step = 0; step < steps; step++) {
      this.#slot = (this.#slot + 1) % SLOTS
      this.#slotCalls[this.#slot] = 0
      this.#slotFailures[this.#slot] = 0
    }
  }
}

function sum(values: Float64Array): number {
  let total = 0
  for (let index = 0; index < values.length; index++) total += values[index]!
  return total
}
