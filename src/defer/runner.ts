/**
 * Takes deferred calls out of the store and runs them, each as a call that arrives at Weir like any other: limits,
 * holds, fair shares and the ramp are the core's, and none of them is known here.
 *
 * Owner of a claimed call until it is finished or back in the queue. `start` of an order is called on the last step
 * before the first byte goes out, and only a `true` lets it go: it is the durable mark that it was sent.
 */
import { randomUUID } from 'node:crypto'
import type { Millis } from '../core/model.ts'
import type { Claim, DeferredFacts, End } from './deferred-call.ts'
import { StoreError, type DeferredStore } from './deferred-store.ts'
import { judgeRun, type RunResult } from './judge-run.ts'
import { withCredentials } from './kept-headers.ts'
import { packAnswer, unpackCall, type AnswerMessage, type CallMessage } from './packed-message.ts'
import { RunWindow } from './run-window.ts'
import type { Keyring } from './seal.ts'

export interface RunOrder {
  readonly facts: DeferredFacts
  readonly message: CallMessage
  /** 1 = the first start. */
  readonly attempt: number
  /** How long it may wait in a hold. */
  readonly patienceMs: Millis
  readonly mostAnswerBytes: number
  /** False = it must not be sent. */
  start(): Promise<boolean>
}

/** Runs one order to its end. Never throws. */
export type Carry = (order: RunOrder) => Promise<RunResult>

export interface RunnerOptions {
  readonly upstreams: readonly string[]
  /** By upstream: headers that carry its credentials. */
  readonly credentials: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly concurrency: number
  readonly attempts: number
  readonly mostAnswerBytes: number
}

export interface RunnerRoom {
  readonly store: DeferredStore
  readonly keyring: Keyring
  readonly carry: Carry
  readonly clock: () => Millis
  readonly wall: () => Millis
  readonly onEnd: (id: string) => void
  readonly onTrouble: (message: string) => void
}

/** promises.md row 72: far longer than a stall of the process. */
const LEASE_MS: Millis = 30_000
const RENEW_EVERY_MS: Millis = 10_000
/** How soon what another Weir accepted, or what has become due, is seen. */
const LOOK_EVERY_MS: Millis = 500
/** A place of the runner is not blocked for longer by an upstream that is not well: then comes a slot. */
const PATIENCE_MS: Millis = 20_000
/** After trouble with the store. */
const REST_MS: Millis = 1000
/** How long, and how often, what a run came to is told to a store that is away. */
const INSIST_MS: Millis = 120_000
const INSIST_EVERY_MS: Millis = 300
const IDLE_LOOK_MS: Millis = 10
/** A call whose key is missing is looked at again then: the operator may put the key back. */
const NO_KEY_MS: Millis = 30_000

export class Runner {
  readonly #room: RunnerRoom
  readonly #options: RunnerOptions
  readonly #owner = randomUUID()
  readonly #windows: ReadonlyMap<string, RunWindow>
  readonly #running = new Map<string, Claim>()
  #timers: NodeJS.Timeout[] = []
  #isStopped = true
  #isClosed = false
  #isFilling = false
  #isNudged = false
  #restsUntil: Millis = 0
  /** Calls whose key is not here, when last seen. */
  withoutKey = 0

  constructor(room: RunnerRoom, options: RunnerOptions) {
    this.#room = room
    this.#options = options
    this.#windows = new Map(options.upstreams.map((name) => [name, new RunWindow(options.concurrency)]))
  }

  get running(): number {
    return this.#running.size
  }

  start(): void {
    this.#isStopped = false
    this.#timers = [
      setInterval(() => this.nudge(), LOOK_EVERY_MS),
      setInterval(() => this.#renew(), RENEW_EVERY_MS),
    ]
    for (const timer of this.#timers) timer.unref()
    this.nudge()
  }

  /** Takes no more calls; those under way go on to their end. */
  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers) clearInterval(timer)
    // Leases of what is still under way have to last until it ends.
    if (this.#running.size > 0) {
      const timer = setInterval(() => {
        if (this.#running.size === 0) clearInterval(timer)
        else this.#renew()
      }, RENEW_EVERY_MS)
      timer.unref()
    }
  }

  /** Resolves when what is under way has ended, or after `ms`; nothing is tried again then. */
  async idle(ms: Millis): Promise<void> {
    const by = this.#room.clock() + ms
    while (this.#running.size > 0 && this.#room.clock() < by) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_LOOK_MS))
    }
    this.#isClosed = true
  }

