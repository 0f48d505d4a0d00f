/**
 * Who does most of it lately: an exponentially fading weight per member and the one with the most. Only the
 * member that was just counted can overtake the leader, so one comparison per event keeps the leader exact.
 *
 * Memory: 8 bytes per member.
 */
import type { Millis } from '../model.ts'

/** Rescaled before weights that grow as e^(t/tau) leave the range of a float. */
const RESCALE_AT = 40

export class Heaviest {
  readonly #fadeMs: Millis
  /** In units of the weight of an event at `#origin`: later events weigh more, which is fading without a sweep. */
  readonly #weights: Float64Array
  #total = 0
  #leader = -1
  #origin: Millis = 0

  /** @param fadeMs time in which a weight falls to 1/e */
  constructor(members: number, fadeMs: Millis) {
    this.#weights = new Float64Array(members)
    this.#fadeMs = fadeMs
  }

  get bytes(): number {
    return this.#weights.byteLength
  }

  add(member: number, weight: number, at: Millis): void {
    let exponent = (at - this.#origin) / this.#fadeMs
    if (exponent > RESCALE_AT) {
      this.#rescale(exponent)
      this.#origin = at
      exponent = 0
    }
    const scaled = weight * Math.exp(exponent)
    const sum = (this.#weights[member] ?? 0) + scaled
    this.#weights[member] = sum
    this.#total += scaled
    if (this.#leader === -1 || sum >= (this.#weights[this.#leader] ?? 0)) this.#leader = member
  }

  /** -1 = nobody did anything. */
  get leader(): number {
    return this.#leader
  }

  /** Of the faded whole, 0..1. */
  get leaderShare(): number {
    return this.#leader === -1 || this.#total <= 0 ? 0 : (this.#weights[this.#leader] ?? 0) / this.#total
  }

  /** Faded weight of the leader at `now`, in events. */
  leaderWeight(now: Millis): number {
    if (this.#leader === -1) return 0
    return (this.#weights[this.#leader] ?? 0) * Math.exp((this.#origin - now) / this.#fadeMs)
  }

  /** Takes a member out, for the next owner of its slot. */
  forget(member: number): void {
    this.#total -= this.#weights[member] ?? 0
    this.#weights[member] = 0
    if (this.#leader === member) this.#leader = this.#search()
  }

  clear(): void {
    this.#weights.fill(0)
    this.#total = 0
    this.#leader = -1
  }

  #rescale(exponent: number): void {
    const factor = Math.exp(-exponent)
    let total = 0
    for (let member = 0; member < this.#weights.length; member++) {
      const weight = (this.#weights[member] ?? 0) * factor
      this.#weights[member] = weight
      total += weight
    }
    this.#total = total
  }

  #search(): number {
    let best = -1
    for (let member = 0; member < this.#weights.length; member++) {
      const weight = this.#weights[member] ?? 0
      if (weight > 0 && (best === -1 || weight > (this.#weights[best] ?? 0))) best = member
    }
    return best
  }
}
