/**
 * Heads between HTTP/2 and HTTP/1.1 (RFC 9113 8.2 and 8.3). nghttp2 has refused upper case, fields of a connection and
 * pseudo-fields out of order before; what it leaves open is decided here, and nothing ambiguous goes on.
 */
import type { OutgoingHttpHeaders } from 'node:http2'
import type { Refused } from './framing.ts'

export interface Http1Head {
  readonly method: string
  readonly path: string
  /** Flat names and values; framing included. */
  readonly headers: string[]
  readonly hasBody: boolean
  /** `application/grpc`, also with `+proto` and the like; not gRPC-Web, which is made for HTTP/1.1. */
  readonly isGrpc: boolean
}

export type ReadHead = { readonly head: Http1Head } | { readonly refused: Refused }

/** RFC 9113 8.2.2. nghttp2 resets streams that have them; a version of it that does not must not be believed. */
const OF_A_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

const GRPC = /^application\/grpc(?:[+;]|$)/i
/** Methods that say how long their body is even when there is none (RFC 9110 8.6). */
const WITH_LENGTH: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/**
 * @param raw flat list as HTTP/2 brought it
 * @param endsHere the head has END_STREAM: no body follows
 */
export function http1Head(raw: readonly string[], endsHere: boolean): ReadHead {
  let method = ''
  let path = ''
  let authority: string | undefined
  let host: string | undefined
  let cookie = ''
  let hasLength = false
  let isGrpc = false
  const headers: string[] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]!
    const value = raw[index + 1]!
    switch (name) {
      case ':method':
        method = value
        continue
      case ':path':
        path = value
        continue
      case ':authority':
        authority = value
        continue
      case ':scheme':
        continue
      case 'host':
        if (host !== undefined) return refused('Exactly one Host header is needed.')
        host = value
        continue
      case 'cookie':
        // Crumbs (RFC 9113 8.2.3): one field again, before anything that knows only HTTP/1.1 reads them.
        cookie += cookie === '' ? value : `; ${value}`
        continue
      case 'content-length':
        hasLength = true
        break
      case 'content-type':
        isGrpc = GRPC.test(value)
        break
      default:
        if (name.startsWith(':') || OF_A_CONNECTION.has(name)) {
          return refused('The request has a field that HTTP/2 does not allow.')
        }
    }
    headers.push(name, value)
  }
  if (method === 'CONNECT') {
    return { refused: { status: 405, reason: 'CONNECT is not served: this is no open proxy.' } }
  }
  // RFC 9113 8.3.1: two readers must not see two hosts.
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    return refused(':authority and Host differ.')
  }
  if (!path.startsWith('/') && path !== '*')
    return refused('The request target is not a path of this listener.')
  if (cookie !== '') headers.push('cookie', cookie)
  const named = authority ?? host
  if (named !== undefined) headers.unshift('host', named)
  if (!hasLength && !endsHere) headers.push('transfer-encoding', 'chunked')
  else if (!hasLength && WITH_LENGTH.has(method)) headers.push('content-length', '0')
  headers.push('connection', 'close')
  return { head: { method, path, headers, hasBody: !endsHere, isGrpc } }
}

function refused(reason: string): ReadHead {
  return { refused: { status: 400, reason } }
}

/** @param raw flat list as HTTP/1.1 brought it; repeated fields stay apart, in order */
export function http2Fields(raw: readonly string[]): OutgoingHttpHeaders {
  const fields: Record<string, string | string[]> = {}
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase()
    const value = raw[index + 1]!
    if (OF_A_CONNECTION.has(name) || name.startsWith(':')) continue
    const before = fields[name]
    if (before === undefined) fields[name] = value
    else if (typeof before === 'string') fields[name] = [before, value]
    else before.push(value)
  }
  return fields
}
