/** What came back during one step of a ramp, and whether that is proof enough to climb, or trouble. */
import type { Millis } from '../model.ts'

/** Answers wanted: those that the rate should bring, within these. A slow ramp risks little and has few. */
const ANSWERS_MIN = 3
const ANSWERS_MAX = 10
const ERROR_SHARE = 0.05
/** One failure is no share yet. */
const ERRORS_MIN = 2
/** About 2 % of healthy answers come later than 1.5 x q95; an overloaded upstream is late with most. */
const SLOW_CLEAN_SHARE = 0.2
const SLOW_TROUBLE_SHARE = 0.4
const SLOW_MIN = 3

export class RampWindow {
  /** Somebody had to wait for the pace. */
  bound = false
  from: Millis
  #answers = 0
  #errors = 0
  #slow = 0
  #dropped = false

  constructor(from: Millis) {
    this.from = from
  }

  restart(from: Millis): void {
    this.from = from
    this.#answers = 0
    this.#errors = 0
    this.#slow = 0
    this.#dropped = false
    this.bound = false
  }

  add(ok: boolean, latencyOk: boolean, dropped: boolean): void {
    this.#answers += 1
    if (!ok) this.#errors += 1
    else if (!latencyOk) this.#slow += 1
    if (dropped) this.#dropped = true
  }

  /** Failures that no healthy upstream has. */
  get failing(): boolean {
    return this.#dropped || (this.#errors >= ERRORS_MIN && this.#errors > ERROR_SHARE * this.#answers)
  }

  get slow(): boolean {
    return this.#slow >= SLOW_MIN && this.#slow > SLOW_TROUBLE_SHARE * this.#answers
  }

  /** Over, with answers enough to judge the rate. */
  over(now: Millis, windowMs: Millis, rate: number): boolean {
    if (now - this.from < windowMs) return false
    const wanted = Math.floor((rate * windowMs) / 1000)
    return this.#answers >= Math.min(ANSWERS_MAX, Math.max(ANSWERS_MIN, wanted))
  }

  /** Hardly any bad answer: the rate may grow. */
  get clean(): boolean {
    return this.#errors <= ERROR_SHARE * this.#answers && this.#slow <= SLOW_CLEAN_SHARE * this.#answers
  }
}
