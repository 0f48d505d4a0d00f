/**
 * Undoes the chunked coding of a response (RFC 9112 7.1), a piece at a time, from reads that are cut anywhere. Strict:
 * every line ends in CRLF, a size is hexadecimal and exact, extensions and trailers are bounded.
 */
import { readTrailers } from './response-head.ts'
import { WireError } from './wire-error.ts'

/** Thirteen hexadecimal digits: sizes stay exact in a number. */
const MOST_DIGITS = 13
/** Of all extensions of one body, as Node bounds them (CVE-2024-22019). */
const EXTENSION_BYTES = 16 * 1024
/** RFC 9112 7.1.1 without white space, which nobody sends and llhttp does not take. */
const EXTENSIONS =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)+$/
const TRAILER_BYTES = 32 * 1024

const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b

type Place = 'size' | 'extension' | 'size end' | 'data' | 'data end' | 'data line end' | 'trailers' | 'done'

export class ChunkedBody {
  /** The data that the last `read` found; undefined = none yet. */
  piece: Buffer | undefined
  /** Names and values by turns, once it is done. */
  trailers: string[] = []
  #place: Place = 'size'
  #size = 0
  #digits = 0
  #extensionBytes = 0
  /** Of this chunk. */
  #extensions = ''
  #trailerText = ''

  get isDone(): boolean {
    return this.#place === 'done'
  }

  /**
   * Reads on until there is a piece of data, the end, or no byte left.
   *
   * @returns the place behind what was read; bytes from there on were not looked at
   * @throws WireError
   */
  read(bytes: Buffer, from: number): number {
    this.piece = undefined
    let at = from
    while (at < bytes.length && this.#place !== 'done') {
      if (this.#place === 'data') {
        const to = Math.min(bytes.length, at + this.#size)
        this.#size -= to - at
        if (this.#size === 0) this.#place = 'data end'
        this.piece = bytes.subarray(at, to)
        return to
      }
      if (this.#place === 'trailers') at = this.#readTrailers(bytes, at)
      else this.#readByte(bytes[at++]!)
    }
    return at
  }

  #readByte(byte: number): void {
    switch (this.#place) {
      case 'size':
        if (byte === CR && this.#digits > 0) this.#place = 'size end'
        else if (byte === SEMICOLON && this.#digits > 0) this.#addExtension(byte)
        else this.#addDigit(digitOf(byte))
        return
      case 'extension':
        if (byte === CR) this.#endExtensions()
        else this.#addExtension(byte)
        return
      case 'size end':
        expectByte(byte, LF)
        this.#place = this.#size === 0 ? 'trailers' : 'data'
        this.#digits = 0
        return
      case 'data end':
        expectByte(byte, CR)
        this.#place = 'data line end'
        return
      case 'data line end':
        expectByte(byte, LF)
        this.#place = 'size'
        return
      case 'data':
      case 'trailers':
      case 'done':
      // Not read a byte at a time.
    }
  }

  #addDigit(digit: number): void {
    this.#digits += 1
    if (digit === -1 || this.#digits > MOST_DIGITS)
      throw new WireError('HPE_INVALID_CHUNK_SIZE', 'a chunk size is hexadecimal')
    this.#size = this.#size * 16 + digit
  }

  #addExtension(byte: number): void {
    this.#place = 'extension'
    this.#extensionBytes += 1
    if (this.#extensionBytes > EXTENSION_BYTES)
      throw new WireError('HPE_CHUNK_EXTENSIONS_OVERFLOW', 'more extensions than any server sends')
    this.#extensions += String.fromCharCode(byte)
  }

  #endExtensions(): void {
    if (!EXTENSIONS.test(this.#extensions)) throw new WireError('HPE_STRICT', 'a chunk extension is none')
    this.#extensions = ''
    this.#place = 'size end'
  }

  /** The section ends with an empty line; most have nothing before it. */
  #readTrailers(bytes: Buffer, from: number): number {
    const before = this.#trailerText
    const text = before + bytes.toString('latin1', from, Math.min(bytes.length, from + TRAILER_BYTES + 4))
    // What was looked at is not looked at again, but for the half of a line end.
    const seen = Math.max(0, before.length - 4)
    const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n', seen)
    if (end === -1) {
      if (text.length > TRAILER_BYTES)
        throw new WireError('UND_ERR_HEADERS_OVERFLOW', 'the trailers are too long')
      if (text.startsWith('\n') || /[^\r]\n|\r[^\n]/.test(text.slice(seen)))
        throw new WireError('HPE_INVALID_HEADER_TOKEN', 'a trailer is no field')
      this.#trailerText = text
      return bytes.length
    }
    const whole = end === 0 ? 2 : end + 4
    this.trailers = end === 0 ? [] : readTrailers(text.slice(0, end + 2))
    this.#trailerText = ''
    this.#place = 'done'
    return from + whole - before.length
  }
}

function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function expectByte(byte: number, wanted: number): void {
  if (byte !== wanted) throw new WireError('HPE_STRICT', 'a line of a chunked body does not end in CRLF')
}
