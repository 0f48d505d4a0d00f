/**
 * Reads the head of a response, and refuses whatever two readers might read in two ways: the grammar of RFC 9112 4 and
 * 5 without any of its leniencies (no bare LF, no folded line, no space before a colon, no control character), and of
 * RFC 9112 6.3 no framing that is said twice. Where llhttp is stricter or laxer is a finding of `npm run fuzz --
 * --target response`.
 */
import { FieldFates } from '../field-fates.ts'
import { WireError } from './wire-error.ts'

export interface ResponseHead {
  readonly status: number
  /** Bytes as Latin-1; '' = none. */
  readonly reason: string
  /** Names and values by turns, as they were sent, without the white space around values. */
  readonly fields: string[]
  /** Body bytes to come; or one of the two below. */
  readonly length: number
  /** The connection ends with this response. */
  readonly isLast: boolean
  /** For how long the server keeps an idle connection, as it says; -1 = it does not say. */
  readonly keepAliveMs: number
}

export const CHUNKED = -1
/** The body ends with the connection. */
export const UNTIL_CLOSE = -2

/**
 * From the status line to the last field, with the line end of each. No two parts match the same text.
 * What a reason may not contain is no reason to lose the answer (RFC 9112 4: clients ignore it).
 */
const GRAMMAR =
  /^HTTP\/1\.([01]) ([1-9][0-9][0-9])(?: ([^\r\n]*))?\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)$/
/** No more digits than are exact in a number; llhttp takes no tab behind them. */
const LENGTH = /^[\t ]*[0-9]{1,15} *$/
/** The one coding that is undone here; behind a tab llhttp takes it for another. */
const CODING = /^[\t ]*chunked *$/i
const START = 'HTTP/1.'

type Framing = 'none' | 'length' | 'coding' | 'connection' | 'keep-alive'

const framings = new FieldFates<Framing>((lower) => {
  if (lower === 'content-length') return 'length'
  if (lower === 'transfer-encoding') return 'coding'
  if (lower === 'connection' || lower === 'keep-alive') return lower
  return 'none'
})

/**
 * @param text Latin-1, up to the empty line and without it
 * @param isHead the request was HEAD: a body is announced and does not come
 * @throws WireError when it is not exactly one head
 */
export function readResponseHead(text: string, isHead: boolean): ResponseHead {
  const parts = GRAMMAR.exec(text)
  if (parts === null) throw faultOf(text)
  const isOld = parts[1] === '0'
  const status = Number(parts[2])
  const fields: string[] = []
  let length = UNTIL_CLOSE
  let isCoded = false
  let connection = ''
  let keepAlive = ''
  const lines = parts[4]!
  for (let from = 0; from < lines.length;) {
    const to = lines.indexOf('\r\n', from)
    const colon = lines.indexOf(':', from)
    const name = lines.slice(from, colon)
    const value = trimmed(lines, colon + 1, to)
    from = to + 2
    fields.push(name, value)
    switch (framings.of(name)) {
      case 'none':
        break
      case 'length':
        if (length !== UNTIL_CLOSE) throw twice()
        if (!LENGTH.test(lines.slice(colon + 1, from - 2)))
          throw new WireError('HPE_INVALID_CONTENT_LENGTH', 'a length is digits')
        length = Number(value)
        break
      case 'coding':
        if (isCoded) throw new WireError('HPE_INVALID_TRANSFER_ENCODING', 'two transfer codings')
        isCoded = true
        // RFC 9112 6.1: HTTP/1.0 knows no coding, so that whoever says one is not to be believed about framing.
        if (isOld || !CODING.test(lines.slice(colon + 1, from - 2)))
          throw new WireError('HPE_INVALID_TRANSFER_ENCODING', 'the transfer coding is not chunked alone')
        break
      case 'connection':
        connection += `,${value.toLowerCase()}`
        break
      case 'keep-alive':
        keepAlive = value
        break
    }
  }
  if (isCoded && length !== UNTIL_CLOSE) throw twice()
  if (isCoded) length = CHUNKED
  // RFC 9112 6.3: these have no body, whatever their fields say.
  if (isHead || status < 200 || status === 204 || status === 304) length = 0
  return {
    status,
    reason: parts[3] ?? '',
    fields,
    length,
    isLast: length === UNTIL_CLOSE || isClosing(connection, isOld),
    keepAliveMs: keepAlive === '' ? -1 : timeoutOf(keepAlive),
  }
}

/** The fields of a trailer section (RFC 9112 7.1.2), in the grammar of a head's. @throws WireError */
export function readTrailers(text: string): string[] {
  const { fields } = readResponseHead(`HTTP/1.1 204 \r\n${text}`, false)
  if (fields.some((name, index) => index % 2 === 0 && framings.of(name) === 'length')) throw twice()
  return fields
}

/**
 * Whether the beginning of a head can still become one; so that what is no HTTP is not waited for.
 *
 * @param start its first characters. @param news what came last, and the character before it
 */
export function mayBecomeHead(start: string, news: string): boolean {
  return START.startsWith(start.slice(0, START.length)) && !/[^\r]\n|\r[^\n]/.test(news)
}

function faultOf(text: string): WireError {
  const isStatus = /^HTTP\/1\.[01] [1-9][0-9][0-9][ \r]/.test(text)
  return isStatus
    ? new WireError('HPE_INVALID_HEADER_TOKEN', 'a line of the head is no field')
    : new WireError('HPE_INVALID_CONSTANT', 'the status line is not that of HTTP/1')
}

function twice(): WireError {
  return new WireError('HPE_UNEXPECTED_CONTENT_LENGTH', 'the length of the body is said twice')
}

/** Optional white space is SP and HTAB; `trim` would take bytes of other alphabets too. */
function trimmed(text: string, from: number, to: number): string {
  let [first, last] = [from, to]
  while (first < last && isBlank(text.charCodeAt(first))) first += 1
  while (last > first && isBlank(text.charCodeAt(last - 1))) last -= 1
  return text.slice(first, last)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** RFC 9112 9.3. */
function isClosing(connection: string, isOld: boolean): boolean {
  if (connection === '' || connection === ',keep-alive') return isOld && connection === ''
  const options = connection.split(',').map((option) => option.trim())
  return options.includes('close') || (isOld && !options.includes('keep-alive'))
}

function timeoutOf(keepAlive: string): number {
  const seconds = /(?:^|[,;\s])timeout=([0-9]{1,6})/i.exec(keepAlive)?.[1]
  return seconds === undefined ? -1 : Number(seconds) * 1000
}
