/**
 * One coarse timer for every silence that is watched: a timer per call would cost more than the call. Each tick
 * visits whatever is open; a visited thing compares its own deadline, and notes whether it moved since.
 */
import type { Millis } from '../core/model.ts'

/** A tick that is later than this says that the process did not run (promises.md row 72). */
const STALL_MS: Millis = 1000

export interface Swept {
  /** Place in the sweep, owned by the sweep; -1 = not in it. */
  sweepIndex: number
  /** May add and remove things, itself included. */
  visit(now: Millis): void
}

export class IdleSweep {
  readonly #clock: () => Millis
  readonly #everyMs: Millis
  readonly #open: Swept[] = []
  #timer: NodeJS.Timeout | undefined
  #lastTickAt: Millis = 0

  /** `everyMs` bounds the error of every deadline. */
  constructor(clock: () => Millis, everyMs: Millis) {
    this.#clock = clock
    this.#everyMs = everyMs
  }

  get size(): number {
    return this.#open.length
  }

  add(swept: Swept): void {
    if (swept.sweepIndex !== -1) return
    swept.sweepIndex = this.#open.length
    this.#open.push(swept)
    if (this.#timer === undefined) {
      this.#lastTickAt = this.#clock()
      this.#timer = setInterval(this.#tick, this.#everyMs)
      this.#timer.unref()
    }
  }

  /** No effect on what is not in the sweep. The timer stays: starting one per call is what the sweep avoids. */
  remove(swept: Swept): void {
    const index = swept.sweepIndex
    if (index === -1) return
    swept.sweepIndex = -1
    const last = this.#open.pop()!
    if (last === swept) return
    this.#open[index] = last
    last.sweepIndex = index
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** From the end, since a removal moves the last one into the gap. */
  readonly #tick = (): void => {
    if (this.#open.length === 0) {
      this.stop()
      return
    }
    const now = this.#clock()
    const sinceMs = now - this.#lastTickAt
    this.#lastTickAt = now
    // The process was stopped or stuck: what came meanwhile is read first, or everything would seem to be silent.
    if (sinceMs > this.#everyMs + STALL_MS) return
    for (let index = this.#open.length - 1; index >= 0; index--) this.#open[index]?.visit(now)
  }
}

/** How often to sweep so that the shortest of these limits is met within a tenth: 5 to 250 ms. */
export function sweepInterval(limits: readonly Millis[]): Millis {
  return Math.max(5, Math.min(250, Math.min(...limits) / 10))
}
