/** Instants at which calls are due, one per call at most. */
import type { CallSlot, Millis } from '../model.ts'
import { IndexedHeap } from './indexed-heap.ts'

export class Agenda {
  /** Room may have been made: the next tick, which is due at once, looks at those who wait for it. */
  isUrgent = false
  readonly #due = new IndexedHeap()

  /** The earliest instant noted; Infinity = none. */
  nextAt(): Millis {
    return this.#due.topKey
  }

  /** Notes one instant for `call`, in place of any other. */
  add(call: CallSlot, at: Millis): void {
    this.#due.set(call, at)
  }

  /** Notes an instant, unless there is an earlier one. */
  addNoLater(call: CallSlot, at: Millis): void {
    if (this.#due.keyOf(call) > at) this.#due.set(call, at)
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
