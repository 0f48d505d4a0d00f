/** What the thread that packs a journal and the one that replays it say to each other. */
import type { JournalProblem } from '../reader.ts'
import type { PackedLines } from './packed-lines.ts'

/** Enough that a message costs nothing beside its lines. */
export const LINES_PER_BATCH = 1024
/** Batches that may be on their way: some MiB, and enough for neither side to wait for the other's hiccups. */
const BATCHES_AHEAD = 16
/** A word between threads costs up to a millisecond on a busy machine: one for several batches. */
export const BATCHES_PER_WORD = 8

export interface PackJob {
  readonly paths: readonly string[]
  readonly keepGood: boolean
}

export type FromWorker =
  | { readonly kind: 'batch'; readonly packed: PackedLines; readonly progress: readonly [number, number] }
  | { readonly kind: 'problem'; readonly problem: JournalProblem }
  | { readonly kind: 'refused'; readonly problem: JournalProblem }
  | { readonly kind: 'end' }

/** A batch may be sent for every one that was taken: what waits between the threads is bounded. */
export class Credits {
  #left = BATCHES_AHEAD
  #wake: (() => void) | undefined

  give(batches: number): void {
    this.#left += batches
    this.#wake?.()
    this.#wake = undefined
  }

  async take(): Promise<void> {
    while (this.#left === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#left -= 1
  }
}
