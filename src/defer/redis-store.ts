/**
 * The store of many Weirs: one hash per call, and sorted sets that Lua moves it between, so that each step is one
 * atomic step whoever takes it. A claim is a lease with a fencing token: of two Weirs that believe to have a call,
 * only the one with the newest token can mark it as started, and nobody sends what is not marked.
 */
import { PRIORITIES, type Millis, type Priority, type Trust } from '../core/model.ts'
import {
  ENDINGS,
  PENDING_STATES,
  WHYS,
  type Claim,
  type DeferredFacts,
  type DeferredView,
  type End,
} from './deferred-call.ts'
import {
  AGENT_STEP_MS,
  CLASS_STEP_MS,
  StoreError,
  type Acceptance,
  type Cancellation,
  type DeferredStore,
  type StoreBounds,
  type Swept,
  type Totals,
} from './deferred-store.ts'
import { ACCEPT, SETTLE } from './lua/accept.lua.ts'
import { CLAIM } from './lua/claim.lua.ts'
import { CANCEL, TOTALS } from './lua/look.lua.ts'
import { PRELUDE } from './lua/prelude.lua.ts'
import { FINISH, POSTPONE, RENEW, START } from './lua/run.lua.ts'
import { SWEEP } from './lua/sweep.lua.ts'
import { RedisLink, type RedisWord } from './redis-link.ts'

export interface RedisOptions {
  readonly url: string
  /** Beginning of all keys, without braces; Weirs with the same one share their calls. */
  readonly prefix: string
  readonly onTrouble?: (message: string) => void
}

/** Calls that one sweep touches at most: a script holds Redis while it runs. */
const SWEEP_CALLS = 128
/** How often, and how far apart, the fate of an order without a receipt is asked for. */
const SETTLE_TRIES = 8
const SETTLE_EVERY_MS: Millis = 250

const ACCEPT_SCRIPT = PRELUDE + ACCEPT
const SETTLE_SCRIPT = PRELUDE + SETTLE
const CLAIM_SCRIPT = PRELUDE + CLAIM
const START_SCRIPT = PRELUDE + START
const RENEW_SCRIPT = PRELUDE + RENEW
const POSTPONE_SCRIPT = PRELUDE + POSTPONE
const FINISH_SCRIPT = PRELUDE + FINISH
const CANCEL_SCRIPT = PRELUDE + CANCEL
const SWEEP_SCRIPT = PRELUDE + SWEEP
const TOTALS_SCRIPT = PRELUDE + TOTALS

const VIEWED = ['facts', 'state', 'attempts', 'due', 'ended', 'why', 'status', 'accepted', 'expires', 'bytes']

export class RedisStore implements DeferredStore {
  readonly #link: RedisLink
  readonly #prefix: string
  readonly #bounds: StoreBounds

  constructor(options: RedisOptions, bounds: StoreBounds) {
    this.#link = new RedisLink(options.url, options.onTrouble ?? (() => {}))
    this.#prefix = `{${options.prefix}}`
    this.#bounds = bounds
  }

  get isOpen(): boolean {
    return this.#link.isSound
  }

  get durability(): string {
    return this.#link.durability
  }

  async open(): Promise<void> {
    await this.#link.open()
  }

  close(): Promise<void> {
    this.#link.close()
    return Promise.resolve()
  }

