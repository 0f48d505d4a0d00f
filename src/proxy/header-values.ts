/**
 * Readers of single header values. All are total: what is malformed reads as "not said". None backtracks.
 */
import type { Millis } from '../core/model.ts'

/** "Not said", for all that is a number. */
export const NOT_SAID = -1
/** Longer texts are no count; 9 digits also keep every product below 2^53. */
const MOST_DIGITS = 9
const MINUTE_MS = 60_000

/** A whole number of at most 9 digits; -1 = none. */
export function readCount(text: string): number {
  const { length } = text
  if (length === 0 || length > MOST_DIGITS) return NOT_SAID
  let count = 0
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return NOT_SAID
    count = count * 10 + digit
  }
  return count
}

/** Content-Length, which may have more digits than a count; -1 = not a length. */
export function readLength(text: string): number {
  const short = readCount(text)
  if (short !== NOT_SAID || text.length <= MOST_DIGITS || text.length > 15) return short
  const high = readCount(text.slice(0, text.length - MOST_DIGITS))
  const low = readCount(text.slice(text.length - MOST_DIGITS))
  return high === NOT_SAID || low === NOT_SAID ? NOT_SAID : high * 10 ** MOST_DIGITS + low
}

/** Seconds with an optional fraction, above zero, in ms; -1 for anything else, such as `NOT_GIVEN`. */
export function readSeconds(text: string): Millis {
  const dot = text.indexOf('.')
  if (dot === -1) {
    const seconds = readCount(text)
    return seconds > 0 ? seconds * 1000 : NOT_SAID
  }
  const whole = readCount(text.slice(0, dot))
  const fraction = text.slice(dot + 1, dot + 1 + MOST_DIGITS)
  const parts = readCount(fraction)
  if (whole === NOT_SAID || parts === NOT_SAID) return NOT_SAID
  const ms = whole * 1000 + (parts / 10 ** fraction.length) * 1000
  return ms > 0 ? ms : NOT_SAID
}

const GRPC_UNITS: Readonly<Record<string, number>> = {
  H: 60 * MINUTE_MS,
  M: MINUTE_MS,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}

/** `grpc-timeout`: at most 8 digits and a unit (gRPC over HTTP/2); -1 = malformed. */
export function readGrpcTimeout(text: string): Millis {
  const unit = GRPC_UNITS[text.slice(-1)]
  const count = text.length > MOST_DIGITS ? NOT_SAID : readCount(text.slice(0, -1))
  return unit === undefined || count <= 0 ? NOT_SAID : count * unit
}

/** `amz-sdk-request`, wire.md 2: `attempt=2; max=4`, of botocore also `ttl=20261120T201005Z; attempt=2; max=4`. */
export interface AmzRequest {
  /** -1 = not said. */
  readonly attempt: number
  /** The client's deadline in ms since 1970; -1 = not said. */
  readonly ttlAt: number
}

export function readAmzRequest(text: string): AmzRequest {
  let attempt = NOT_SAID
  let ttlAt = NOT_SAID
  for (const part of text.split(';', 8)) {
    const field = part.trim()
    if (field.startsWith('attempt=')) attempt = readCount(field.slice(8))
    else if (field.startsWith('ttl=')) ttlAt = readBasicTime(field.slice(4))
  }
  return { attempt, ttlAt }
}

/** ISO 8601 in its basic form, `20261120T201005Z`. */
function readBasicTime(text: string): number {
  if (text.length !== 16 || text[8] !== 'T' || text[15] !== 'Z') return NOT_SAID
  const date = readCount(text.slice(0, 8))
  const time = readCount(text.slice(9, 15))
  if (date === NOT_SAID || time === NOT_SAID) return NOT_SAID
  const day = Date.UTC(Math.floor(date / 10_000), (Math.floor(date / 100) % 100) - 1, date % 100)
  return day + (Math.floor(time / 10_000) * 3600 + (Math.floor(time / 100) % 100) * 60 + (time % 100)) * 1000
}

/** `Prefer` (RFC 7240): only what Weir knows. */
export interface Preference {
  readonly respondAsync: boolean
  /** -1 = not said. */
  readonly waitMs: Millis
}

export function readPrefer(text: string): Preference {
  let respondAsync = false
  let waitMs = NOT_SAID
  for (const part of text.split(',', 16)) {
    const preference = part.trim().toLowerCase()
    if (preference === 'respond-async') respondAsync = true
    else if (preference.startsWith('wait=') && waitMs === NOT_SAID) {
      const seconds = readCount(preference.slice(5))
      if (seconds !== NOT_SAID) waitMs = seconds * 1000
    }
  }
  return { respondAsync, waitMs }
}

const TRACE_FROM = 3
const TRACE_TO = 35
const SPAN_FROM = 36
const SPAN_TO = 52
const TRACEPARENT_LENGTH = 55

/** The 32 hex digits of the trace id in a W3C `traceparent`; '' = malformed, or all zero. */
export function traceIdIn(text: string): string {
  return isTraceparent(text) ? text.slice(TRACE_FROM, TRACE_TO) : ''
}

/** The 16 hex digits of the calling span. Only of a text that `traceIdIn` took. */
export function spanIdIn(traceparent: string): string {
  return traceparent.slice(SPAN_FROM, SPAN_TO)
}

/** W3C Trace Context 3.2: later versions may be longer, version ff does not exist, ids are not all zero. */
function isTraceparent(text: string): boolean {
  const { length } = text
  if (length < TRACEPARENT_LENGTH) return false
  if (length > TRACEPARENT_LENGTH && (text.startsWith('00') || text[TRACEPARENT_LENGTH] !== '-')) return false
  if (text.startsWith('ff')) return false
  let traceIsZero = true
  let spanIsZero = true
  for (let i = 0; i < TRACEPARENT_LENGTH; i++) {
    const code = text.charCodeAt(i)
    if (i === TRACE_FROM - 1 || i === SPAN_FROM - 1 || i === SPAN_TO) {
      if (code !== 0x2d) return false
      continue
    }
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return false
    if (code === 0x30) continue
    if (i >= TRACE_FROM && i < TRACE_TO) traceIsZero = false
    if (i >= SPAN_FROM && i < SPAN_TO) spanIsZero = false
  }
  return !traceIsZero && !spanIsZero
}

/** W3C Baggage 3.3.2: no more than 64 members need to be taken. */
const BAGGAGE_MEMBERS = 64

/** What baggage says of who calls, as sent (the reader checks it); '' = nothing. */
export interface BaggageNames {
  readonly agent: string
  readonly session: string
}

export function readBaggage(text: string): BaggageNames {
  let agent = ''
  let session = ''
  for (const member of text.split(',', BAGGAGE_MEMBERS)) {
    const equals = member.indexOf('=')
    if (equals === -1) continue
    const properties = member.indexOf(';', equals)
    const value = decoded(member.slice(equals + 1, properties === -1 ? member.length : properties).trim())
    switch (member.slice(0, equals).trim()) {
      case 'agent.id':
      case 'gen_ai.agent.id':
        agent ||= value
        break
      case 'session.id':
      case 'conversation.id':
      case 'gen_ai.conversation.id':
      case 'workflow.id':
        session ||= value
        break
      default:
    }
  }
  return { agent, session }
}

function decoded(value: string): string {
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    return ''
  }
}

/** Case-insensitive equality with a lower-case word, without a copy in the usual case. */
export function isWord(text: string, word: string): boolean {
  return text === word || (text.length === word.length && text.toLowerCase() === word)
}
