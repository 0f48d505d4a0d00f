/**
 * How many streams a client may open and reset at once (CVE-2023-44487): each costs it two frames, and us a call. A
 * token bucket per connection; agents that give up on calls, even all of them at once, stay far below it.
 */
import type { Millis } from '../core/model.ts'

/** Burst: as Envoy's `premature_reset_total_stream_count`. Refill: nghttp2's own rate of resets, 33 per second. */
const BURST = 500
const PER_SECOND = 33
/** Only streams that did not live that long count (Envoy `premature_reset_min_stream_lifetime_seconds`). */
const PREMATURE_MS: Millis = 1000

export class ResetBudget {
  #left = BURST
  #at: Millis

  constructor(now: Millis) {
    this.#at = now
  }

  /** False = the client has spent more than it may: its connection is to end. */
  spend(openedAt: Millis, now: Millis): boolean {
    if (now - openedAt >= PREMATURE_MS) return true
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) / 1000) * PER_SECOND)
    this.#at = now
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
