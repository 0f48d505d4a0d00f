/**
 * One connection to an upstream, for one request at a time. It is used again only when everything about the message
 * before was in order: the request whole, the response ended by its own framing, and not a byte behind it.
 */
import type { Socket } from 'node:net'
import { ChunkedBody } from './chunked-body.ts'
import { own, type Reader } from './connect.ts'
import { RequestSender } from './request-sender.ts'
import { CHUNKED, mayBecomeHead, readResponseHead, type ResponseHead, UNTIL_CLOSE } from './response-head.ts'
import { LENT_BYTES, type WireCall } from './wire-call.ts'
import { errorOf, WireError } from './wire-error.ts'

/** As on the listener (promises.md row 1). */
export const HEAD_BYTES = 32 * 1024
/** Interim answers before the one that counts: more is a server that never comes to the point. */
const MOST_INTERIM = 64
/** Up to here one write of a copied string costs less than two buffers. */
const SHORT_BYTES = LENT_BYTES
const END_OF_HEAD = Buffer.from('\r\n\r\n')

export interface WireConnectionEvents {
  /** It may carry another request, if nothing comes on it for a turn of the loop. */
  ended(connection: WireConnection): void
  /** It is gone. Once. */
  gone(connection: WireConnection): void
}

export class WireConnection {
  readonly #socket: Socket
  readonly #events: WireConnectionEvents
  #call: WireCall | undefined
  /** As long as the request is not whole. */
  #sender: RequestSender | undefined
  #isGone = false
  /** Bytes of a head that is not whole yet. */
  #partial: Buffer | undefined
  #head: ResponseHead | undefined
  /** Body bytes to come, when they are counted. */
  #left = 0
  #chunks: ChunkedBody | undefined
  #interim = 0
  /** What was read while nobody wanted more. */
  #unread: Buffer | undefined
  /** For how long the server keeps it when it is idle, by its own word; -1 = not said. */
  keepAliveMs = -1
  /** When it ceases to be used; owned by the pool. */
  idleUntil = 0

  /**
   * @param socket connected
   * @param reader brings what is read; undefined = the socket does
   */
  constructor(socket: Socket, reader: Reader | undefined, events: WireConnectionEvents) {
    this.#socket = socket
    this.#events = events
    if (reader === undefined) socket.on('data', this.#onData)
    else reader.read = this.#onData
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  /** Begins a call whose handler was told of its start. Only on a free connection. */
  carry(call: WireCall): void {
    this.#call = call
    call.connection = this
    this.#interim = 0
    try {
      this.#send(call)
    } catch (error) {
      this.#fail(errorOf(error))
    }
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    const bytes = this.#unread
    this.#unread = undefined
    if (bytes !== undefined) this.#onData(bytes)
    if (this.#call?.paused !== true) this.#socket.resume()
  }

  /** Cuts it; the call on it hears nothing. */
  drop(): void {
    this.#release()
    this.#socket.destroy()
    this.#leave()
  }

  /** Ends it with an error for the call on it; resolves when it is closed. */
  async destroy(): Promise<void> {
    const socket = this.#socket
    const closing = new Promise<void>((resolve) => {
      if (socket.closed) resolve()
      else socket.once('close', () => resolve())
    })
    this.#fail(new WireError('UND_ERR_DESTROYED', 'the client was closed'))
    await closing
  }

  #send({ head, body }: WireCall): void {
    const socket = this.#socket
    if (body === null) {
      socket.write(head.text, 'latin1')
    } else if (!Buffer.isBuffer(body)) {
      socket.write(head.text, 'latin1')
      this.#sender = new RequestSender(socket, body, head.length, (error) => this.#sent(error))
    } else if (body.length <= SHORT_BYTES) {
      socket.write(head.text + body.toString('latin1'), 'latin1')
    } else {
      socket.cork()
      socket.write(head.text, 'latin1')
      socket.write(body)
      socket.uncork()
    }
  }

  #sent(error: Error | undefined): void {
    this.#sender = undefined
    if (error !== undefined) this.#fail(error)
  }

  readonly #onData = (bytes: Buffer): void => {
    try {
      this.#read(bytes)
    } catch (error) {
      this.#fail(errorOf(error))
    }
  }

  #read(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      const call = this.#call
      if (call === undefined) {
        // Behind an answer, or when nothing was asked: it would be the answer to somebody else's question.
        this.drop()
        return
      }
      if (call.paused) {
        this.#unread = own(bytes.subarray(at))
        return
      }
      if (this.#head === undefined) at = this.#readHead(call, bytes, at)
      else if (this.#chunks !== undefined) at = this.#readChunk(call, this.#chunks, bytes, at)
      else at = this.#readPlain(call, bytes, at)
    }
  }

