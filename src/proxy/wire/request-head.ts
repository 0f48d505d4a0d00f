/** Writes the head of a request: RFC 9112 3, with the framing of its body (6). */
import { FieldFates } from '../field-fates.ts'
import { WireError } from './wire-error.ts'

export interface OutgoingRequest {
  readonly method: string
  /** Origin form. */
  readonly path: string
  /** Names and values by turns. */
  readonly headers: readonly string[]
  readonly isUpgrade: boolean
  /** Bytes of the body when all of it is here; -1 = it comes in pieces. */
  readonly bytes: number
}

export interface RequestHead {
  /** Latin-1, the empty line included. */
  readonly text: string
  /** Body bytes that it promises; -1 = the body is chunked. */
  readonly length: number
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Whatever would end a line, or is no byte; looked for in all fields at once. */
const NO_FIELD = /[^\t\x20-\x7e\x80-\xff]/
const NO_TARGET = /[^\x21-\x7e\x80-\xff]/
/** RFC 9110 8.6: a method whose body means something says that there is none. */
const EXPECTS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

/** Said here, or to nobody: twice or against what is said they would frame or route the request anew. */
const OURS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'expect',
])

const names = new FieldFates<'length' | 'any' | 'none'>((lower) => {
  if (lower === 'content-length') return 'length'
  if (OURS.has(lower)) return 'none'
  return TOKEN.test(lower) ? 'any' : 'none'
})

/** @param host the value of `Host`. @throws WireError when something of it cannot stand in a head */
export function requestHead(
  { method, path, headers, isUpgrade, bytes }: OutgoingRequest,
  host: string,
): RequestHead {
  if (names.of(method) === 'none' || NO_TARGET.test(path)) throw invalid('the method or the target')
  if (NO_FIELD.test(headers.join(''))) throw invalid('a header')
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`
  text += isUpgrade ? 'connection: upgrade\r\nupgrade: websocket\r\n' : 'connection: keep-alive\r\n'
  let length = -1
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]!
    const value = headers[index + 1]!
    const kind = names.of(name)
    if (kind === 'none') throw invalid(`the name of header ${index / 2}`)
    if (kind === 'length') length = saidLength(value, length)
    text += `${name}: ${value}\r\n`
  }
  if (bytes !== -1 && length !== -1 && length !== bytes)
    throw new WireError('UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'the body is not as long as its head says')
  if (length !== -1) return { text: `${text}\r\n`, length }
  if (bytes === -1) return { text: `${text}transfer-encoding: chunked\r\n\r\n`, length }
  if (bytes === 0 && !EXPECTS_BODY.has(method)) return { text: `${text}\r\n`, length: 0 }
  return { text: `${text}content-length: ${bytes}\r\n\r\n`, length: bytes }
}

function saidLength(value: string, before: number): number {
  if (before !== -1 || !/^[0-9]{1,15}$/.test(value)) throw invalid('the length')
  return Number(value)
}

function invalid(what: string): WireError {
  return new WireError('UND_ERR_INVALID_ARG', `${what} cannot stand in a request`)
}
