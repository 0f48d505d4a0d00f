/**
 * Servers that are too kind, as readers of bytes: each resolves what RFC 9112 leaves ambiguous in its own way, as
 * real servers do. Where two of them find different requests in the same bytes, one can be smuggled past the
 * other; so what leaves a proxy must read the same to all of them.
 */

export interface ReadRequest {
  /** Method, target and version. */
  readonly line: string
  /** Header lines as they came. */
  readonly lines: readonly string[]
  /** The same, names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** All of it is there. */
  readonly isWhole: boolean
}

interface Leniency {
  /** What ends a line. */
  readonly lineEnd: RegExp
  /** Whom it believes when both are said. */
  readonly framing: 'chunks' | 'length'
  /** Which of many lengths it believes. */
  readonly length: 'first' | 'last'
}

const LINE_ENDS = { CRLF: /\r\n/g, 'CRLF or LF': /\r?\n/g, 'CRLF, LF or CR': /\r\n|\n|\r/g }

export const LENIENT_READERS: readonly { readonly name: string; readonly how: Leniency }[] = Object.entries(
  LINE_ENDS,
).flatMap(([lines, lineEnd]) =>
  (['chunks', 'length'] as const).flatMap((framing) =>
    (['first', 'last'] as const).map((length) => ({
      name: `ends lines at ${lines}, believes ${framing}, the ${length} length`,
      how: { lineEnd, framing, length },
    })),
  ),
)

/** Every request that a reader of this leniency finds, the last one perhaps not whole. */
export function readRequests(bytes: string, how: Leniency): ReadRequest[] {
  const requests: ReadRequest[] = []
  const lines = new Lines(bytes, how.lineEnd)
  for (;;) {
    let line = lines.next()
    while (line === '') line = lines.next()
    if (line === undefined) {
      if (lines.rest !== '')
        requests.push({ line: lines.rest, lines: [], fields: [], body: '', isWhole: false })
      return requests
    }
    const raw: string[] = []
    const fields: [string, string][] = []
    let field = lines.next()
    for (; field !== undefined && field !== ''; field = lines.next()) {
      const colon = field.indexOf(':')
      raw.push(field)
      fields.push([field.slice(0, colon).trim().toLowerCase(), field.slice(colon + 1).trim()])
    }
    const body = field === undefined ? undefined : readBody(lines, fields, how)
    requests.push({ line, lines: raw, fields, body: body ?? lines.rest, isWhole: body !== undefined })
    if (body === undefined) return requests
  }
}

/** undefined = not all of it is there. */
function readBody(
  lines: Lines,
  fields: readonly (readonly [string, string])[],
  how: Leniency,
): string | undefined {
  const isChunked = fields.some(([name, value]) => name === 'transfer-encoding' && /chunked/i.test(value))
  const lengths = fields.filter(([name]) => name === 'content-length').map(([, value]) => value)
  const length = how.length === 'first' ? lengths[0] : lengths.at(-1)
  if (isChunked && (how.framing === 'chunks' || length === undefined)) return readChunks(lines)
  if (length === undefined) return ''
  return lines.take(Number.parseInt(length, 10) || 0)
}

function readChunks(lines: Lines): string | undefined {
  let body = ''
  for (;;) {
    const size = Number.parseInt(lines.next() ?? '', 16)
    if (Number.isNaN(size)) return undefined
    if (size === 0) break
    const chunk = lines.take(size)
    if (chunk === undefined) return undefined
    body += chunk
    lines.next()
  }
  let trailer = lines.next()
  while (trailer !== undefined && trailer !== '') trailer = lines.next()
  return trailer === undefined ? undefined : body
}

class Lines {
  readonly #bytes: string
  readonly #lineEnd: RegExp
  #at = 0

  constructor(bytes: string, lineEnd: RegExp) {
    this.#bytes = bytes
    this.#lineEnd = lineEnd
  }

  get rest(): string {
    return this.#bytes.slice(this.#at)
  }

  /** undefined = no whole line is left. */
  next(): string | undefined {
    this.#lineEnd.lastIndex = this.#at
    const end = this.#lineEnd.exec(this.#bytes)
    if (end === null) return undefined
    const line = this.#bytes.slice(this.#at, end.index)
    this.#at = this.#lineEnd.lastIndex
    return line
  }

  take(length: number): string | undefined {
    if (this.#at + length > this.#bytes.length) return undefined
    this.#at += length
    return this.#bytes.slice(this.#at - length, this.#at)
  }
}
