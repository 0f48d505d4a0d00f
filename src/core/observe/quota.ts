/**
 * What upstreams said of their quotas, by credential: until when a credential is spent, and, when little is left,
 * how far apart its calls should be so that its agents do not reach the wall together.
 */
import type { Millis, Quota } from '../model.ts'

/** Below this share of the limit the rest is spread over the time until it is full again. */
const LOW_SHARE = 0.1
/** What an upstream may ask for at most: a broken header must not lock a credential out for days. */
const LONGEST_BLOCK_MS = 3_600_000
const SPENT = new Set([429, 503, 529])
/** Weight of one answer in the cost of a call; quotas in tokens cost thousands per call. */
const COST_WEIGHT = 0.2

interface Known {
  readonly credential: number
  /** Neighbours in the order of the last observation. */
  older: Known | undefined
  newer: Known | undefined
  limit: number
  remaining: number
  resetAt: Millis
  /** Cost of a call in the quota's unit, learnt from how `remaining` falls. */
  cost: number
  /** Calls sent since `remaining` was last said. */
  sent: number
  /** An explicit Retry-After, and an exhausted quota: an answer that says "some left" lifts the second only. */
  retryAt: Millis
  spentUntil: Millis
  turnAt: Millis
}

export class QuotaKnowledge {
  readonly #size: number
  readonly #byCredential = new Map<number, Known>()
  /** Ends of the order of the last observation: the oldest is the one to forget. */
  #oldest: Known | undefined
  #newest: Known | undefined
  /** No credential is blocked longer: who comes later need not be looked up. */
  #lastBlock: Millis = -Infinity

  /** @throws RangeError unless `size >= 1`, the number of credentials remembered. */
  constructor(size: number) {
    if (!(size >= 1)) throw new RangeError(`size is ${size}, must be at least 1`)
    this.#size = size
  }

  get size(): number {
    return this.#byCredential.size
  }

  /** The head of an answer: its quota headers if any, its Retry-After in ms (-1 = none), its status. */
  observe(
    credential: number,
    quota: Quota | undefined,
    retryAfterMs: Millis,
    status: number,
    at: Millis,
  ): void {
    const refused = SPENT.has(status)
    if (quota === undefined && !(refused && retryAfterMs > 0)) return
    const known = this.#touch(credential, at)
    if (refused && retryAfterMs > 0) {
      known.retryAt = Math.max(known.retryAt, at + Math.min(retryAfterMs, LONGEST_BLOCK_MS))
      this.#lastBlock = Math.max(this.#lastBlock, known.retryAt)
    }
    if (quota === undefined || !(quota.limit > 0)) return
    const fallen = known.remaining - quota.remaining
    if (known.sent > 0 && fallen > 0 && known.limit === quota.limit) {
      known.cost += COST_WEIGHT * (fallen / known.sent - known.cost)
    }
    known.limit = quota.limit
    known.remaining = Math.max(0, quota.remaining)
    known.resetAt = at + Math.min(Math.max(0, quota.resetMs), LONGEST_BLOCK_MS)
    known.sent = 0
    const spent = quota.remaining < 1 || (status === 429 && retryAfterMs <= 0 && quota.remaining < known.cost)
    known.spentUntil = spent ? known.resetAt : -Infinity
    this.#lastBlock = Math.max(this.#lastBlock, known.spentUntil)
  }

  /** The instant until which this credential is spent; 0 = free. */
  blockedUntil(credential: number, at: Millis): Millis {
    if (at >= this.#lastBlock) return 0
    const known = this.#byCredential.get(credential)
    if (known === undefined) return 0
    const until = Math.max(known.retryAt, known.spentUntil)
    return until > at ? until : 0
  }

  /** The instant of the next call's turn while little is left; 0 = it may go now. Call `spend` when it goes. */
  allowance(credential: number, at: Millis): Millis {
    const known = this.#byCredential.get(credential)
    return known !== undefined && known.turnAt > at && low(known, at) ? known.turnAt : 0
  }

  /** A call with this credential went upstream. */
  spend(credential: number, at: Millis): void {
    if (this.#newest === undefined) return
    const known = this.#byCredential.get(credential)
    if (known === undefined) return
    known.sent += 1
    if (!low(known, at)) return
    const callsLeft = Math.max(1, left(known) / Math.max(1, known.cost))
    known.turnAt = Math.max(at, known.turnAt) + (known.resetAt - at) / callsLeft
    if (known.turnAt > known.resetAt) known.turnAt = known.resetAt
  }

  /** What is known to be left, for people to see; undefined = nothing was said. */
  known(credential: number, at: Millis): Quota | undefined {
    const known = this.#byCredential.get(credential)
    if (known === undefined || known.limit === 0) return undefined
    return { limit: known.limit, remaining: left(known), resetMs: Math.max(0, known.resetAt - at) }
  }

  #touch(credential: number, at: Millis): Known {
    let known = this.#byCredential.get(credential)
    if (known === undefined) {
      if (this.#oldest !== undefined && this.#byCredential.size >= this.#size) this.#forget(this.#oldest)
      known = {
        credential,
        older: undefined,
        newer: undefined,
        limit: 0,
        remaining: 0,
        resetAt: at,
        cost: 1,
        sent: 0,
        retryAt: -Infinity,
        spentUntil: -Infinity,
        turnAt: at,
      }
      this.#byCredential.set(credential, known)
    } else if (known === this.#newest) return known
    else this.#unlink(known)
    known.older = this.#newest
    if (this.#newest === undefined) this.#oldest = known
    else this.#newest.newer = known
    this.#newest = known
    return known
  }

  #forget(known: Known): void {
    this.#unlink(known)
    this.#byCredential.delete(known.credential)
  }

  #unlink(known: Known): void {
    if (known.older === undefined) this.#oldest = known.newer
    else known.older.newer = known.newer
    if (known.newer === undefined) this.#newest = known.older
    else known.newer.older = known.older
    known.older = undefined
    known.newer = undefined
  }
}

/** What remains after the calls sent since it was said. */
function left(known: Known): number {
  return Math.max(0, known.remaining - known.sent * known.cost)
}

function low(known: Known, at: Millis): boolean {
  return known.limit > 0 && at < known.resetAt && left(known) < LOW_SHARE * known.limit
}
