/**
 * Where deferred calls are kept: the one port that `memory`, `lmdb` and `redis` implement and one contract suite
 * checks (`test/defer/store.contract.ts`). Every promise resolves only when what it says is durable in the sense of
 * the store; `durability` says in words what that is.
 */
import type { Millis } from '../core/model.ts'
import type { Claim, DeferredFacts, DeferredView, End, Ending } from './deferred-call.ts'

/**
 * accepted: durable. full: a bound is reached, nothing was stored. closed: the store cannot promise anything now, and
 * nothing was stored. unclear: the order went out and no receipt came back; only the store itself knows.
 */
export type Acceptance = 'accepted' | 'full' | 'closed' | 'unclear'

/** removed: it had ended, and its answer is gone. none: there is no such call. */
export type Cancellation = 'cancelled' | 'running' | 'removed' | 'none'

export interface StoreBounds {
  /** Records at once, finished ones that wait to be fetched included. */
  readonly calls: number
  /** Sealed bytes of all of them. */
  readonly bytes: number
  /** Pending calls of one agent. */
  readonly perAgent: number
  /** How long the end of a call is kept. */
  readonly keepMs: Millis
  /** Starts of an idempotent call. */
  readonly attempts: number
}

/** What a sweep did. */
export interface Swept {
  readonly expired: number
  /** Of lost owners: back to the queue. */
  readonly requeued: number
  /** Of lost owners: sent, and not to be sent again. */
  readonly unknown: number
  /** Ends that were kept long enough. */
  readonly removed: number
}

export interface Totals {
  readonly waiting: number
  readonly running: number
  readonly ended: number
  readonly bytes: number
  /** Wall clock of the oldest call that waits; 0 = none waits. */
  readonly oldestAt: Millis
  /** Since the store began. */
  readonly endings: Readonly<Record<Ending, number>>
}

export interface DeferredStore {
  /** False = no promise can be made at this moment. */
  readonly isOpen: boolean
  /** What is left of an accepted call after which accident, in one sentence. */
  readonly durability: string
  /** Resolves when the store is usable; takes back what a lost owner of this store left behind. @throws StoreError */
  open(): Promise<void>
  close(): Promise<void>

  accept(facts: DeferredFacts, call: Buffer): Promise<Acceptance>
  /** The next call in order whose upstream is among these; leased to `owner` for `leaseMs`. */
  claim(upstreams: readonly string[], owner: string, leaseMs: Millis): Promise<Claim | undefined>
  /** Durable before it resolves: only then may the first byte go out. False = somebody else has the call. */
  markStarted(id: string, fence: number, leaseMs: Millis): Promise<boolean>
  renew(id: string, fence: number, leaseMs: Millis): Promise<boolean>
  /** Nothing of it was sent, or it may be sent again: back to the queue, not before `delayMs` from now. */
  postpone(id: string, fence: number, delayMs: Millis): Promise<boolean>
  /** The end of the call; the first one counts. @throws when the answer could not be stored */
  finish(id: string, fence: number, end: End, answer: Buffer | undefined): Promise<boolean>
  /** Ends a call that waits, removes one that has ended. */
  cancel(id: string): Promise<Cancellation>

  view(id: string): Promise<DeferredView | undefined>
  answer(id: string): Promise<Buffer | undefined>
  /** Expires, takes back from lost owners, removes; bounded work per call, to be called about once a second. */
  sweep(): Promise<Swept>
  totals(): Promise<Totals>
}

/** The store cannot be used; `message` says why and what to do, for the operator. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
}

/** Each class of urgency stands this much behind the one before it, and no longer: nothing starves. */
export const CLASS_STEP_MS: Millis = 30_000
/** Each further pending call of one agent stands this much behind: a heap of calls does not go before a single one. */
export const AGENT_STEP_MS: Millis = 1000

/** Place in the queue: the least goes first. */
export function placeOf(acceptedAt: Millis, rank: number, pendingOfAgent: number): number {
  return acceptedAt + rank * CLASS_STEP_MS + pendingOfAgent * AGENT_STEP_MS
}
