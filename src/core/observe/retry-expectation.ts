/**
 * When a client of a family comes back after a failure, if it does: the window that structural retry inference
 * looks at (wire.md 8.2).
 */
import type { Family } from '../families.ts'
import type { Millis } from '../model.ts'
import type { RetryWindow } from './failure-credits.ts'

/** Retries were seen 2 to 15 ms after the instant told; axios-retry multiplies it by 1 to 1.2 (wire.md 3, 8.2). */
const EARLY_ADVISED_MS: Millis = 5
const LATE_ADVISED_MS: Millis = 150
const LATE_ADVISED_FACTOR = 1.2
/** Own back-offs, seen against the source: 381-543 ms for 375-500, 1.0-1.15 s for 1.0-1.1 (wire.md 3, 8.2). */
const EARLY_OWN_MS: Millis = 10
const LATE_OWN_MS: Millis = 60
const LATE_OWN_FACTOR = 1.05
/** AWS clients wait for advice no longer than this beyond their own back-off (wire.md 3). */
const STRETCH_MS: Millis = 5000
/** Loops around an SDK that has given up. */
const OUTER_MS: Millis = 30_000

/**
 * @param attempt number of the try that failed, 1 = the first
 * @param adviceMs Retry-After that the client was told; -1 = none
 * @returns undefined = this family never comes back by itself
 */
export function retryWindow(
  family: Family,
  attempt: number,
  status: number,
  adviceMs: Millis,
  at: Millis,
): RetryWindow | undefined {
  const [low, high] = family.backoff(attempt)
  if (low === Infinity) return undefined
  const isHeard = adviceMs >= 0 && family.advice !== 'none' && adviceMs <= family.adviceCeilingMs
  // LangChain, the one that takes the longer of both, reads advice only on 429.
  const advised = isHeard && (family.adviceFloor !== 'own' || status === 429)
  const told = family.advice === 'ms' ? Math.ceil(adviceMs) : Math.ceil(adviceMs / 1000) * 1000
  let from = low - EARLY_OWN_MS
  let until = high * LATE_OWN_FACTOR + LATE_OWN_MS
  if (advised) {
    from = stretched(family, low, told) - EARLY_ADVISED_MS
    until = stretched(family, high, told) * LATE_ADVISED_FACTOR + LATE_ADVISED_MS
    // "0" is "now" to some and nothing to others.
    if (told === 0) from = 0
  } else if (family.attempts === 1 && adviceMs > 0) {
    // A wrapper around a client that never retries may well read the advice.
    until = Math.max(until, Math.ceil(adviceMs / 1000) * 1000 * LATE_ADVISED_FACTOR + LATE_ADVISED_MS)
  }
  return {
    from: at + Math.max(0, from),
    until: at + until,
    outerUntil: at + (family.countsAttempts ? Math.max(OUTER_MS, until) : 0),
    innerGoesOn: attempt < family.attempts,
  }
}

function stretched(family: Family, ownMs: Millis, toldMs: Millis): Millis {
  if (family.adviceFloor === undefined) return toldMs
  return Math.max(ownMs, family.adviceFloor === 'own' ? toldMs : Math.min(toldMs, ownMs + STRETCH_MS))
}

/**
 * Statuses that some client retries (wire.md 3); 0 = no answer. Others are final, and what follows is a new call.
 */
export function isRetriedStatus(status: number): boolean {
  return status === 0 || status === 408 || status === 409 || status === 425 || status === 429 || status >= 499
}
