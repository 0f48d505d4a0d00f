/** Instants in a journal: ms with three digits, so that they survive being written and read. */
import type { Millis } from '../core/model.ts'

/** Whole microseconds of an instant or a span; exact up to 285 years. */
export function microsOf(ms: Millis): number {
  return Math.round(ms * 1000)
}

/** The nearest instant that a journal can hold. */
export function toMicrosecond(ms: Millis): Millis {
  return Math.round(ms * 1000) / 1000
}

/** The instant `ms` after `at`, to the bit as the core was told it. Both as a journal holds them. */
export function instantAfter(at: Millis, ms: Millis): Millis {
  return Math.round((at + ms) * 1000) / 1000
}
