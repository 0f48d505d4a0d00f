/**
 * What an upstream's answer says about waiting and about what is left, in the spellings of the model APIs:
 * OpenAI `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` (reset as `6m0s`, `20ms`), Anthropic
 * `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` (reset as RFC 3339),
 * and the plain `x-ratelimit-*` and `ratelimit-*` of many others (reset as seconds, or an instant in seconds).
 * Whatever cannot be read is as if it were absent.
 */
import type { Millis, Quota } from '../core/model.ts'

/** Above this a plain `reset` is an instant since 1970, not a wait: 10^9 s = the year 2001. */
const EPOCH_SECONDS = 1e9

/** Kinds of allowance that one answer may speak of. */
const MOST_PARTS = 16

interface Part {
  limit: number
  remaining: number
  resetMs: Millis
}

export interface Hints {
  /** -1 = none. */
  readonly retryAfterMs: Millis
  /** The scarcest of all kinds; undefined = nothing was said. */
  readonly quota: Quota | undefined
}

const NO_HINTS: Hints = { retryAfterMs: -1, quota: undefined }

/** Cheap test before `readHints`: does any name speak of rates or retries? `name` is lower case. */
export function isHint(name: string): boolean {
  switch (name.charCodeAt(0)) {
    case 0x72 /* r */:
      return name.startsWith('retry-after') || name.startsWith('ratelimit-')
    case 0x78 /* x */:
      return name.startsWith('x-ratelimit-') || name === 'x-amz-retry-after'
    case 0x61 /* a */:
      return name.startsWith('anthropic-ratelimit-')
    default:
      return false
  }
}

/** @param headers flat list of names and values; @param wallMs wall clock, for resets that are instants */
export function readHints(headers: readonly string[], wallMs: number): Hints {
  let retryAfterMs = -1
  let retryDate = ''
  let dateText = ''
  let parts: Map<string, Part> | undefined
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]!.toLowerCase()
    const value = headers[index + 1]!.trim()
    if (name === 'date') dateText = value
    else if (name === 'retry-after-ms' || name === 'x-amz-retry-after') {
      if (isNumber(value)) retryAfterMs = Math.max(retryAfterMs, Number(value))
    } else if (name === 'retry-after') {
      if (isNumber(value)) retryAfterMs = Math.max(retryAfterMs, Number(value) * 1000)
      else retryDate = value
    } else {
      const field = fieldOf(name)
      if (field === undefined || (parts !== undefined && parts.size >= MOST_PARTS)) continue
      parts ??= new Map()
      let part = parts.get(field.of)
      if (part === undefined) parts.set(field.of, (part = { limit: NaN, remaining: NaN, resetMs: NaN }))
      if (field.what === 'reset') part.resetMs = readReset(value, wallMs)
      else if (isNumber(value)) part[field.what] = Number(value)
    }
  }
  if (retryDate !== '') {
    // Read against the answer's own clock: a skewed upstream must not shift the wait.
    const since = Date.parse(dateText)
    const waitMs = Date.parse(retryDate) - (Number.isNaN(since) ? wallMs : since)
    if (!Number.isNaN(waitMs)) retryAfterMs = Math.max(retryAfterMs, waitMs, 0)
  }
  const quota = parts === undefined ? undefined : scarcest(parts)
  return retryAfterMs === -1 && quota === undefined ? NO_HINTS : { retryAfterMs, quota }
}

interface Field {
  readonly of: string
  readonly what: 'limit' | 'remaining' | 'reset'
}

/** `x-ratelimit-remaining-tokens` -> what remains of `tokens`; undefined = another header. */
function fieldOf(name: string): Field | undefined {
  const words = name.replace(/^(?:x-ratelimit|ratelimit|anthropic-ratelimit)-/, '')
  if (words === name) return undefined
  for (const what of ['limit', 'remaining', 'reset'] as const) {
    if (words === what) return { of: '', what }
    if (words.startsWith(`${what}-`)) return { of: words.slice(what.length + 1), what }
    if (words.endsWith(`-${what}`)) return { of: words.slice(0, -what.length - 1), what }
  }
  return undefined
}

function scarcest(parts: ReadonlyMap<string, Part>): Quota | undefined {
  let found: Quota | undefined
  let foundShare = Infinity
  for (const { limit, remaining, resetMs } of parts.values()) {
    if (Number.isNaN(remaining)) continue
    const total = limit > 0 ? limit : Math.max(remaining, 1)
    const share = remaining / total
    if (share >= foundShare) continue
    foundShare = share
    found = { limit: total, remaining, resetMs: Number.isNaN(resetMs) ? 0 : resetMs }
  }
  return found
}

/** Ms until a reset; NaN = unreadable. */
function readReset(value: string, wallMs: number): Millis {
  if (isNumber(value)) {
    const seconds = Number(value)
    return seconds > EPOCH_SECONDS ? Math.max(0, seconds * 1000 - wallMs) : seconds * 1000
  }
  const match =
    /^(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,4})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,6})?)ms)?$/.exec(
      value,
    )
  if (match !== null && value !== '') {
    const [, days, hours, minutes, seconds, ms] = match
    const wholeSeconds = Number(days ?? 0) * 86_400 + Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60
    return (wholeSeconds + Number(seconds ?? 0)) * 1000 + Number(ms ?? 0)
  }
  const at = Date.parse(value)
  return Number.isNaN(at) ? NaN : Math.max(0, at - wallMs)
}

function isNumber(text: string): boolean {
  return /^\d{1,12}(\.\d{1,9})?$/.test(text)
}
