/** The part of a journal that a report is about. */
import type { Millis } from '../../core/model.ts'
import { parseDuration } from '../../policy/units.ts'

/** ms since the epoch, both ends included. */
export interface Range {
  readonly fromMs: Millis
  readonly toMs: Millis
}

export const EVERYTHING: Range = { fromMs: -Infinity, toMs: Infinity }

/** An instant, or a time after the start of the journal. */
export type Bound = { readonly at: Millis } | { readonly after: Millis }

/** RFC 3339, or a duration after the start of the journal (`90s`, `1.5h`); undefined = neither. */
export function parseBound(text: string): Bound | undefined {
  const after = parseDuration(text)
  if (after !== undefined) return { after }
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : { at }
}

/** @param startMs of the journal, ms since the epoch */
export function rangeOf(from: Bound | undefined, to: Bound | undefined, startMs: Millis): Range {
  const instant = (bound: Bound): Millis => ('at' in bound ? bound.at : startMs + bound.after)
  return {
    fromMs: from === undefined ? -Infinity : instant(from),
    toMs: to === undefined ? Infinity : instant(to),
  }
}
