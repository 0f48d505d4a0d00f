/**
 * The header lists that leave Weir, made from the raw lists that came in: order, case and repetition of end-to-end
 * fields stay as they were. What is taken away and what is put in is one table each, with the reason.
 */
import { FieldFates } from './field-fates.ts'
import { isHint } from './quota-headers.ts'

/**
 * RFC 9110 7.6.1: fields for one connection only. They end here in both directions; the next connection is made
 * by Weir's client or Node, which say their own. Whatever `Connection` names goes too.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings', // with `Upgrade: h2c`, which ends here (RFC 7540 3.2.1)
])

/** Further fields of a request that stop here. */
const NOT_SENT_UPSTREAM: ReadonlySet<string> = new Set([
  'host', // always the configured upstream's authority (promises.md row 35)
  'expect', // answered here (row 37)
  'trailer', // no trailers are sent upstream, so none may be announced
])

/** Further fields of a response that stop here. */
const NOT_SENT_DOWNSTREAM: ReadonlySet<string> = new Set([
  'alt-svc', // would lead the client past Weir
])

/** Our own words, in the spelling that servers fold into the same variable too (row 30). */
const OURS = /^weir[-_]/

/** As in `NOT_SENT_UPSTREAM`, when the client counts the body itself or frames the handshake. */
export interface RequestHeaderOptions {
  /** The length is said by Weir's HTTP client: it has the body in one piece, or there is none. */
  readonly dropLength: boolean
  /** The client can take trailers: `te: trailers` is said again on the next connection. */
  readonly wantsTrailers: boolean
  /** The pseudonym for `Via` (RFC 9110 7.6.3: a gateway must name itself upstream). */
  readonly viaName: string
  /** Fields that only Weir reads, besides everything that begins with `weir-`; lower case. */
  readonly stripped: ReadonlySet<string>
}

type RequestFate = 'goes on' | 'ends here' | 'connection' | 'length' | 'via'

/** One for each set of names that are ours: in practice one for each proxy. */
const requestFates = new WeakMap<ReadonlySet<string>, FieldFates<RequestFate>>()

function requestFatesFor(stripped: ReadonlySet<string>): FieldFates<RequestFate> {
  const known = requestFates.get(stripped)
  if (known !== undefined) return known
  const fates = new FieldFates<RequestFate>((lower) => {
    if (lower === 'connection') return 'connection'
    if (HOP_BY_HOP.has(lower) || NOT_SENT_UPSTREAM.has(lower)) return 'ends here'
    if (OURS.test(lower) || stripped.has(lower)) return 'ends here'
    if (lower === 'content-length') return 'length'
    return lower === 'via' ? 'via' : 'goes on'
  })
  requestFates.set(stripped, fates)
  return fates
}

/** @param raw flat list of names and values as Node gives it; not changed */
export function requestHeaders(raw: readonly string[], options: RequestHeaderOptions): string[] {
  const fates = requestFatesFor(options.stripped)
  const out: string[] = []
  let connection = ''
  let viaAt = -1
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]!
    const value = raw[index + 1]!
    switch (fates.of(name)) {
      case 'goes on':
        break
      case 'ends here':
        continue
      case 'connection':
        if (value !== 'keep-alive') connection += `,${value}`
        continue
      case 'length':
        if (options.dropLength) continue
        break
      case 'via':
        viaAt = out.length
        break
    }
    out.push(name, value)
  }
  dropNamed(out, connection)
  if (options.wantsTrailers) out.push('te', 'trailers')
  // Appended to the last line of an existing list, so that the order of hops holds.
  if (viaAt !== -1 && out[viaAt]?.toLowerCase() === 'via') out[viaAt + 1] += `, 1.1 ${options.viaName}`
  else out.push('via', `1.1 ${options.viaName}`)
  return out
}

export interface ResponseHead {
  /** Flat, ready for `writeHead`. */
  readonly headers: string[]
  /** -1 = not said. */
  contentLength: number
  isEventStream: boolean
  /** Some name speaks of rates or retries: worth a second look. */
  hasHints: boolean
  /** Coded for transfer other than in chunks: nobody undoes it here, and its name ends here. */
  isCoded: boolean
}