  async accept(facts: DeferredFacts, call: Buffer): Promise<Acceptance> {
    if (!this.isOpen) return 'closed'
    const { keepMs, calls, bytes, perAgent } = this.#bounds
    const { id, upstream, agent, idempotent, priority, acceptedAt, expiresAt } = facts
    const result = await this.#link.run(ACCEPT_SCRIPT, this.#prefix, [
      id,
      JSON.stringify(facts),
      upstream,
      agent,
      idempotent ? 1 : 0,
      PRIORITIES.indexOf(priority),
      expiresAt - acceptedAt,
      keepMs,
      calls,
      bytes,
      perAgent,
      CLASS_STEP_MS,
      AGENT_STEP_MS,
      call,
    ])
    if (result.is === 'unsent') return 'closed'
    return result.is === 'reply' ? acceptance(result.reply) : await this.#settle(id)
  }

  async claim(upstreams: readonly string[], owner: string, leaseMs: Millis): Promise<Claim | undefined> {
    if (!this.isOpen || upstreams.length === 0) return undefined
    const reply = await this.#run(CLAIM_SCRIPT, [owner, leaseMs, this.#bounds.keepMs, ...upstreams])
    if (!Array.isArray(reply)) return undefined
    const [, facts, fence, attempts, accepted, expires, call] = reply
    if (!(call instanceof Buffer)) return undefined
    const found = { ...factsIn(facts), acceptedAt: Number(accepted), expiresAt: Number(expires) }
    return { facts: found, fence: Number(fence), attempts: Number(attempts), call }
  }

  async markStarted(id: string, fence: number, leaseMs: Millis): Promise<boolean> {
    return Number(await this.#run(START_SCRIPT, [id, fence, leaseMs])) === 1
  }

  async renew(id: string, fence: number, leaseMs: Millis): Promise<boolean> {
    return Number(await this.#run(RENEW_SCRIPT, [id, fence, leaseMs])) === 1
  }

  async postpone(id: string, fence: number, delayMs: Millis): Promise<boolean> {
    return Number(await this.#run(POSTPONE_SCRIPT, [id, fence, Math.round(delayMs)])) === 1
  }

  async finish(id: string, fence: number, end: End, answer: Buffer | undefined): Promise<boolean> {
    const words = [id, fence, end.ending, end.why, end.status, this.#bounds.keepMs, answer ?? '']
    return Number(await this.#run(FINISH_SCRIPT, words)) === 1
  }

  async cancel(id: string): Promise<Cancellation> {
    const said = String(await this.#run(CANCEL_SCRIPT, [id, this.#bounds.keepMs]))
    return said === 'cancelled' || said === 'running' || said === 'removed' ? said : 'none'
  }

  async view(id: string): Promise<DeferredView | undefined> {
    const [facts, ...rest] = await this.#hash(id, VIEWED)
    if (facts === null || facts === undefined) return undefined
    const [state, attempts, due, ended, why, status, accepted, expires, bytes] = rest.map(String)
    return {
      ...factsIn(facts),
      acceptedAt: Number(accepted),
      expiresAt: Number(expires),
      bytes: Number(bytes),
      state: [...PENDING_STATES, ...ENDINGS].find((name) => name === state) ?? 'unknown',
      attempts: Number(attempts),
      dueAt: Number(due),
      endedAt: Number(ended),
      why: WHYS.find((name) => name === why) ?? '',
      status: Number(status),
    }
  }

  async answer(id: string): Promise<Buffer | undefined> {
    const [answer] = await this.#hash(id, ['answer'])
    return answer ?? undefined
  }

  async sweep(): Promise<Swept> {
    const { keepMs, attempts } = this.#bounds
    const reply = await this.#run(SWEEP_SCRIPT, [SWEEP_CALLS, keepMs, attempts])
    const [expired = 0, requeued = 0, unknown = 0, removed = 0] = Array.isArray(reply)
      ? reply.map(Number)
      : []
    return { expired, requeued, unknown, removed }
  }

  async totals(): Promise<Totals> {
    const reply = await this.#run(TOTALS_SCRIPT, [])
    const [
      waiting = 0,
      running = 0,
      ended = 0,
      bytes = 0,
      done = 0,
      failed = 0,
      expired = 0,
      unknown = 0,
      at = 0,
    ] = Array.isArray(reply) ? reply.map(Number) : []
    const oldestAt = waiting > 0 ? at : 0
    return { waiting, running, ended, bytes, oldestAt, endings: { done, failed, expired, unknown } }
  }

  /** The fate of an order whose receipt was lost; after this it cannot change any more, unless nobody answers. */
  async #settle(id: string): Promise<Acceptance> {
    for (let tries = 0; tries < SETTLE_TRIES; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_EVERY_MS))
      const result = await this.#link.run(SETTLE_SCRIPT, this.#prefix, [id])
      if (result.is === 'reply') return acceptance(result.reply)
    }
    return 'unclear'
  }

  async #hash(id: string, fields: readonly string[]): Promise<(Buffer | null)[]> {
    try {
      return await this.#link.hash(`${this.#prefix}:call:${id}`, fields)
    } catch {
      throw new StoreError('Redis does not answer')
    }
  }

  async #run(script: string, words: readonly RedisWord[]): Promise<unknown> {
    const result = await this.#link.run(script, this.#prefix, words)
    if (result.is === 'reply') return result.reply
    throw new StoreError(`Redis does not do what it is told: ${result.error.message}`)
  }
}

function acceptance(reply: unknown): Acceptance {
  const said = String(reply)
  return said === 'accepted' || said === 'full' ? said : 'closed'
}

/** @param json what `accept` wrote */
function factsIn(json: unknown): DeferredFacts {
  const value: unknown = JSON.parse(String(json))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `accept`
  return value as DeferredFacts & { trust: Trust; priority: Priority }
}
