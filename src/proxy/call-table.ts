/**
 * The open calls, by the dense numbers that the core indexes its arrays with: the lowest free number is given out
 * first. The metadata record for the core is made once per number and reused; a call itself is always new, so that
 * nothing that remembers an old one can touch its successor.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Arrival, CallSlot, Millis } from '../core/model.ts'
import { newCallId } from './call-id.ts'
import type { Call, CallFacts } from './call.ts'
import type { Upstream } from './upstreams.ts'

export class CallTable {
  readonly #calls: (Call | undefined)[] = []
  readonly #arrivals: Arrival[] = []
  /** Binary min-heap of freed numbers below `#arrivals.length`. */
  readonly #free: CallSlot[] = []
  #open = 0

  get open(): number {
    return this.#open
  }

  bySlot(slot: CallSlot): Call | undefined {
    return this.#calls[slot]
  }

  /** The record that the next `begin` will use; fill it first. */
  nextArrival(): Arrival {
    const slot = this.#free[0] ?? this.#arrivals.length
    const known = this.#arrivals[slot]
    if (known !== undefined) return known
    const arrival = blankArrival(slot)
    this.#arrivals.push(arrival)
    push(this.#free, slot)
    return arrival
  }

  begin(
    request: IncomingMessage,
    response: ServerResponse | undefined,
    socket: Duplex,
    upstream: Upstream,
    target: string,
    arrivedAt: Millis,
    facts: CallFacts,
  ): Call {
    const arrival = this.nextArrival()
    const slot = pop(this.#free)
    const call: Call = {
      slot,
      id: newCallId(),
      arrivedAt,
      request,
      response,
      socket,
      upstream,
      target,
      arrival,
      facts,
      verdict: undefined,
      phase: 'new',
      body: undefined,
      heldSince: 0,
      heldMs: 0,
      sentAt: 0,
      firstByteAt: 0,
      bytesIn: 0,
      bytesOut: 0,
      status: 0,
      exchange: undefined,
      outcome: undefined,
    }
    this.#calls[slot] = call
    this.#open += 1
    return call
  }

  /** Takes a number for work that Weir does not carry, with its record: see `guests.ts`. */
  reserve(): Arrival {
    const arrival = this.nextArrival()
    pop(this.#free)
    return arrival
  }

  /** Gives a reserved number back, once. */
  release(slot: CallSlot): void {
    push(this.#free, slot)
  }

  /** Frees the number. False = the call had ended before. */
  end(call: Call): boolean {
    if (call.phase === 'ended' || this.#calls[call.slot] !== call) return false
    call.phase = 'ended'
    call.body = undefined
    this.#calls[call.slot] = undefined
    this.#open -= 1
    push(this.#free, call.slot)
    return true
  }

  forEach(visit: (call: Call) => void): void {
    for (const call of this.#calls) if (call !== undefined) visit(call)
  }
}

function blankArrival(call: CallSlot): Arrival {
  return {
    at: 0,
    call,
    upstream: 0,
    agent: '',
    trust: 'derived',
    workflow: '',
    parent: '',
    method: '',
    path: '',
    route: '',
    bytes: 0,
    priority: 'normal',
    family: '',
    patienceMs: Infinity,
    attempt: 0,
    onceKey: 0,
    fingerprint: 0,
    credential: 0,
    longLived: false,
    holdable: false,
    deferrable: false,
  }
}

function push(heap: number[], value: number): void {
  let index = heap.length
  heap.push(value)
  while (index > 0) {
    const parent = (index - 1) >> 1
    if (heap[parent]! <= value) break
    heap[index] = heap[parent]!
    index = parent
  }
  heap[index] = value
}

function pop(heap: number[]): number {
  const least = heap[0]!
  const value = heap.pop()!
  const size = heap.length
  if (size === 0) return least
  let index = 0
  for (;;) {
    let child = index * 2 + 1
    if (child >= size) break
    if (child + 1 < size && heap[child + 1]! < heap[child]!) child += 1
    if (heap[child]! >= value) break
    heap[index] = heap[child]!
    index = child
  }
  heap[index] = value
  return least
}
