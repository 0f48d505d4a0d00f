/**
 * When a caller is told to come back. SDKs sleep for exactly the `Retry-After` that they read, without jitter, so
 * one value for many callers is a herd with an appointment (algorithms.md 0.1): every 429 and 503 leaves Weir
 * with a slot of this one caller's own, also where the upstream authored it.
 */
import type { Family } from '../core/families.ts'
import { familyOf } from '../core/families.ts'
import type { Advice, Millis } from '../core/model.ts'
import type { Call } from './call.ts'

/** The largest wait that every client version bears; above 59 s many retry within 0.4 s (wire.md 0.1). */
const SAFE_ADVICE_MS = 59_000
/** Ceilings of "60 s" are `<` in some versions and `<=` in others of one family (wire.md 3). */
const AMBIGUOUS_CEILING_MS = 60_000
/** setTimeout takes no more; anthropic-js 1.x goes as far as this (wire.md 3). */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface Wait {
  /**
   * `Retry-After`: whole seconds, at least 1 (0 and fractions are misread, wire.md 0.2 and 3). Rounded up; for those who
   * read nothing finer rounded down, or all who were refused in one second would come back in one instant: they come up
   * to a second early and are held for the rest.
   */
  readonly seconds: number
  /** `retry-after-ms`: whole ms, rounded up, at least 1. */
  readonly ms: number
}

/**
 * The wait of `waitMs` as this family may be told it: never more than what it obeys, nor less than `askedMs`, for which
 * the upstream itself asked.
 */
export function waitFor(family: Family, waitMs: Millis, askedMs: Millis = 0): Wait {
  const ceilingMs = ceilingOf(family)
  const ms = Math.max(1, Math.ceil(Math.min(waitMs, ceilingMs)))
  const ceilingSeconds = Math.max(1, Math.floor(ceilingMs / 1000))
  const seconds = family.advice === 'seconds' ? Math.floor(ms / 1000) : Math.ceil(ms / 1000)
  return { ms, seconds: Math.min(Math.max(1, seconds, Math.ceil(askedMs / 1000)), ceilingSeconds) }
}

/** Families that ignore advice get the safe ceiling: a person or a wrapper may read it all the same. */
function ceilingOf(family: Family): Millis {
  const ceilingMs = family.adviceCeilingMs
  if (!(ceilingMs > 0)) return SAFE_ADVICE_MS
  if (ceilingMs <= AMBIGUOUS_CEILING_MS) return Math.min(ceilingMs, SAFE_ADVICE_MS)
  return Math.min(ceilingMs, LONGEST_TIMER_MS)
}

/** The statuses whose advice is rewritten; 529 is Anthropic's "overloaded". */
function carriesAdvice(status: number): boolean {
  return status === 429 || status === 503 || status === 529
}

/**
 * The headers of an upstream's own 429, 503 or 529 with the caller's slot in place of the upstream's advice; order
 * and everything else stay. The slot is never earlier than the upstream asked, up to the ceiling of the family:
 * beyond it a client would not wait at all, and one that comes back at the ceiling meets Weir, not the upstream.
 * An upstream that says `x-should-retry: false`, and advice with `slotAt` 0, are left alone.
 *
 * @param rawHeaders flat list of names and values, as Node and undici give it; not changed
 */
export function rewriteAdvice(
  call: Call,
  status: number,
  rawHeaders: string[],
  advice: Advice,
  now: Millis,
): string[] {
  if (advice.slotAt === 0 || !carriesAdvice(status)) return rawHeaders
  const asked = readAdvice(rawHeaders)
  if (asked.final) return rawHeaders
  const wait = waitFor(familyOf(call.arrival.family), Math.max(advice.slotAt - now, asked.ms), asked.ms)

  const headers: string[] = []
  let placed = false
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    switch (name.toLowerCase()) {
      case 'retry-after':
        if (!placed) headers.push(name, String(wait.seconds), 'retry-after-ms', String(wait.ms))
        placed = true
        break
      case 'retry-after-ms':
        break
      case 'x-amz-retry-after':
        headers.push(name, String(wait.ms))
        break
      default:
        headers.push(name, rawHeaders[index + 1]!)
    }
  }
  if (!placed) headers.push('retry-after', String(wait.seconds), 'retry-after-ms', String(wait.ms))
  return headers
}

/** The longest wait that the upstream's headers ask for, in ms; 0 = none that can be read. */
function readAdvice(rawHeaders: readonly string[]): { ms: Millis; final: boolean } {
  let ms = 0
  let final = false
  let dateText = ''
  let untilText = ''
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const value = rawHeaders[index + 1]!.trim()
    switch (rawHeaders[index]!.toLowerCase()) {
      case 'retry-after':
        if (isNumber(value)) ms = Math.max(ms, Number(value) * 1000)
        else untilText = value
        break
      case 'retry-after-ms':
      case 'x-amz-retry-after':
        if (isNumber(value)) ms = Math.max(ms, Number(value))
        break
      case 'x-should-retry':
        final = value.toLowerCase() === 'false'
        break
      case 'date':
        dateText = value
        break
    }
  }
  // A date is read against the answer's own clock, so that a skewed upstream does not shift the slot.
  const untilMs = Date.parse(untilText) - Date.parse(dateText)
  return { ms: untilMs > ms ? untilMs : ms, final }
}

function isNumber(text: string): boolean {
  return /^\d{1,12}(\.\d{1,6})?$/.test(text)
}
