/** What the hold queue knows of each call, in arrays by call slot; they grow with the highest slot held. */
import type { CallSlot } from '../model.ts'

/** A call is unknown, waits, waited too long, or was let go and has not ended. */
export const UNKNOWN = 0
export const WAITING = 1
export const OVERDUE = 2
export const LET_GO = 3

export class WaitingCalls {
  state = new Uint8Array(0)
  rank = new Uint8Array(0)
  agent = new Int32Array(0)
  next = new Int32Array(0)
  previous = new Int32Array(0)
  until = new Float64Array(0)
  cost = new Float64Array(0)
  bytes = new Float64Array(0)

  /** Makes room for this slot. */
  reach(call: CallSlot): void {
    if (call < this.state.length) return
    const size = Math.max(64, 2 * this.state.length, call + 1)
    this.state = copied(new Uint8Array(size), this.state)
    this.rank = copied(new Uint8Array(size), this.rank)
    this.agent = copied(new Int32Array(size), this.agent)
    this.next = copied(new Int32Array(size), this.next)
    this.previous = copied(new Int32Array(size), this.previous)
    this.until = copied(new Float64Array(size), this.until)
    this.cost = copied(new Float64Array(size), this.cost)
    this.bytes = copied(new Float64Array(size), this.bytes)
  }
}

function copied<A extends { set(from: A): void }>(to: A, from: A): A {
  to.set(from)
  return to
}
