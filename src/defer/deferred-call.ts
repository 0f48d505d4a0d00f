/**
 * What is known of a call that is answered later, in the clear: who, where, how urgent, and where it is in its life.
 * What was said (target, headers, body, answer) is in none of these types; it is one sealed box (`seal.ts`).
 *
 * ```
 * waiting -> leased -> started -> done | failed | unknown
 *    ^________/  ^_______/ (idempotent, or nothing of it was sent)
 * waiting -> expired | failed (cancelled)
 * ```
 */
import type { Millis, Priority, Trust } from '../core/model.ts'

/**
 * done: the upstream answered, whatever it said, and its answer is kept. failed: nothing of it will be answered by
 * the upstream, `why` says the cause. expired: its time ran out before it could be run. unknown: it was sent, no
 * whole answer came, and it may have had its effect: it is never sent again.
 */
export const ENDINGS = ['done', 'failed', 'expired', 'unknown'] as const
export type Ending = (typeof ENDINGS)[number]

export const PENDING_STATES = ['waiting', 'leased', 'started'] as const
export type DeferredState = (typeof PENDING_STATES)[number] | Ending

/** Why a call ended as it did; '' = nothing to add. */
export const WHYS = [
  '',
  'cancelled', // its owner took it back
  'refused', // Weir's own rules refuse it for good
  'answer-too-large', // it was answered, and the answer is beyond what is kept
  'no-room', // it was answered, and the store had no room for the answer
  'damaged', // what is stored is not what was written
  'no-answer', // sent, and no whole answer came
  'owner-lost', // sent, and the process that sent it ended before the answer
  'attempts', // idempotent, tried as often as is allowed
] as const
export type Why = (typeof WHYS)[number]

/** Fixed when the call is accepted. */
export interface DeferredFacts {
  /** 128 random bits: knowing it is the right to fetch. */
  readonly id: string
  /** Name, not index: the config may change while the call waits. */
  readonly upstream: string
  readonly agent: string
  readonly trust: Trust
  readonly workflow: string
  readonly parent: string
  readonly priority: Priority
  /** By method (RFC 9110 9.2.2) or an `Idempotency-Key`: it may be sent again. */
  readonly idempotent: boolean
  /** Wall clock, ms since 1970. */
  readonly acceptedAt: Millis
  readonly expiresAt: Millis
  /** Of the sealed call. */
  readonly bytes: number
}

/** A call as one may look at it. */
export interface DeferredView extends DeferredFacts {
  readonly state: DeferredState
  /** How often it was started. */
  readonly attempts: number
  /** Not run before; wall clock. */
  readonly dueAt: Millis
  /** 0 = not yet. */
  readonly endedAt: Millis
  readonly why: Why
  /** Status of the kept answer; 0 = none. */
  readonly status: number
}

/** A call that one runner has for itself until `leaseUntil`. */
export interface Claim {
  readonly facts: DeferredFacts
  /** Grows with each claim: whoever acts with an older one is refused. */
  readonly fence: number
  /** Starts before this claim. */
  readonly attempts: number
  /** The sealed call. */
  readonly call: Buffer
}

export interface End {
  readonly ending: Ending
  readonly why: Why
  /** Status of the answer; 0 = none is kept. */
  readonly status: number
}

export function isEnding(state: DeferredState): state is Ending {
  return state !== 'waiting' && state !== 'leased' && state !== 'started'
}
