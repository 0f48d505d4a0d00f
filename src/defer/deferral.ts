/**
 * The room's face towards the proxy: accepts calls that are answered later, has them run, and knows how each ended.
 * One process has one; what it promises is what its store can keep. Outside a call is named by the token that its
 * client was given, in the store by a hash of it.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Millis, Priority, Trust } from '../core/model.ts'
import type { DeferredFacts, DeferredView } from './deferred-call.ts'
import type { Cancellation, DeferredStore, StoreBounds, Totals } from './deferred-store.ts'
import { keptHeaders } from './kept-headers.ts'
import { packCall, unpackAnswer, type AnswerMessage, type CallMessage } from './packed-message.ts'
import { Runner, type Carry } from './runner.ts'
import type { Keyring } from './seal.ts'
import { Waiters } from './waiters.ts'

export interface DeferralOptions {
  /** Of one request body, in bytes. */
  readonly callBytes: number
  /** Of one answer, in bytes. */
  readonly answerBytes: number
  /** How long a call may wait for its run. */
  readonly ttlMs: Millis
  readonly concurrency: number
  /** By upstream: headers that carry its credentials; then those of agents are not kept. */
  readonly credentials: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly bounds: StoreBounds
}

export interface DeferralRoom {
  readonly store: DeferredStore
  readonly keyring: Keyring
  readonly upstreams: readonly string[]
  readonly clock: () => Millis
  readonly wall: () => Millis
  /** For the operator; limited by whoever writes it. Never anything that an agent sent. */
  readonly onTrouble: (message: string) => void
  /** The store can be used, at the start or at last. */
  readonly onOpen?: () => void
}

/** A call that is to be answered later. */
export interface NewCall extends CallMessage {
  readonly upstream: string
  readonly agent: string
  readonly trust: Trust
  readonly workflow: string
  readonly parent: string
  readonly priority: Priority
}

export type Accepted =
  | { readonly is: 'accepted' | 'unclear'; readonly id: string; readonly retryAfterMs: Millis }
  | { readonly is: 'full' | 'closed' }

/** Why calls were not taken. */
export const REFUSALS = ['full', 'closed', 'unclear'] as const

export interface DeferralReading {
  readonly open: boolean
  readonly durability: string
  readonly totals: Totals
  readonly accepted: number
  readonly refused: Readonly<Record<(typeof REFUSALS)[number], number>>
  /** Runs that found a call sealed under a key that is not here. */
  readonly withoutKey: number
  /** Wall clock. */
  readonly at: Millis
}

export type KeptAnswer =
  | { readonly is: 'answer'; readonly answer: AnswerMessage }
  | { readonly is: 'none' | 'damaged' }
  | { readonly is: 'no-key'; readonly keyId: string }

/** RFC 9110 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
/** The IETF draft's name, and the one that some clients put an X before. */
const KEY_NAMES: ReadonlySet<string> = new Set(['idempotency-key', 'x-idempotency-key'])
/** 128 random bits: one cannot be guessed, whoever tries for however long. */
const ID_BYTES = 16
const HOUSEKEEPING_MS: Millis = 1000
/** A store that cannot be opened (its disk is full, another process has it) is tried again at this pace. */
const REOPEN_MS: Millis = 2000
const LOOK_FOR_WAITERS_MS: Millis = 400
/** After the last answer of a drain: time to store it. */
const LAST_STEPS_MS: Millis = 2000
const RETRY_AFTER_MS = { least: 1000, most: 60_000 } as const
const NO_TOTALS: Totals = {
  waiting: 0,
  running: 0,
  ended: 0,
  bytes: 0,
  oldestAt: 0,
  endings: { done: 0, failed: 0, expired: 0, unknown: 0 },
}

export class Deferral {
  readonly options: DeferralOptions
  readonly #room: DeferralRoom
  readonly #waiters = new Waiters()
  #runner: Runner | undefined
  #totals = NO_TOTALS
  #accepted = 0
  readonly #refused = { full: 0, closed: 0, unclear: 0 }
  #timers: NodeJS.Timeout[] = []
  #opening: Promise<void> | undefined
  #reopen: NodeJS.Timeout | undefined
  #isDrained = false
  #isAccepting = false
  #isKeepingHouse = false
  /** Ends per second, smoothed over some ten seconds. */
  #endRate = 0
  #endsBefore = -1

  constructor(options: DeferralOptions, room: DeferralRoom) {
    this.options = options
    this.#room = room
  }

  /** A call that comes now can be promised an answer. */
  get isOpen(): boolean {
    return this.#isAccepting && this.#room.store.isOpen
  }

  get reading(): DeferralReading {
    return {
      open: this.isOpen,
      durability: this.#room.store.durability,
      totals: this.#totals,
      accepted: this.#accepted,
      refused: this.#refused,
      withoutKey: this.#runner?.withoutKey ?? 0,
      at: this.#room.wall(),
    }
  }