  #readHead(call: WireCall, read: Buffer, from: number): number {
    const before = this.#partial
    const bytes = before === undefined ? read : Buffer.concat([before, read])
    const end = bytes.indexOf(END_OF_HEAD, Math.max(from, (before?.length ?? 0) - 3))
    if (end === -1 || end - from > HEAD_BYTES) {
      if (bytes.length - from > HEAD_BYTES)
        throw new WireError('UND_ERR_HEADERS_OVERFLOW', 'the head of the answer is too long')
      const known = before === undefined ? from : Math.max(0, before.length - 1)
      if (!mayBecomeHead(bytes.toString('latin1', from, from + 7), bytes.toString('latin1', known)))
        throw new WireError('HPE_INVALID_CONSTANT', 'what came is not HTTP/1')
      this.#partial = own(bytes.subarray(from))
      return read.length
    }
    this.#partial = undefined
    const next = end + 4 - (before?.length ?? 0)
    const head = readResponseHead(bytes.toString('latin1', from, end + 2), call.isHead)
    if (head.status === 101) {
      this.#switch(call, head, read.subarray(next))
      return read.length
    }
    if (head.status < 200) this.#pass(call, head)
    else this.#begin(call, head, next === read.length)
    return next
  }

  #pass(call: WireCall, { status, fields, reason, isLast }: ResponseHead): void {
    this.#interim += 1
    // HTTP/1.0 has no interim answers, and one that ends the connection leaves none to come.
    if (isLast) throw new WireError('HPE_CLOSED_CONNECTION', 'an interim answer is the last one')
    if (this.#interim > MOST_INTERIM)
      throw new WireError('HPE_STRICT', 'more interim answers than any server sends')
    call.rawHeaders = fields
    call.handler.onResponseStart?.(call, status, NO_FIELDS, decoded(reason))
  }

  #switch(call: WireCall, { status, fields }: ResponseHead, rest: Buffer): void {
    if (!call.isUpgrade) throw new WireError('HPE_UNEXPECTED_SWITCH', 'nobody asked to switch protocols')
    const socket = this.#socket
    this.#release()
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('error', this.#onError)
    // Whoever has it next may not listen yet.
    socket.on('error', ignore)
    socket.off('close', this.#onClose)
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    this.#leave()
    call.rawHeaders = fields
    try {
      call.handler.onRequestUpgrade?.(call, status, NO_FIELDS, socket)
    } catch (error) {
      socket.destroy()
      call.fail(errorOf(error))
    }
  }

  #begin(call: WireCall, head: ResponseHead, isAll: boolean): void {
    this.#head = head
    this.keepAliveMs = head.keepAliveMs
    call.rawHeaders = head.fields
    call.isFollowed = head.length > 0 && !isAll
    call.handler.onResponseStart?.(call, head.status, NO_FIELDS, decoded(head.reason))
    if (this.#call !== call) return
    if (head.length === 0) this.#end(call, isAll)
    else if (head.length === CHUNKED) this.#chunks = new ChunkedBody()
    else this.#left = head.length
  }

  #readPlain(call: WireCall, bytes: Buffer, from: number): number {
    if (this.#left === UNTIL_CLOSE) {
      this.#give(call, bytes, from, bytes.length)
      return bytes.length
    }
    const to = Math.min(bytes.length, from + this.#left)
    this.#left -= to - from
    this.#give(call, bytes, from, to)
    if (this.#left === 0 && this.#call === call) this.#end(call, to === bytes.length)
    return to
  }

  #readChunk(call: WireCall, chunks: ChunkedBody, bytes: Buffer, from: number): number {
    const to = chunks.read(bytes, from)
    const { piece } = chunks
    if (piece !== undefined) this.#give(call, piece, 0, piece.length)
    if (chunks.isDone && this.#call === call) {
      call.rawTrailers = chunks.trailers
      this.#end(call, to === bytes.length)
    }
    return to
  }

  #give(call: WireCall, bytes: Buffer, from: number, to: number): void {
    const piece = from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
    call.handler.onResponseData?.(call, piece.length > LENT_BYTES ? own(piece) : piece)
  }

  /** @param isAll nothing was read behind it */
  #end(call: WireCall, isAll: boolean): void {
    const isReusable = isAll && this.#isInOrder(call)
    this.#release()
    if (isReusable) this.#events.ended(this)
    else this.drop()
    try {
      call.handler.onResponseEnd?.(call, NO_FIELDS)
    } catch (error) {
      call.fail(errorOf(error))
    }
  }

  /**
   * Some servers answer HEAD with the body that they announce, and one that was asked to switch may believe that it has:
   * what comes next would be read as something else (undici closes these, too).
   */
  #isInOrder({ isHead, isUpgrade }: WireCall): boolean {
    const isSent = this.#sender === undefined && this.#socket.writableLength === 0
    return isSent && this.#head?.isLast === false && !isHead && !isUpgrade && !this.#socket.destroyed
  }

  #fail(error: Error): void {
    const call = this.#call
    this.drop()
    call?.fail(error)
  }

  #release(): void {
    const call = this.#call
    if (call !== undefined) call.connection = undefined
    if (call?.paused === true) this.#socket.resume()
    this.#call = undefined
    this.#head = undefined
    this.#chunks = undefined
    this.#partial = undefined
    this.#unread = undefined
    this.#sender?.stop()
    this.#sender = undefined
    this.#left = 0
  }

  #leave(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#events.gone(this)
  }

  readonly #onEnd = (): void => {
    const call = this.#call
    if (
      call !== undefined &&
      this.#head !== undefined &&
      this.#left === UNTIL_CLOSE &&
      this.#chunks === undefined
    )
      this.#end(call, true)
    else this.#fail(new WireError('UND_ERR_SOCKET', 'the other side closed'))
  }

  readonly #onError = (error: Error): void => {
    this.#fail(error)
  }

  readonly #onClose = (): void => {
    this.#fail(new WireError('UND_ERR_SOCKET', 'the connection closed'))
  }
}

/** A reason as undici gives it: its bytes read as UTF-8. */
function decoded(reason: string): string {
  return /[\x80-\xff]/.test(reason) ? Buffer.from(reason, 'latin1').toString() : reason
}

function ignore(): void {}

const NO_FIELDS = {}
