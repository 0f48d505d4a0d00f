/**
 * What Weir itself answers to a gRPC call, in gRPC's own terms: a status of 200 and the reason in fields that a gRPC
 * client reads (Trailers-Only, gRPC over HTTP/2 "Responses"), since to it a bare 429 is "UNAVAILABLE, unknown reason".
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { OutgoingHttpHeaders } from 'node:http2'
import type { Duplex } from 'node:stream'

/** The sockets of calls that are gRPC, as `http2-bridge.ts` found them. */
export const grpcSockets = new WeakSet<Duplex>()

/** Code numbers of gRPC (grpc/grpc doc/statuscodes.md), by the status that Weir answers over HTTP. */
const CODES: Readonly<Record<number, number>> = {
  400: 3, // INVALID_ARGUMENT
  401: 16, // UNAUTHENTICATED
  403: 7, // PERMISSION_DENIED
  404: 12, // UNIMPLEMENTED: there is no such service here
  405: 12,
  408: 4, // DEADLINE_EXCEEDED
  413: 8, // RESOURCE_EXHAUSTED
  429: 14, // UNAVAILABLE: the one code that a client's retry policy takes for "again later"
  431: 8,
  500: 13, // INTERNAL
  501: 12,
  502: 14,
  503: 14,
  504: 4,
  508: 13,
}
const UNKNOWN = 2

/** Weir's own fields that stay, so that both kinds of refusals read alike. */
const KEPT = ['weir-verdict', 'weir-reason', 'weir-call-id', 'weir-source', 'weir-problem', 'server-timing']

/**
 * @param status what Weir answers over HTTP
 * @param fields the head of that answer
 * @param sentence why, for people
 */
export function grpcRefusal(
  status: number,
  fields: IncomingHttpHeaders,
  sentence: string,
): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-status': String(CODES[status] ?? UNKNOWN),
    'grpc-message': percentEncoded(sentence),
  }
  const waitMs = Number(fields['retry-after-ms'] ?? Number.NaN)
  // gRFC A6: when to come back in ms; a negative number = not at all.
  if (Number.isFinite(waitMs) && waitMs >= 0) head['grpc-retry-pushback-ms'] = String(Math.ceil(waitMs))
  else if (fields['x-should-retry'] === 'false') head['grpc-retry-pushback-ms'] = '-1'
  for (const name of KEPT) {
    const value = fields[name]
    if (value !== undefined) head[name] = value
  }
  return head
}

/** gRPC over HTTP/2 "Status-Message": everything but printable ASCII, and `%` itself. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll('%20', ' ')
}

/** The sentence in a body of Weir's own, whichever dialect it is in; '' = there is none. */
export function sentenceOf(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body)
    return messageIn(parsed) ?? ''
  } catch {
    return ''
  }
}

function messageIn(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  for (const key of ['message', 'detail', 'error']) {
    const found: unknown = Reflect.get(value, key)
    if (typeof found === 'string') return found
    const inner = messageIn(found)
    if (inner !== undefined) return inner
  }
  return undefined
}