  /**
   * Opens the store and begins to run what is in it. A store that cannot be opened is told, closes only this, and is
   * tried again until it can; resolves after the first try.
   */
  start(carry: Carry): Promise<void> {
    return (this.#opening = this.#open(carry))
  }

  async #open(carry: Carry): Promise<void> {
    const { store, onTrouble, onOpen } = this.#room
    try {
      await store.open()
    } catch (error) {
      onTrouble(error instanceof Error ? error.message : String(error))
      if (this.#isDrained) return
      this.#reopen = setTimeout(() => void this.start(carry), REOPEN_MS)
      this.#reopen.unref()
      return
    }
    if (this.#isDrained) return
    await this.#begin(carry)
    if (store.isOpen) onOpen?.()
  }

  async #begin(carry: Carry): Promise<void> {
    const { store, keyring, upstreams, clock, wall, onTrouble } = this.#room
    const { credentials, concurrency, answerBytes, bounds } = this.options
    const onEnd = (id: string): void => this.#waiters.wake(id)
    this.#runner = new Runner(
      { store, keyring, carry, clock, wall, onEnd, onTrouble },
      { upstreams, credentials, concurrency, attempts: bounds.attempts, mostAnswerBytes: answerBytes },
    )
    this.#isAccepting = true
    this.#runner.start()
    this.#timers = [
      setInterval(() => void this.#keepHouse(), HOUSEKEEPING_MS),
      setInterval(() => void this.#lookForWaiters(), LOOK_FOR_WAITERS_MS),
    ]
    for (const timer of this.#timers) timer.unref()
    await this.#keepHouse()
  }

  /** Promises nothing more and starts nothing more; what runs goes on. */
  drain(): void {
    this.#isDrained = true
    clearTimeout(this.#reopen)
    this.#isAccepting = false
    this.#runner?.stop()
    this.#waiters.wakeAll()
  }

  /** After `drain`, when nothing runs any more. */
  async close(): Promise<void> {
    this.drain()
    await this.#opening
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    await this.#runner?.idle(LAST_STEPS_MS)
    await this.#room.store.close()
  }

  /** Resolves when the promise can be kept, or cannot be made. */
  async accept(call: NewCall): Promise<Accepted> {
    const { store, keyring, wall } = this.#room
    if (!this.isOpen) return this.#refuse('closed')
    const token = randomBytes(ID_BYTES).toString('base64url')
    const id = nameOf(token)
    const { method, target, body, upstream, agent, trust, workflow, parent, priority } = call
    const rawHeaders = keptHeaders(call.rawHeaders, this.options.credentials[upstream] === undefined)
    const box = keyring.seal(id, 'call', packCall({ method, target, rawHeaders, body }))
    const acceptedAt = wall()
    const facts: DeferredFacts = {
      id,
      upstream,
      agent,
      trust,
      workflow,
      parent,
      priority,
      idempotent: IDEMPOTENT.has(method) || hasKey(call.rawHeaders),
      acceptedAt,
      expiresAt: acceptedAt + this.options.ttlMs,
      bytes: box.length,
    }
    const said = await store.accept(facts, box)
    if (said === 'full' || said === 'closed') return this.#refuse(said)
    if (said === 'unclear') this.#refused.unclear += 1
    else {
      this.#accepted += 1
      this.#runner?.nudge()
    }
    return { is: said, id: token, retryAfterMs: this.retryAfterMs }
  }

  /** Takes back what was accepted for a client that is not there any more to hear of it. */
  async withdraw(token: string): Promise<void> {
    await this.#room.store.cancel(nameOf(token)).catch(() => {})
  }

  /** When it is worth asking again: as long as the queue takes at its present speed. */
  get retryAfterMs(): Millis {
    const { least, most } = RETRY_AFTER_MS
    const queueMs = (1000 * this.#totals.waiting) / Math.max(1, this.#endRate)
    return Math.min(most, Math.max(least, queueMs))
  }

  async view(token: string): Promise<DeferredView | undefined> {
    const view = await this.#room.store.view(nameOf(token))
    return view === undefined ? undefined : { ...view, id: token }
  }

  async answer(token: string): Promise<KeptAnswer> {
    const id = nameOf(token)
    const box = await this.#room.store.answer(id)
    if (box === undefined) return { is: 'none' }
    const opened = this.#room.keyring.open(id, 'answer', box)
    if (opened.ok) return { is: 'answer', answer: unpackAnswer(opened.bytes) }
    return opened.why === 'no-key' ? { is: 'no-key', keyId: opened.keyId } : { is: 'damaged' }
  }

  async cancel(token: string): Promise<Cancellation> {
    const id = nameOf(token)
    const did = await this.#room.store.cancel(id)
    this.#waiters.wake(id)
    return did
  }

  /** Resolves when the call may have ended, or after `ms`, or at once in a drain. */
  async wait(token: string, ms: Millis, gone?: (leave: () => void) => void): Promise<void> {
    if (this.#isAccepting) await this.#waiters.wait(nameOf(token), ms, gone)
  }

  #refuse(is: 'full' | 'closed'): Accepted {
    this.#refused[is] += 1
    return { is }
  }

  async #keepHouse(): Promise<void> {
    const { store, onTrouble } = this.#room
    if (this.#isKeepingHouse || !store.isOpen) return
    this.#isKeepingHouse = true
    try {
      const swept = await store.sweep()
      if (swept.requeued > 0) this.#runner?.nudge()
      this.#totals = await store.totals()
      const { done, failed, expired, unknown } = this.#totals.endings
      const ends = done + failed + expired + unknown
      if (this.#endsBefore >= 0) this.#endRate += (ends - this.#endsBefore - this.#endRate) / 10
      this.#endsBefore = ends
    } catch (error) {
      onTrouble(error instanceof Error ? error.message : String(error))
    }
    this.#isKeepingHouse = false
  }

  /** Another Weir may have run what a client of this one waits for. */
  async #lookForWaiters(): Promise<void> {
    const looks = this.#waiters.ids.map(async (id) => {
      const view = await this.#room.store.view(id).catch(() => undefined)
      if (view !== undefined && view.endedAt > 0) this.#waiters.wake(id)
    })
    await Promise.all(looks)
  }
}

/** Under which a call is kept: whoever sees the store, but not its keys, cannot fetch what is in it. */
function nameOf(token: string): string {
  return createHash('sha256').update(token).digest().toString('base64url', 0, ID_BYTES)
}

function hasKey(rawHeaders: readonly string[]): boolean {
  return rawHeaders.some((name, index) => index % 2 === 0 && KEY_NAMES.has(name.toLowerCase()))
}
