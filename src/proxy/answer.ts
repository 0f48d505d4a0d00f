/**
 * An upstream's answer on its way to the client: its head with the marks of ours, its body as it comes, at the pace
 * at which the client reads, and its end, or a visible lack of one.
 */
import type { ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Mark, Millis } from '../core/model.ts'
import { rewriteAdvice } from './advice.ts'
import type { Call } from './call.ts'
import type { ForwardRoom } from './forward.ts'
import { responseHeaders, responseTrailers } from './headers.ts'
import { linger } from './linger.ts'
import { readHints } from './quota-headers.ts'
import { LENT_BYTES, WireCall } from './wire/wire-call.ts'

/** Two progress marks of one stream are at least this far apart. */
const CHUNK_MARK_MS: Millis = 1

/** The core keeps no reference to a mark: one of each is enough. */
const chunkMark = { kind: 'chunk', call: 0, at: 0 } satisfies Mark
const headMark: Extract<Mark, { kind: 'head' }> = {
  kind: 'head',
  call: 0,
  at: 0,
  status: 0,
  streaming: false,
  retryAfterMs: -1,
  quota: undefined,
}

export class Answer {
  readonly #call: Call
  readonly #response: ServerResponse
  readonly #controller: Dispatcher.DispatchController
  readonly #room: ForwardRoom
  isEventStream = false
  /** The client does not take what is there: the upstream is not to blame for the silence. */
  isPaused = false
  /** Something moved since somebody last put this to false. */
  isTouched = true
  #sendsTrailers = false
  #isEnded = false
  /** Body bytes to come; -1 = not known. */
  #remaining = -1
  #lastChunkMarkAt = 0

  constructor(
    call: Call,
    response: ServerResponse,
    controller: Dispatcher.DispatchController,
    room: ForwardRoom,
  ) {
    this.#call = call
    this.#response = response
    this.#controller = controller
    this.#room = room
  }

