/**
 * What Node's parser lets through and a proxy must not (promises.md facts 4 to 6, rows 2, 19-29, 33): one pass over
 * the raw header list before anything else looks at a request. Two readers of one message that disagree on where
 * it ends are how requests are smuggled, so whatever is ambiguous is refused and its connection closed.
 */
import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'

export interface Refused {
  readonly status: number
  /** A sentence of ours; never the client's text. */
  readonly reason: string
}

export interface FramingLimits {
  readonly headerCount: number
  /** Lower-case pseudonym in `Via` that means this process. */
  readonly viaName: string
}

const CHUNKED_ONLY = refused(400, 'Transfer-Encoding must be exactly "chunked".')
const CHUNKED_ON_1_0 = refused(400, 'Transfer-Encoding is not part of HTTP/1.0.')
const HOST_COUNT = refused(400, 'Exactly one Host header is needed.')
const HOST_FORM = refused(400, 'The Host header must be a host name or address, with an optional port.')
const LOOP = refused(508, 'The request has been through this proxy before: its upstream leads back here.')
const VERSION = refused(505, 'HTTP/1.1 or HTTP/1.0 is needed.')
const METHOD = refused(405, 'This method is not forwarded: it exists to look at proxies.')
const RELIED_ON = refused(400, 'The Connection header names a field that the request relies on.')
const LENGTH_FORM = refused(400, 'Content-Length must be digits only, once, without Transfer-Encoding.')

/** RFC 3986 reg-name and IPv4, or a bracketed IPv6, with a port; no user-info. RFC 9110 4.2.1: a name is needed. */
const HOST =
  /^(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){1,255}|\[([0-9A-Fa-f:.]{2,45})\])(?::(\d{0,5}))?$/

/**
 * End-to-end fields that the Connection header may not have removed on the way (row 32): without them the
 * upstream would take the request for another one.
 */
const RELIED_ON_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'host',
  'idempotency-key',
  'origin',
  'range',
  'x-api-key',
  'x-goog-api-key',
])

/** undefined = this request may be looked at. */
export function checkFraming(request: IncomingMessage, limits: FramingLimits): Refused | undefined {
  const { rawHeaders, method } = request
  if (rawHeaders.length > limits.headerCount * 2) {
    return refused(431, `More than ${limits.headerCount} header lines.`)
  }
  // Node lets HTTP/0.9 and 2.0 pass in the syntax of 1.1.
  if (request.httpVersionMajor !== 1) return VERSION
  if (method === 'TRACE' || method === 'TRACK') return METHOD
  let hosts = 0
  let lengths = 0
  let codings = 0
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    // Most names have other lengths: no lower-casing for them.
    switch (name.length) {
      case 3:
        if (name.toLowerCase() === 'via' && namesUs(rawHeaders[index + 1]!, limits.viaName)) return LOOP
        break
      case 4:
        if (name.toLowerCase() === 'host') {
          hosts += 1
          if (!isHost(rawHeaders[index + 1]!)) return HOST_FORM
        }
        break
      case 10:
        if (name.toLowerCase() === 'connection' && namesReliedOn(rawHeaders[index + 1]!)) return RELIED_ON
        break
      case 14:
        if (name.toLowerCase() === 'content-length') {
          lengths += 1
          if (!/^\d{1,15}$/.test(rawHeaders[index + 1]!)) return LENGTH_FORM
        }
        break
      case 17:
        if (name.toLowerCase() === 'transfer-encoding') {
          codings += 1
          if (rawHeaders[index + 1]!.toLowerCase() !== 'chunked') return CHUNKED_ONLY
        }
        break
    }
  }
  const isHttp11 = request.httpVersionMajor === 1 && request.httpVersionMinor === 1
  if (hosts > 1 || (hosts === 0 && isHttp11)) return HOST_COUNT
  if (codings > 1) return CHUNKED_ONLY
  if (codings === 1 && !isHttp11) return CHUNKED_ON_1_0
  if (lengths > 1 || (lengths === 1 && codings === 1)) return LENGTH_FORM
  return undefined
}

function isHost(value: string): boolean {
  const parts = HOST.exec(value)
  if (parts === null || Number(parts[2] ?? 0) > 65_535) return false
  return parts[1] === undefined || isIPv6(parts[1])
}

/** `Via: 1.1 name (comment), ...`; RFC 9110 7.6.3. */
function namesUs(via: string, viaName: string): boolean {
  return via
    .toLowerCase()
    .split(',')
    .some((hop) => hop.trim().split(/[ \t]+/)[1] === viaName)
}

function namesReliedOn(connection: string): boolean {
  if (connection === 'keep-alive' || connection === 'close') return false
  return connection
    .toLowerCase()
    .split(',')
    .some((option) => RELIED_ON_NAMES.has(option.trim()))
}

function refused(status: number, reason: string): Refused {
  return { status, reason }
}
