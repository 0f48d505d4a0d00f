/**
 * Failures that a retry may follow, each good for one retry: inferred retries never outnumber failures, so a busy
 * caller is not taken for a retrying one (algorithms.md 3(2)). One pool for all owners, of fixed size: when it
 * is full, the oldest failure of all is forgotten. Each owner's failures stand in a list, oldest first.
 *
 * Memory: 42 bytes per failure and 8 per owner.
 */
import type { Millis } from '../model.ts'

const NONE = -1
/** Failures looked at per arrival: bounds the work when hundreds of equal calls fail together. */
const LONGEST_WALK = 64

/** When the retry of a failure is expected. */
export interface RetryWindow {
  readonly from: Millis
  readonly until: Millis
  /** Retries of an outer layer are possible outside of the window, from the failure to this instant. */
  readonly outerUntil: Millis
  /** The client's own layer may still retry: then an outer layer comes only after it gave up. */
  readonly innerGoesOn: boolean
}

/** An outer layer that does not wait at all comes back faster than any SDK does. */
const AT_ONCE_MS: Millis = 60

export class FailureCredits {
  readonly #owner: Int32Array
  readonly #next: Int32Array
  readonly #failedAt: Float64Array
  readonly #from: Float64Array
  readonly #until: Float64Array
  readonly #outerUntil: Float64Array
  readonly #attempt: Uint16Array
  readonly #innerGoesOn: Uint8Array
  readonly #heads: Int32Array
  readonly #tails: Int32Array
  #cursor = 0
  #outstanding = 0

  /** Attempt number of the failure that `spend` took last. */
  attempt = 0
  /** Width in ms of the window of the failure that `spend` took last. */
  widthMs: Millis = 0

  constructor(size: number, owners: number) {
    this.#owner = new Int32Array(size).fill(NONE)
    this.#next = new Int32Array(size).fill(NONE)
    this.#failedAt = new Float64Array(size)
    this.#from = new Float64Array(size)
    this.#until = new Float64Array(size)
    this.#outerUntil = new Float64Array(size)
    this.#attempt = new Uint16Array(size)
    this.#innerGoesOn = new Uint8Array(size)
    this.#heads = new Int32Array(owners).fill(NONE)
    this.#tails = new Int32Array(owners).fill(NONE)
  }

  get outstanding(): number {
    return this.#outstanding
  }

  add(owner: number, attempt: number, window: RetryWindow, at: Millis): void {
    const credit = this.#cursor
    this.#cursor = credit + 1 === this.#owner.length ? 0 : credit + 1
    const before = this.#owner[credit]!
    // The oldest of all is also the oldest of its owner.
    if (before !== NONE) this.#unlink(before, credit, NONE)
    this.#owner[credit] = owner
    this.#next[credit] = NONE
    this.#failedAt[credit] = at
    this.#from[credit] = window.from
    this.#until[credit] = window.until
    this.#outerUntil[credit] = window.outerUntil
    this.#attempt[credit] = Math.min(attempt, 0xffff)
    this.#innerGoesOn[credit] = window.innerGoesOn ? 1 : 0
    const tail = this.#tails[owner]!
    if (tail === NONE) this.#heads[owner] = credit
    else this.#next[tail] = credit
    this.#tails[owner] = credit
    this.#outstanding += 1
  }

  /** Spends the owner's oldest failure, whenever it was: the retry is proven. False = there is none. */
  spendOldest(owner: number): boolean {
    const head = this.#heads[owner]!
    if (head === NONE) return false
    this.#take(owner, head, NONE)
    return true
  }

  /** Spends the oldest failure whose window is open; failures whose time is over are forgotten. */
  spend(owner: number, isOuter: boolean, at: Millis): boolean {
    let before = NONE
    let credit = this.#heads[owner]!
    for (let steps = 0; credit !== NONE && steps < LONGEST_WALK; steps++) {
      const next = this.#next[credit]!
      if (at > this.#until[credit]! && at > this.#outerUntil[credit]!) this.#unlink(owner, credit, before)
      else if (
        isOuter ? this.#opensToOuter(credit, at) : at >= this.#from[credit]! && at <= this.#until[credit]!
      ) {
        this.#take(owner, credit, before)
        return true
      } else before = credit
      credit = next
    }
    return false
  }

  clear(owner: number): void {
    while (this.#heads[owner] !== NONE) this.#unlink(owner, this.#heads[owner]!, NONE)
  }

  #opensToOuter(credit: number, at: Millis): boolean {
    if (at > this.#outerUntil[credit]!) return false
    if (this.#innerGoesOn[credit] === 0) return true
    return at > this.#until[credit]! || at - this.#failedAt[credit]! <= AT_ONCE_MS
  }

  #take(owner: number, credit: number, before: number): void {
    this.attempt = this.#attempt[credit]!
    this.widthMs = this.#until[credit]! - this.#from[credit]!
    this.#unlink(owner, credit, before)
  }

  #unlink(owner: number, credit: number, before: number): void {
    const next = this.#next[credit]!
    if (before === NONE) this.#heads[owner] = next
    else this.#next[before] = next
    if (next === NONE) this.#tails[owner] = before
    this.#owner[credit] = NONE
    this.#outstanding -= 1
  }
}
