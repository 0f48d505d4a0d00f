/**
 * How a long hold is kept bearable for the client that waits in it (wire.md 0.6-0.8, 4, 6): clients that never
 * retry by themselves are sent around a 307 hop before their patience with silence ends; for others, where it is
 * known to be safe, 102 Processing restarts the timer. All others wait in silence, which the core has bounded.
 */
import type { Family } from '../core/families.ts'
import type { Millis } from '../core/model.ts'
import type { Call } from './call.ts'

/** wire.md 0.7: fetch waited 340 s with a 102 every 20 s. */
export const PROCESSING_EVERY_MS: Millis = 20_000
/** Below this no client of the list needs it: the shortest of their timers is 300 s, a margin for balancers. */
const PROCESSING_FROM_MS: Millis = 100_000
/** Of the silence that a family bears, how much a hop may use (wire.md 10 c: -10 %). */
const SILENCE_SHARE = 0.9
/** A wait shorter than this is not worth a hop. */
const SHORTEST_HOP_MS: Millis = 1000

/**
 * Bodies that fetch can send twice: made of text, a form or a Blob. A chunked body has no second copy, and on
 * Node 20 one made of bytes is gone after the first sending (undici 6: "detached ArrayBuffer", seen on 20.20.2);
 * those arrive without a type or as octets.
 */
const SENT_AGAIN = /^(text\/|multipart\/form-data|application\/(?:[\w.-]+\+)?(?:json|x-www-form-urlencoded))/i

/**
 * Hops that this call may be sent on; 0 = it waits in one piece. A query that is not plain ASCII would not come
 * back as it went out.
 */
export function hopsOf(call: Call, family: Family): number {
  const { request, response, arrival } = call
  if (family.attempts > 1 || response === undefined || request.httpVersion !== '1.1') return 0
  if (!/^[\x21-\x7e]*$/.test(request.url ?? '')) return 0
  if (arrival.bytes !== 0 && !SENT_AGAIN.test(request.headers['content-type'] ?? '')) return 0
  return arrival.bytes < 0 ? 0 : family.redirects
}

/** Length of one hop in ms, never beyond what the family bears in silence. */
export function hopLength(family: Family, hopMs: Millis): Millis {
  return Math.max(SHORTEST_HOP_MS, Math.min(hopMs, family.silenceMs * SILENCE_SHARE))
}

/** Whether a hop is due before a wait that ends at `until`; a rest shorter than a hop is not worth one. */
export function isHopWorth(at: Millis, until: Millis): boolean {
  return until - at >= SHORTEST_HOP_MS
}

/** Whether 102 is sent during a hold of `holdMs`. */
export function wantsProcessing(call: Call, family: Family, holdMs: Millis): boolean {
  return holdMs > PROCESSING_FROM_MS && call.response !== undefined && family.bearsProcessing === true
}
