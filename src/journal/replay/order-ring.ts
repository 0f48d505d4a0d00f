/**
 * Puts what the core was told back into its order. A call is written when it ends, its arrival long before that: so
 * the numbers come out of order, nearly dense. A ring indexed by the number holds what came early (12 bytes a number)
 * and gives out the next one as soon as it is there. Nothing is sorted.
 *
 * A number that never comes (a dropped line, a call that was open when the process died) is a hole: it holds up
 * everything behind it until the caller decides to `skip` it, at the latest when the ring is full.
 */
import type { Millis } from '../../core/model.ts'

const FIRST_CAPACITY = 1 << 12
const NOTHING = -1

export type Placed = 'placed' | 'late' | 'full'

export class OrderRing {
  /** The event that `take` gave out last. */
  at: Millis = 0
  ref = NOTHING
  order = 0
  /** Most numbers that were ever waited over: from the next one to the highest known. */
  largestSpan = 0
  /** Numbers that were skipped because nothing came for them. */
  skipped = 0
  #ats = new Float64Array(FIRST_CAPACITY)
  #refs = new Int32Array(FIRST_CAPACITY).fill(NOTHING)
  #mask = FIRST_CAPACITY - 1
  #next: number
  #end: number
  #size = 0
  readonly #capacity: number

  /**
   * @param first the lowest number that is expected
   * @param capacity numbers that may be waited over, a power of two
   */
  constructor(first: number, capacity: number) {
    this.#next = first
    this.#end = first
    this.#capacity = capacity
  }

  /** Events that wait for their turn. */
  get size(): number {
    return this.#size
  }

  /** The next number that is waited for. */
  get next(): number {
    return this.#next
  }

  /** `ref` is the caller's, from 0. `full`: skip and take first. `late`: its turn is over. */
  put(order: number, at: Millis, ref: number): Placed {
    if (order < this.#next) return 'late'
    const span = order - this.#next + 1
    if (span > this.#refs.length) {
      if (span > this.#capacity) return 'full'
      this.#grow(span)
    }
    if (span > this.largestSpan) this.largestSpan = span
    const index = order & this.#mask
    if (this.#refs[index] === NOTHING) this.#size += 1
    this.#ats[index] = at
    this.#refs[index] = ref
    if (order >= this.#end) this.#end = order + 1
    return 'placed'
  }

  /** Moves on to the next event, which is then in `at`, `ref` and `order`. False = it is not known yet. */
  take(): boolean {
    const index = this.#next & this.#mask
    const ref = this.#refs[index]!
    if (ref === NOTHING) return false
    this.#refs[index] = NOTHING
    this.ref = ref
    this.at = this.#ats[index]!
    this.order = this.#next
    this.#next += 1
    this.#size -= 1
    return true
  }

  /** Gives up on the numbers before the lowest one that is known. False = nothing is. */
  skip(): boolean {
    if (this.#size === 0) {
      this.skipped += this.#end - this.#next
      this.#next = this.#end
      return false
    }
    while (this.#refs[this.#next & this.#mask] === NOTHING) {
      this.#next += 1
      this.skipped += 1
    }
    return true
  }

  #grow(span: number): void {
    let capacity = this.#refs.length
    while (capacity < span) capacity *= 2
    const ats = new Float64Array(capacity)
    const refs = new Int32Array(capacity).fill(NOTHING)
    for (let order = this.#next; order < this.#end; order++) {
      const from = order & this.#mask
      const to = order & (capacity - 1)
      ats[to] = this.#ats[from]!
      refs[to] = this.#refs[from]!
    }
    this.#ats = ats
    this.#refs = refs
    this.#mask = capacity - 1
  }
}
