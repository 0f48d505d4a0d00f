/**
 * Calls in the order in which they happened. A call's line is written when it has ended, its arrival lies before:
 * arrivals and ends wait in a heap until nothing earlier is to be expected, and go out by time.
 *
 * "Nothing earlier" is a matter of how long calls last: twice as long as any that was seen, within bounds. One that
 * lasts longer than that comes late, with the time that it is by then. Nor are more than `most` calls kept waiting.
 */
import type { Millis } from '../../core/model.ts'
import type { CallLine } from '../line.ts'

const SHORTEST_HORIZON_MS: Millis = 30_000
/** What the core remembers of a call for retries (`LineageTracker`): a later one tells it nothing more. */
const LONGEST_HORIZON_MS: Millis = 120_000
/** About 100 MB of lines. */
const MOST_WAITING = 98_304

/** One call on its way from its arrival to its end, with what the analysis learns of it. */
export interface OrderedCall {
  readonly line: CallLine
  /** Number of the attempt, 1 = the first, and the confidence that it is a retry at all (0 = it is none). */
  attempt: number
  retry: number
  /** Where its workflow is counted; the owner's. */
  workflow: object | undefined
  /** The step of its workflow that it belongs to; the owner's. */
  step: number
  hasArrived: boolean
}

export interface CallSink {
  /** `at` never goes back within a run. */
  arrived(call: OrderedCall, at: Millis): void
  ended(call: OrderedCall, at: Millis): void
}

export class CallOrder {
  readonly #sink: CallSink
  readonly #most: number
  /** The heap, side by side: time, number of the core's order for equal times, and the call. */
  #ats = new Float64Array(1024)
  #orders = new Float64Array(1024)
  readonly #calls: OrderedCall[] = []
  #newest: Millis = -Infinity
  #longest: Millis = 0
  #now: Millis = -Infinity
  #late = 0

  constructor(sink: CallSink, most: number = MOST_WAITING) {
    this.#sink = sink
    this.#most = most
  }

  /** Arrivals that came after their time. */
  get late(): number {
    return this.#late
  }

  add(line: CallLine): void {
    const call = { line, attempt: 1, retry: 0, workflow: undefined, step: -1, hasArrived: false }
    if (line.at < this.#now) this.#late += 1
    if (line.endMs > this.#longest && line.longLived !== true) this.#longest = line.endMs
    this.#newest = Math.max(this.#newest, line.at + line.endMs)
    this.#push(line.at, line.order[0] ?? 0, call)
    const horizonMs = Math.min(LONGEST_HORIZON_MS, Math.max(SHORTEST_HORIZON_MS, 2 * this.#longest))
    const safe = this.#newest - horizonMs
    const calls = this.#calls
    while (calls.length > this.#most || (calls.length > 0 && this.#ats[0]! < safe)) this.#next()
  }

  /** Ends a run: what waits goes out, and time may begin anew. */
  flush(): void {
    while (this.#calls.length > 0) this.#next()
    this.#newest = -Infinity
    this.#now = -Infinity
  }

  #next(): void {
    const call = this.#calls[0]!
    const at = this.#ats[0]!
    if (at > this.#now) this.#now = at
    if (!call.hasArrived) {
      const { line } = call
      call.hasArrived = true
      this.#sift(line.at + line.endMs, line.order.at(-1) ?? 0, call)
      this.#sink.arrived(call, this.#now)
      return
    }
    const last = this.#calls.pop()!
    const end = this.#calls.length
    if (end > 0) this.#sift(this.#ats[end]!, this.#orders[end]!, last)
    this.#sink.ended(call, this.#now)
  }

  #push(at: Millis, order: number, call: OrderedCall): void {
    let index = this.#calls.push(call) - 1
    if (index >= this.#ats.length) this.#grow()
    while (index > 0) {
      const above = (index - 1) >> 1
      if (!this.#isBefore(at, order, above)) break
      this.#move(above, index)
      index = above
    }
    this.#place(index, at, order, call)
  }

  /** From the top down to its place. */
  #sift(at: Millis, order: number, call: OrderedCall): void {
    const ats = this.#ats
    const size = this.#calls.length
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      if (below >= size) break
      const right = below + 1
      if (right < size && this.#isBefore(ats[right]!, this.#orders[right]!, below)) below = right
      if (!(ats[below]! < at || (ats[below] === at && this.#orders[below]! < order))) break
      this.#move(below, index)
      index = below
    }
    this.#place(index, at, order, call)
  }

  #isBefore(at: Millis, order: number, other: number): boolean {
    const otherAt = this.#ats[other]!
    return at < otherAt || (at === otherAt && order < this.#orders[other]!)
  }

  #move(from: number, to: number): void {
    this.#ats[to] = this.#ats[from]!
    this.#orders[to] = this.#orders[from]!
    this.#calls[to] = this.#calls[from]!
  }

  #place(index: number, at: Millis, order: number, call: OrderedCall): void {
    this.#ats[index] = at
    this.#orders[index] = order
    this.#calls[index] = call
  }

  #grow(): void {
    const ats = new Float64Array(this.#ats.length * 2)
    const orders = new Float64Array(this.#ats.length * 2)
    ats.set(this.#ats)
    orders.set(this.#orders)
    this.#ats = ats
    this.#orders = orders
  }
}
