/**
 * Calls that do not come back, judged while they are open: answers tell of a jam only when it is over.
 *
 *   crowded : more in flight than ever while healthy, and more of them overdue than chance would have (a tenth);
 *             seen within a few hundred milliseconds
 *   silent  : calls enough, next to all of them overdue, and no sign of life for much longer than the slowest
 *             usually take: it gets probes instead of more calls to swallow
 *   strayed : open for so long that a call is nobody's work any more; it takes no place under a limit, or a limit
 *             of one with a call that never ends would stop everything
 */
import type { Millis } from '../model.ts'
import { UnbiasedMean } from '../observe/unbiased-mean.ts'

const CROWDED = 1.25
const CROWDED_LEAST = 4
/** One call that takes long is no news, or those who have one would always be heard first. */
const HINT_LEAST = 2
const OVERDUE_SHARE = 0.3
const OVERDUE_CALM = 0.2
const CLEAR_MS = 2000
const USUAL_MS = 10_000

const SILENCE_MS = 2000
const SILENCE_FACTOR = 3
const SILENT_CALLS = 5
const SILENT_SHARE = 0.9

const STRAY_MS = 5000
const STRAY_FACTOR = 10

export interface Pile {
  /** Calls in flight, as far as the upstream works on them, and those of them that are overdue. */
  readonly load: number
  readonly overdue: number
  /** Most in flight while healthy; 0 = nothing was seen. */
  readonly healthyPeak: number
}

export class Jam {
  #crowded = false
  #restlessAt: Millis = -Infinity
  #heardAt: Millis = -Infinity
  readonly #usual = new UnbiasedMean()

  get crowded(): boolean {
    return this.#crowded
  }

  /**
   * May be a jam in the making: more in flight than ever, or clearly more of them overdue than usually. What is in
   * flight is mostly what takes long: of a heavy tail a third is overdue on the calmest day.
   */
  doubts(pile: Pile): boolean {
    if (piledUp(pile.load, pile.healthyPeak)) return true
    return pile.overdue >= CROWDED_LEAST && this.hints(pile)
  }

  /** Clearly more overdue than usually, of however few: nothing to act upon, but worth telling those who see the others. */
  hints(pile: Pile): boolean {
    return pile.overdue >= HINT_LEAST && overdueShare(pile) > this.#usual.value + OVERDUE_CALM
  }

  /** The upstream gave a sign of life. */
  heard(at: Millis): void {
    this.#heardAt = at
  }

  /** @param wellMs how long the upstream was well since the last look: so much is learnt from this one */
  look(pile: Pile, now: Millis, wellMs: Millis = 0): void {
    const share = overdueShare(pile)
    this.#usual.add(share, Math.min(1, wellMs / USUAL_MS))
    const isUnusual = share >= OVERDUE_SHARE && share > this.#usual.value + OVERDUE_CALM
    const many = pile.overdue >= CROWDED_LEAST && isUnusual
    if (many && piledUp(pile.load, pile.healthyPeak)) this.#crowded = true
    if (share > Math.max(OVERDUE_CALM, this.#usual.value + OVERDUE_CALM / 2)) this.#restlessAt = now
    else if (now - this.#restlessAt >= CLEAR_MS) this.#crowded = false
  }

  /** @param slowestMs healthy q99 of the time to answer */
  silent(pile: Pile, slowestMs: Millis, now: Millis): boolean {
    if (pile.overdue < SILENT_CALLS || overdueShare(pile) < SILENT_SHARE) return false
    return now - this.#heardAt >= Math.max(SILENCE_MS, SILENCE_FACTOR * slowestMs)
  }
}

/** Clearly more calls in flight than the healthy upstream ever had. */
export function piledUp(load: number, healthyPeak: number): boolean {
  return healthyPeak > 0 && load > Math.max(CROWDED_LEAST, CROWDED * healthyPeak)
}

/** The age from which a call without an answer has strayed; `slowestMs` = healthy q99, 0 = unknown. */
export function strayAfterMs(slowestMs: Millis): Millis {
  return slowestMs > 0 ? Math.max(STRAY_MS, STRAY_FACTOR * slowestMs) : Infinity
}

function overdueShare({ load, overdue }: Pile): number {
  return load <= 0 ? 0 : overdue / load
}
