/**
 * How many deferred calls of one upstream are under way at once. The core decides what the upstream can bear; this
 * only keeps the runner from trying a whole store against a closed door: after a refusal one call at a time goes to
 * ask, at the instant that the core named, and each that gets through doubles the window.
 */
import type { Millis } from '../core/model.ts'

/** The longest that a refusal of one call keeps the others back. */
const LONGEST_PAUSE_MS: Millis = 5000

export class RunWindow {
  readonly #most: number
  #size: number
  #pausedUntil: Millis = 0
  running = 0

  constructor(most: number) {
    this.#most = most
    this.#size = most
  }

  hasRoom(now: Millis): boolean {
    return this.running < this.#size && now >= this.#pausedUntil
  }

  passed(): void {
    this.#size = Math.min(this.#most, this.#size * 2)
    this.#pausedUntil = 0
  }

  refused(now: Millis, delayMs: Millis): void {
    this.#size = 1
    this.#pausedUntil = now + Math.min(delayMs, LONGEST_PAUSE_MS)
  }
}
