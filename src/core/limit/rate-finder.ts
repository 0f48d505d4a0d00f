/**
 * The discovered rate of an upstream that counts calls per second: it refuses without becoming slow, so neither
 * latency nor the number of calls in flight says how much is too much. What it accepted lately does.
 *
 * The first loss takes the rate to 0.7 of what was accepted, another (of a call sent after the cut, like RFC 5681, and
 * at least a second later: a rate is counted over seconds) to 0.7 of itself. It climbs by a tenth a second, and by a hundredth around the rate of the last loss for twelve seconds
 * (CUBIC's plateau, RFC 9438): each step too many costs refusals, and often a lock-out.
 */
import type { Millis } from '../model.ts'

const CUT = 0.7
const LEAST = 1
const STEP_MS = 1000
const GROWTH = 1.1
const GROWTH_NEAR_LOSS = 1.01
const NEAR_LOSS = 0.85
const PAST_LOSS = 1.1
const PLATEAU_MS = 12_000
/** Only a rate that was used says that it can be borne. */
const USED = 0.6
/** Growth without a loss so far beyond the accepted rate: nobody counts any more. */
const GIVEN_UP = 3

export class RateFinder {
  #rate = Infinity
  #lossRate = Infinity
  #cutAt: Millis = -Infinity
  #steppedAt: Millis = -Infinity
  #lowest = Infinity

  /** Calls per second that may be sent; Infinity = nothing was refused lately. */
  get rate(): number {
    return this.#rate
  }

  /** A call sent at `sentAt` was refused, while `accepted` calls per second were answered. */
  loss(at: Millis, sentAt: Millis, accepted: number): void {
    if (sentAt <= this.#cutAt || at - this.#cutAt < STEP_MS) return
    this.#cutAt = at
    this.#steppedAt = at
    this.#lossRate = this.#rate === Infinity ? Math.max(LEAST, accepted) : this.#rate
    this.#rate = Math.max(LEAST, CUT * this.#lossRate)
    this.#lowest = Math.min(this.#lowest, this.#rate)
  }

  tick(now: Millis, answered: number): void {
    if (this.#rate === Infinity || now - this.#steppedAt < STEP_MS || answered < USED * this.#rate) return
    this.#steppedAt = now
    const late = now - this.#cutAt >= PLATEAU_MS
    const near = !late && this.#rate >= NEAR_LOSS * this.#lossRate && this.#rate <= this.#lossRate * PAST_LOSS
    this.#rate *= near ? GROWTH_NEAR_LOSS : GROWTH
    if (this.#rate > GIVEN_UP * this.#lowest) this.stop()
  }

  /** The upstream is well. */
  stop(): void {
    this.#rate = Infinity
    this.#lossRate = Infinity
    this.#lowest = Infinity
  }
}