  /** Writes the head. @throws when Node refuses a field of it; nothing has been written then */
  begin(status: number, statusText: string | undefined, now: Millis): void {
    const call = this.#call
    const { request, facts } = call
    const isBodyless = request.method === 'HEAD' || status === 204 || status === 304
    const mayTrail = facts?.wantsTrailers === true && !isBodyless && request.httpVersionMinor === 1
    const head = responseHeaders(rawHeadersOf(this.#controller), mayTrail, status === 204)
    if (head.isCoded) throw new CodedError()
    this.#sendsTrailers = mayTrail && head.contentLength === -1
    this.#remaining = isBodyless ? -1 : head.contentLength
    this.isEventStream = head.isEventStream
    const hints = head.hasHints ? readHints(head.headers, this.#room.wall()) : undefined
    headMark.call = call.slot
    headMark.at = now
    headMark.status = status
    headMark.streaming = head.isEventStream
    headMark.retryAfterMs = hints?.retryAfterMs ?? -1
    headMark.quota = hints?.quota
    const advice = this.#room.core.progress(headMark)
    const headers = advice.slotAt > 0 ? rewriteAdvice(call, status, head.headers, advice, now) : head.headers
    sign(call, headers)
    this.#response.writeHead(status, reasonPhrase(statusText), headers)
    // The head leaves together with the first bytes if those are here, and alone if they are not.
    if (!isFollowed(this.#controller)) process.nextTick(flushHead, this)
  }

  /** Without effect once bytes have followed the head. */
  flushHead(): void {
    if (this.#isEnded || this.#call.bytesOut > 0 || this.#response.destroyed) return
    // Not `flushHeaders`: that writes the head as UTF-8, and bytes beyond ASCII would become two each.
    this.#response.write('', 'latin1')
  }

  data(chunk: Buffer): void {
    this.#call.bytesOut += chunk.length
    this.isTouched = true
    if (this.#remaining !== -1) {
      this.#remaining -= chunk.length
      if (this.#remaining === 0) {
        this.#isEnded = true
        // As text it becomes one string with the head, and one plain write instead of a vector of two.
        if (chunk.length <= LENT_BYTES) this.#response.end(chunk.toString('latin1'), 'latin1')
        else this.#response.end(chunk)
        return
      }
    }
    if (this.isEventStream) this.#markChunk()
    if (this.#write(chunk)) return
    this.isPaused = true
    this.#controller.pause()
    this.#response.once('drain', () => {
      this.isPaused = false
      this.isTouched = true
      this.#controller.resume()
    })
  }

  #write(chunk: Buffer): boolean {
    if (chunk.length > LENT_BYTES) return this.#response.write(chunk)
    return this.#response.write(chunk.toString('latin1'), 'latin1')
  }

  #markChunk(): void {
    const now = this.#room.clock()
    if (now - this.#lastChunkMarkAt < CHUNK_MARK_MS) return
    this.#lastChunkMarkAt = now
    chunkMark.call = this.#call.slot
    chunkMark.at = now
    this.#room.core.progress(chunkMark)
  }

  end(): void {
    // The answer may have overtaken its request.
    if (!this.#call.request.complete) linger(this.#call.request, this.#response)
    if (this.#isEnded) return
    this.#isEnded = true
    if (this.#sendsTrailers) this.#response.addTrailers(responseTrailers(rawTrailersOf(this.#controller)))
    this.#response.end()
  }

  /**
   * Ends without an end. Where the end of the connection is the end of the answer, only a reset tells that this is
   * none (RFC 9112 8).
   */
  cut(): void {
    const { socket } = this.#response
    // TLS tells by itself: a connection that ends without its `close_notify` is cut (RFC 9112 9.8).
    const tells = socket === null || this.#call.request.httpVersionMinor !== 0 || 'encrypted' in socket
    if (!tells) socket.resetAndDestroy()
    this.#response.destroy()
  }
}

/** In the words of the parser, which finds this fault in requests only. */
class CodedError extends Error {
  readonly code = 'HPE_INVALID_TRANSFER_ENCODING'
}

function flushHead(answer: Answer): void {
  answer.flushHead()
}

/** undici does not say what is to come. */
function isFollowed(controller: Dispatcher.DispatchController): boolean {
  return controller instanceof WireCall && controller.isFollowed
}

/** Marks of ours on an upstream's answer. */
function sign(call: Call, headers: string[]): void {
  const insideMs = call.sentAt - call.arrivedAt - call.heldMs
  headers.push('weir-call-id', call.id)
  headers.push('server-timing', `weir;dur=${tenths(insideMs)}, hold;dur=${tenths(call.heldMs)}`)
  const { verdict } = call
  if (verdict !== undefined && (verdict.do !== 'pass' || verdict.reason !== 'healthy')) {
    headers.push('weir-verdict', verdict.do, 'weir-reason', verdict.reason)
  }
}

function tenths(ms: Millis): number {
  return ms > 0 ? Math.round(ms * 10) / 10 : 0
}

/** undici decodes the phrase as UTF-8; Node writes it as Latin-1: its bytes stay the same this way. */
function reasonPhrase(text: string | undefined): string {
  if (text === undefined) return ''
  if (/^[\t\x20-\x7e]*$/.test(text)) return text
  const bytes = Buffer.from(text, 'utf8').toString('latin1')
  // Control characters, which Node refuses to write: the phrase means nothing (RFC 9112 4), the answer does.
  return /[^\t\x20-\x7e\x80-\xff]/.test(bytes) ? '' : bytes
}

type RawList = readonly (Buffer | string)[]
const NO_HEADERS: RawList = []

export function rawHeadersOf({ rawHeaders }: Dispatcher.DispatchController): RawList {
  return Array.isArray(rawHeaders) ? rawHeaders : NO_HEADERS
}

function rawTrailersOf({ rawTrailers }: Dispatcher.DispatchController): RawList {
  return Array.isArray(rawTrailers) ? rawTrailers : NO_HEADERS
}