  /** There may be something to do. */
  nudge(): void {
    this.#isNudged = true
    if (!this.#isFilling) void this.#fill()
  }

  async #fill(): Promise<void> {
    this.#isFilling = true
    while (this.#isNudged) {
      this.#isNudged = false
      try {
        while (await this.#next());
      } catch (error) {
        this.#restsUntil = this.#room.clock() + REST_MS
        this.#room.onTrouble(error instanceof Error ? error.message : String(error))
      }
    }
    this.#isFilling = false
  }

  /** Claims one call and lets it run; false = no place, or nothing to do. */
  async #next(): Promise<boolean> {
    const now = this.#room.clock()
    const { store } = this.#room
    if (this.#isStopped || !store.isOpen || now < this.#restsUntil) return false
    if (this.#running.size >= this.#options.concurrency) return false
    const open = [...this.#windows].filter(([, window]) => window.hasRoom(now)).map(([name]) => name)
    if (open.length === 0) return false
    const claim = await store.claim(open, this.#owner, LEASE_MS)
    if (claim === undefined) return false
    const window = this.#windows.get(claim.facts.upstream)!
    this.#running.set(claim.facts.id, claim)
    window.running += 1
    void this.#run(claim, window)
      .catch((error: unknown) => this.#room.onTrouble(error instanceof Error ? error.message : String(error)))
      .finally(() => {
        window.running -= 1
        this.#running.delete(claim.facts.id)
        this.nudge()
      })
    return true
  }

  async #run(claim: Claim, window: RunWindow): Promise<void> {
    const { store, keyring, carry, clock } = this.#room
    const { facts, fence } = claim
    const opened = keyring.open(facts.id, 'call', claim.call)
    if (!opened.ok) {
      if (opened.why === 'damaged') {
        await this.#finish(claim, { ending: 'failed', why: 'damaged', status: 0 }, undefined)
        return
      }
      this.withoutKey += 1
      this.#room.onTrouble(`deferred calls are sealed under key ${opened.keyId}, which is not configured`)
      await store.postpone(facts.id, fence, NO_KEY_MS)
      return
    }
    const message = unpackCall(opened.bytes)
    let starts = claim.attempts
    const result = await carry({
      facts,
      message: {
        ...message,
        rawHeaders: withCredentials(message.rawHeaders, this.#options.credentials[facts.upstream]),
      },
      attempt: claim.attempts + 1,
      patienceMs: PATIENCE_MS,
      mostAnswerBytes: this.#options.mostAnswerBytes,
      start: async () => {
        const isOurs = await store.markStarted(facts.id, fence, LEASE_MS)
        if (isOurs) {
          starts += 1
          window.passed()
          this.nudge()
        }
        return isOurs
      },
    })
    const judged = judgeRun(result, facts, starts, this.#options.attempts, Math.random())
    if (judged.do === 'again') {
      if (judged.unwell) window.refused(clock(), judged.delayMs)
      await this.#insist(async () => await store.postpone(facts.id, fence, judged.delayMs))
    } else await this.#finish(claim, judged.end, judged.answer)
  }

  async #finish(claim: Claim, end: End, answer: AnswerMessage | undefined): Promise<void> {
    const { store, keyring } = this.#room
    const { facts, fence } = claim
    const box = answer === undefined ? undefined : keyring.seal(facts.id, 'answer', packAnswer(answer))
    await this.#insist(async () => {
      try {
        await store.finish(facts.id, fence, end, box)
      } catch (error) {
        if (error instanceof StoreError || box === undefined) throw error
        // The outcome is worth more than the answer: what fits is kept.
        await store.finish(facts.id, fence, { ...end, ending: 'failed', why: 'no-room' }, undefined)
      }
    })
    this.#room.onEnd(facts.id)
  }

  /** A store that is away for a while must not cost what is known by now: the step is tried until it is back. */
  async #insist(step: () => Promise<unknown>): Promise<void> {
    const by = this.#room.clock() + INSIST_MS
    for (;;) {
      try {
        await step()
        return
      } catch (error) {
        const isOver = this.#room.clock() >= by || this.#isClosed
        if (isOver || !(error instanceof StoreError)) throw error
        await new Promise((resolve) => setTimeout(resolve, INSIST_EVERY_MS))
      }
    }
  }

  #renew(): void {
    for (const { facts, fence } of this.#running.values()) {
      this.#room.store.renew(facts.id, fence, LEASE_MS).catch((error: unknown) => {
        this.#room.onTrouble(error instanceof Error ? error.message : String(error))
      })
    }
  }
}
