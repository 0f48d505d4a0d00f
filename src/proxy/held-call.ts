/**
 * What Weir keeps of one held call, and when something is next due for it. Data and arithmetic; `enact.ts` acts.
 *
 * Who may end it: in phase `held` its directive, its client, its body (too large, too slow), or the backstop; in
 * phase `between-hops` only its return or the end of the time for it. A directive that comes while it cannot be
 * obeyed (between hops; a release before the body is read) waits in `pending`, and the first one counts.
 */
import type { Directive, Millis, Verdict } from '../core/model.ts'
import type { Call } from './call.ts'
import type { HeldBody } from './hold.ts'
import { isHopWorth, PROCESSING_EVERY_MS } from './silence.ts'

/** A client that follows a 307 is back within milliseconds; one that does not never comes. */
export const RETURN_WITHIN_MS: Millis = 5000
/** How long after `until` a directive may still come before Weir answers without it (promises.md row 14: hold + 1 s). */
const BACKSTOP_MS: Millis = 1000

export interface HeldCall {
  readonly call: Call
  readonly verdict: Verdict
  /** Absent for an upgrade, which has none. Survives the hops: a client sends the same bytes each time. */
  body: HeldBody | undefined
  /** The latest end of the wait, directive or not. */
  readonly backstopAt: Millis
  /** End of the drain; Infinity = Weir stays. */
  drainAt: Millis
  hopsLeft: number
  readonly hopMs: Millis
  /** Begin of the silence that the client sees at present. */
  silentSince: Millis
  /** Next 102; Infinity = none. */
  processingAt: Millis
  /** '' = not between hops. */
  ticket: string
  returnBy: Millis
  pending: Extract<Directive, { do: 'release' | 'expire' }> | undefined
  pendingSince: Millis
  timer: NodeJS.Timeout | undefined
  unwatch: () => void
}

export type Due = 'return' | 'backstop' | 'body' | 'hop' | 'processing'

export function holdCall(
  call: Call,
  verdict: Verdict,
  now: Millis,
  hops: { left: number; ms: Millis },
): HeldCall {
  return {
    call,
    verdict,
    body: undefined,
    backstopAt: verdict.until + BACKSTOP_MS,
    drainAt: Infinity,
    hopsLeft: hops.left,
    hopMs: hops.ms,
    silentSince: now,
    processingAt: Infinity,
    ticket: '',
    returnBy: Infinity,
    pending: undefined,
    pendingSince: 0,
    timer: undefined,
    unwatch: () => {},
  }
}

/** What is due first, and when. Earlier entries win a tie: an end before a prolongation. */
export function nextDue(held: HeldCall, bodyIdleMs: Millis): { what: Due; at: Millis } {
  if (held.ticket !== '') return { what: 'return', at: held.returnBy }
  const { body } = held
  if (held.pending !== undefined) {
    // Released, but not read to its end: a trickle must not keep the upstream's place for longer than one silence.
    return {
      what: 'body',
      at: Math.min((body?.lastReadAt ?? 0) + bodyIdleMs, held.pendingSince + bodyIdleMs),
    }
  }
  let what: Due = 'backstop'
  let at = Math.min(held.backstopAt, held.drainAt)
  const isRead = body === undefined || body.complete
  const hopAt = held.silentSince + held.hopMs
  if (!isRead && body.lastReadAt + bodyIdleMs < at) {
    what = 'body'
    at = body.lastReadAt + bodyIdleMs
  }
  if (isRead && held.hopsLeft > 0 && hopAt < at && isHopWorth(hopAt, held.verdict.until)) {
    what = 'hop'
    at = hopAt
  }
  if (held.processingAt < at) {
    what = 'processing'
    at = held.processingAt
  }
  return { what, at }
}

/** After a 102. */
export function delayProcessing(held: HeldCall, now: Millis): void {
  held.processingAt = now + PROCESSING_EVERY_MS
}
