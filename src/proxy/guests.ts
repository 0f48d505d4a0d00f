/**
 * Places in the core for work that Weir does not carry itself: an orchestrator's step, a call that another proxy asks
 * about, a fetch in this very process. They share the core's numbers with the calls of the proxy, and the core knows
 * no difference: what they hold, wait for and end is counted with everything else.
 */
import type { Coordinator } from '../core/coordinator.ts'
import type { Arrival, CallSlot, Directive, Millis } from '../core/model.ts'
import type { Gate } from '../identity/gate.ts'
import type { CallTable } from './call-table.ts'
import type { IdentifiedFacts, Identifier } from './identify.ts'
import type { NoRoute, Router, UpstreamRoute } from './route.ts'

/** What the core says to a guest that it holds. */
export type Word = Extract<Directive, { do: 'release' | 'expire' }>

export interface GuestsRoom {
  /** The one whose timer runs: see `core-driver.ts`. */
  readonly core: Coordinator
  readonly clock: () => Millis
  readonly calls: Pick<CallTable, 'reserve' | 'release'>
  readonly route: Router
  readonly identify: Identifier
  /** Undefined or absent = everybody may. */
  readonly gate?: Gate | undefined
}

/** A request that is asked about: its head alone. */
export interface GuestHead {
  readonly method: string
  /** As it would be sent to Weir: `/{upstream}/rest`, an identity before it if there is one. */
  readonly target: string
  /** Flat names and values. */
  readonly rawHeaders: readonly string[]
  readonly remoteAddress: string
  /** The agent that proved its name to Weir; '' or absent = nobody did. */
  readonly verified?: string
}

export type Identified =
  | { readonly ok: true; readonly routed: UpstreamRoute; readonly facts: IdentifiedFacts }
  | { readonly ok: false; readonly status: number; readonly reason: string }

export class Guests {
  readonly core: Coordinator
  readonly clock: () => Millis
  readonly #room: GuestsRoom
  readonly #listeners: (((word: Word) => void) | undefined)[] = []
  #open = 0

  constructor(room: GuestsRoom) {
    this.core = room.core
    this.clock = room.clock
    this.#room = room
  }

  get open(): number {
    return this.#open
  }

  /** A record to be filled and told to the core. `listener` hears of a hold's end; then the place is given back. */
  take(listener: (word: Word) => void): Arrival {
    const arrival = this.#room.calls.reserve()
    this.#listeners[arrival.call] = listener
    this.#open += 1
    return arrival
  }

  /** Gives a place back, once, when the core is done with it. */
  give(slot: CallSlot): void {
    if (this.#listeners[slot] === undefined) return
    this.#listeners[slot] = undefined
    this.#open -= 1
    this.#room.calls.release(slot)
  }

  /** False = it is for no guest. */
  directive(word: Word): boolean {
    const listener = this.#listeners[word.call]
    if (listener === undefined) return false
    listener(word)
    return true
  }

  /** Fills everything in `arrival` but `at` and `call`, as if the request had come to Weir itself. */
  identify(head: GuestHead, arrival: Arrival): Identified {
    const routed: UpstreamRoute | NoRoute | { readonly ok: true; readonly own: true } = this.#room.route(
      head.method,
      head.target,
    )
    if (!routed.ok) return routed
    if (routed.own) return { ok: false, status: 404, reason: 'Weir itself is no upstream' }
    const { rawHeaders, remoteAddress, method, verified } = head
    const facts = this.#room.identify(rawHeaders, remoteAddress, routed, method, arrival, verified)
    const refusal = this.#room.gate?.judge(arrival)
    if (refusal !== undefined) return { ok: false, status: refusal.status, reason: refusal.message }
    return { ok: true, routed, facts }
  }
}
