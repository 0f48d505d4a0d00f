/** An alarm that stays on until it has been calm for long enough. */
import type { Millis } from '../model.ts'

export class Latch {
  #on = false
  #since: Millis = 0
  #stirredAt: Millis = 0

  get on(): boolean {
    return this.#on
  }

  /** When it went on; only of meaning while on. */
  get since(): Millis {
    return this.#since
  }

  /** Restarts the clock of `since`. */
  renew(at: Millis): void {
    this.#since = at
  }

  /** Whether it changed. */
  update(alarm: boolean, calm: boolean, now: Millis, clearMs: Millis): boolean {
    if (alarm || !calm) this.#stirredAt = now
    if (alarm && !this.#on) {
      this.#on = true
      this.#since = now
      return true
    }
    if (this.#on && now - this.#stirredAt >= clearMs) {
      this.#on = false
      return true
    }
    return false
  }

  reset(): void {
    this.#on = false
  }
}
