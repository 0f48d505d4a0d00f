/**
 * One piece of work that asks the core before it begins, and tells it how it went: the same five verbs as a call of
 * the proxy, for work that somebody else carries. `ask` decides; what the core holds is decided later, once; what may
 * go is ended by `settle`. Every turn ends exactly once, and gives its place back then.
 */
import type {
  Advice,
  Arrival,
  Millis,
  Outcome,
  Quota,
  Reason,
  SettlementKind,
  UpstreamIndex,
  Verdict,
  VerdictKind,
} from '../core/model.ts'
import type { Guests, Word } from '../proxy/guests.ts'

/** What became of a question. Instants are on the core's clock. */
export type Decision = {
  readonly verdict: VerdictKind
  readonly reason: Reason
  /** Index of the rule that decided; -1 = none did. */
  readonly rule: number
  /** Where it goes: what was asked for, or a member of its group with room. */
  readonly upstream: UpstreamIndex
} & (
  | { readonly is: 'go' }
  /** It keeps its place; `until` is the latest instant at which that ends. */
  | { readonly is: 'wait'; readonly until: Millis }
  /** It is asked back at an instant of its own, and has no place until then. */
  | { readonly is: 'slot'; readonly at: Millis }
  | { readonly is: 'refused' }
)

export interface Head {
  readonly status: number
  /** Judged by its first byte and gaps, not by its length. */
  readonly streaming: boolean
  /** The upstream's own Retry-After in ms; -1 = none. */
  readonly retryAfterMs: Millis
  readonly quota: Quota | undefined
}

export interface Ending {
  readonly kind: SettlementKind
  /** 0 = no answer came. */
  readonly status: number
  /** Whoever asked has a whole answer. */
  readonly answered: boolean
  readonly bytesIn?: number
  readonly bytesOut?: number
}

export interface TurnEvents {
  /** A turn that waited is decided; never called within `ask`. */
  decided?(decision: Decision): void
  ended?(turn: Turn, outcome: Outcome): void
}

type Phase = 'new' | 'waiting' | 'going' | 'over'

export class Turn {
  readonly #guests: Guests
  readonly #events: TurnEvents
  /** The core's own record: to be filled before `ask`, not to be kept after the end. */
  readonly arrival: Arrival
  #phase: Phase = 'new'
  #decision: Decision | undefined
  #askedAt: Millis = 0
  #heldMs: Millis = 0
  #wasHeld = false
  #status = 0
  #verdict: Verdict | undefined

  constructor(guests: Guests, events: TurnEvents = {}) {
    this.#guests = guests
    this.#events = events
    this.arrival = guests.take((word) => this.#told(word))
  }

  get phase(): Phase {
    return this.#phase
  }

  get decision(): Decision | undefined {
    return this.#decision
  }

  /** How long it waited, or waits. */
  get heldMs(): Millis {
    return this.#phase === 'waiting' ? this.#guests.clock() - this.#askedAt : this.#heldMs
  }

  get status(): number {
    return this.#status
  }

  get verdict(): Verdict | undefined {
    return this.#verdict
  }

  ask(): Decision {
    const { core, clock } = this.#guests
    this.#askedAt = this.arrival.at = clock()
    const verdict = core.arrive(this.arrival)
    this.#verdict = verdict
    const { do: kind, reason, rule, upstream, until, slotAt } = verdict
    const said = { verdict: kind, reason, rule, upstream }
    if (kind === 'pass') {
      this.#phase = 'going'
      return (this.#decision = { ...said, is: 'go' })
    }
    if (kind === 'hold') {
      this.#phase = 'waiting'
      this.#wasHeld = true
      return (this.#decision = { ...said, is: 'wait', until })
    }
    this.#decision = slotAt > 0 ? { ...said, is: 'slot', at: slotAt } : { ...said, is: 'refused' }
    this.#end(kind === 'defer' ? 'deferred' : 'shed')
    return this.#decision
  }

  /** It has begun. */
  sent(): void {
    if (this.#phase !== 'going') return
    this.#guests.core.progress({ kind: 'sent', call: this.arrival.call, at: this.#guests.clock() })
  }

  /** Its answer has begun. `slotAt` 0: whatever the upstream advised is good advice. */
  head({ status, streaming, retryAfterMs, quota }: Head): Advice {
    if (this.#phase !== 'going') return NO_ADVICE
    this.#status = status
    const { core, clock } = this.#guests
    return core.progress({
      kind: 'head',
      call: this.arrival.call,
      at: clock(),
      status,
      streaming,
      retryAfterMs,
      quota,
    })
  }

  /** A piece of a stream came. */
  chunk(): void {
    if (this.#phase !== 'going') return
    this.#guests.core.progress({ kind: 'chunk', call: this.arrival.call, at: this.#guests.clock() })
  }

  /** Ends it; whatever comes after the first end is ignored. */
  settle({ kind, status, answered, bytesIn = 0, bytesOut = 0 }: Ending): void {
    if (this.#phase === 'over') return
    if (this.#phase === 'new') {
      // The core never heard of it.
      this.#phase = 'over'
      this.#guests.give(this.arrival.call)
      return
    }
    const isHeld = this.#phase === 'waiting'
    const { core, clock } = this.#guests
    if (isHeld) this.#heldMs = clock() - this.#askedAt
    this.#status = status
    core.settle({ call: this.arrival.call, at: clock(), kind, status, answered, bytesIn, bytesOut })
    if (isHeld || kind === 'cancelled') this.#end('client-gone')
    else if (!answered) this.#end('upstream-error')
    else this.#end(this.#wasHeld ? 'passed-after-hold' : 'passed')
  }

  /** Nobody wants it any more. */
  leave(): void {
    this.settle({ kind: 'cancelled', status: 0, answered: false })
  }

  #told(word: Word): void {
    if (this.#phase !== 'waiting' || this.#decision === undefined) return
    const { rule } = this.#decision
    this.#heldMs = this.#guests.clock() - this.#askedAt
    const said = { verdict: 'hold', reason: word.reason, rule } as const
    if (word.do === 'release') {
      this.#phase = 'going'
      this.#decision = { ...said, upstream: word.upstream, is: 'go' }
    } else {
      const { upstream } = this.#decision
      const { slotAt } = word
      this.#decision =
        slotAt > 0 ? { ...said, upstream, is: 'slot', at: slotAt } : { ...said, upstream, is: 'refused' }
      this.#end('hold-expired')
    }
    this.#events.decided?.(this.#decision)
  }

  #end(outcome: Outcome): void {
    this.#phase = 'over'
    this.#events.ended?.(this, outcome)
    this.#guests.give(this.arrival.call)
  }
}

const NO_ADVICE: Advice = { slotAt: 0 }