type ResponseFate = 'goes on' | 'ends here' | 'connection' | 'coding' | 'length' | 'type' | 'trailer' | 'hint'

const responseFates = new FieldFates<ResponseFate>((lower) => {
  if (lower === 'connection') return 'connection'
  if (lower === 'transfer-encoding') return 'coding'
  if (HOP_BY_HOP.has(lower) || NOT_SENT_DOWNSTREAM.has(lower) || OURS.test(lower)) return 'ends here'
  if (lower === 'content-length') return 'length'
  if (lower === 'content-type') return 'type'
  if (lower === 'trailer') return 'trailer'
  return isHint(lower) ? 'hint' : 'goes on'
})

/**
 * @param raw flat list of names and values: bytes as undici gives them, or text
 * @param keepTrailer trailers will be sent, so their announcement may be too
 * @param dropLength a length would announce bytes that cannot come: 204 (RFC 9110 8.6)
 */
export function responseHeaders(
  raw: readonly (Buffer | string)[],
  keepTrailer: boolean,
  dropLength = false,
): ResponseHead {
  const headers: string[] = []
  const head: ResponseHead = {
    headers,
    contentLength: -1,
    isEventStream: false,
    hasHints: false,
    isCoded: false,
  }
  let connection = ''
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = text(raw[index]!)
    const value = text(raw[index + 1]!)
    switch (responseFates.of(name)) {
      case 'goes on':
        break
      case 'ends here':
        continue
      case 'connection':
        if (value !== 'keep-alive') connection += `,${value}`
        continue
      case 'coding':
        if (value.toLowerCase() !== 'chunked') head.isCoded = true
        continue
      case 'length':
        if (dropLength) continue
        head.contentLength = Number(value)
        break
      case 'type':
        head.isEventStream = /^text\/event-stream\b/i.test(value)
        break
      case 'trailer':
        if (!keepTrailer) continue
        break
      case 'hint':
        head.hasHints = true
        break
    }
    headers.push(name, value)
  }
  dropNamed(headers, connection)
  // No trailers follow a body of known length, and Node refuses to announce them there.
  if (keepTrailer && head.contentLength !== -1) dropNamed(headers, ',trailer')
  return head
}

/**
 * Trailers that may follow a response. RFC 9110 6.5.1: never what frames, routes, authenticates or describes the
 * message, since some receivers merge them into its head.
 */
export function responseTrailers(raw: readonly (Buffer | string)[]): [string, string][] {
  const out: [string, string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = text(raw[index]!)
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || NOT_IN_TRAILERS.test(lower) || OURS.test(lower)) continue
    out.push([name, text(raw[index + 1]!)])
  }
  return out
}

const NOT_IN_TRAILERS =
  /^(?:content-(?:length|type|encoding|range)|host|cache-control|expect|max-forwards|range|authorization|set-cookie|cookie|age|date|expires|location|retry-after|vary|warning|trailer|x-should-retry|.*-authenticate)$/

/** Removes what `Connection` names. Rare: the usual options name no field. */
function dropNamed(headers: string[], connection: string): void {
  if (connection === '' || connection === ',keep-alive' || connection === ',close') return
  const named = new Set<string>()
  for (const option of connection.toLowerCase().split(',')) {
    const name = option.trim()
    if (name !== '' && name !== 'close' && name !== 'keep-alive' && !HOP_BY_HOP.has(name)) named.add(name)
  }
  // The framing of the message that is being sent is ours and is not theirs to remove.
  named.delete('content-length')
  if (named.size === 0) return
  let kept = 0
  for (let index = 0; index < headers.length; index += 2) {
    if (named.has(headers[index]!.toLowerCase())) continue
    headers[kept] = headers[index]!
    headers[kept + 1] = headers[index + 1]!
    kept += 2
  }
  headers.length = kept
}

/** Bytes above 0x7f are kept one to one (RFC 9110 5.5, obs-text). */
function text(value: Buffer | string): string {
  return typeof value === 'string' ? value : value.toString('latin1')
}
