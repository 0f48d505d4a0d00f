/** Instants at which calls are due, one per call at most. */
import type { CallSlot, Millis } from '../model.ts'
import { IndexedHeap } from './indexed-heap.ts'

export class Agenda {
  readonly #due = new IndexedHeap()

  /** The earliest instant noted; Infinity = none. */
  nextAt(): Millis {
    return this.#due.topKey
  }

  /** Notes one instant for `call`, in place of any other. */
  add(call: CallSlot, at: Millis): void {
    this.#due.set(call, at)
  }

  /** The call is not due any more. */
  remove(call: CallSlot): void {
    this.#due.remove(call)
  }

  /** Takes out one call that is due at `now`; -1 = none. */
  take(now: Millis): CallSlot {
    if (this.#due.topKey > now) return -1
    const call = this.#due.top
    this.#due.remove(call)
    return call
  }
}
