/**
 * Which calls are at each upstream, the one that went first at the front: lists through arrays by call slot, so that
 * who looks at one upstream's calls does not pass by those of all others.
 */
import type { CallSlot, UpstreamIndex } from '../model.ts'

const NONE = -1

export class InFlight {
  readonly #first: Int32Array
  readonly #last: Int32Array
  #next = new Int32Array(64)
  #previous = new Int32Array(64)

  constructor(upstreams: number) {
    this.#first = new Int32Array(upstreams).fill(NONE)
    this.#last = new Int32Array(upstreams).fill(NONE)
  }

  /** A call that is in no list goes to this upstream. */
  join(call: CallSlot, upstream: UpstreamIndex): void {
    if (call >= this.#next.length) this.#reach(call)
    const last = this.#last[upstream]!
    this.#next[call] = NONE
    this.#previous[call] = last
    if (last === NONE) this.#first[upstream] = call
    else this.#next[last] = call
    this.#last[upstream] = call
  }

  /** A call that joined this upstream ended. */
  leave(call: CallSlot, upstream: UpstreamIndex): void {
    const next = this.#next[call]!
    const previous = this.#previous[call]!
    if (previous === NONE) this.#first[upstream] = next
    else this.#next[previous] = next
    if (next === NONE) this.#last[upstream] = previous
    else this.#previous[next] = previous
  }

  /** -1 = nothing is in flight there. */
  first(upstream: UpstreamIndex): CallSlot {
    return this.#first[upstream]!
  }

  /** The call that went to the same upstream next; -1 = this was the last. */
  after(call: CallSlot): CallSlot {
    return this.#next[call]!
  }

  #reach(call: CallSlot): void {
    const size = Math.max(2 * this.#next.length, call + 1)
    this.#next = enlarged(this.#next, size)
    this.#previous = enlarged(this.#previous, size)
  }
}

function enlarged(array: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size)
  larger.set(array)
  return larger
}
