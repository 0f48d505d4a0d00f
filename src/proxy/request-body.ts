/**
 * The body of a call for its upstream, in the form that costs least: none; the buffer that a hold has read; a short
 * one read whole, so that it leaves in one write with the head (perf.md) and takes no connection before it is
 * there; or a stream.
 */
import type { IncomingMessage } from 'node:http'
import type { Call } from './call.ts'
import { Upload } from './upload.ts'

/** As long as one read of a socket. */
const SMALL_BODY_BYTES = 64 * 1024

/** A signature covers the body: read whole up to what a hold reads by default (promises.md row 4). */
const SIGNED_BODY_BYTES = 1024 * 1024

export interface RequestBodyEvents {
  /** There is enough to send the request. */
  ready(): void
  /** Nothing of the request is missing any more. */
  complete(): void
}

export class RequestBody {
  readonly #call: Call
  readonly #events: RequestBodyEvents
  #upload: Upload | undefined
  #collector: Collector | undefined

  constructor(call: Call, events: RequestBodyEvents) {
    this.#call = call
    this.#events = events
  }

  /** May call `ready` and `complete` at once. */
  start(): void {
    const { request, body, arrival, response } = this.#call
    if (body !== undefined || arrival.bytes === 0 || response === undefined) {
      this.#call.bytesIn = body?.length ?? 0
      this.#events.ready()
      this.#events.complete()
    } else if (arrival.bytes > 0 && arrival.bytes <= this.#mostWhole) {
      this.#collector = new Collector(request, (whole) => this.#collected(whole))
    } else {
      this.#upload = new Upload(request, () => this.#events.complete())
      this.#events.ready()
    }
  }

  get #mostWhole(): number {
    return this.#call.upstream.options.aws === undefined ? SMALL_BODY_BYTES : SIGNED_BODY_BYTES
  }

  /** For the client. */
  get payload(): Buffer | Upload | null {
    return this.#upload ?? this.#call.body ?? null
  }

  /** The length is known to the client, which says it. */
  get isWhole(): boolean {
    return this.#upload === undefined && this.#call.body !== undefined
  }

  /** All of it, when it is known; undefined = it comes in pieces. */
  get whole(): Uint8Array | undefined {
    return this.#upload === undefined ? (this.#call.body ?? NOTHING) : undefined
  }

  get isBroken(): boolean {
    return this.#upload?.isBroken === true
  }

  /** Whom silence is waiting for. */
  get isBlockedByUpstream(): boolean {
    return this.#upload?.isBlocked === true
  }

  /** Whether bytes moved since this was last asked. */
  takeTouched(): boolean {
    const moving = this.#upload ?? this.#collector
    if (moving === undefined) return false
    const { isTouched } = moving
    moving.isTouched = false
    return isTouched
  }

  /** Counts what was read of a stream, and drops what is left. */
  end(): void {
    if (this.#upload !== undefined) {
      this.#call.bytesIn = this.#upload.bytes
      this.#upload.destroy()
    }
    this.#collector?.stop()
  }

  #collected(body: Buffer): void {
    this.#collector = undefined
    this.#call.body = body
    this.#call.bytesIn = body.length
    this.#events.ready()
    this.#events.complete()
  }
}

/** Reads a short body to its end. */
class Collector {
  readonly #request: IncomingMessage
  readonly #whole: (body: Buffer) => void
  /** Most bodies that are short come in one piece. */
  #only: Buffer | undefined
  #chunks: Buffer[] | undefined
  /** Bytes came since somebody last put this to false. */
  isTouched = false

  constructor(request: IncomingMessage, whole: (body: Buffer) => void) {
    this.#request = request
    this.#whole = whole
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
    // The connection broke; its `close` ends the call.
    request.on('error', ignore)
  }

  stop(): void {
    this.#only = undefined
    this.#chunks = undefined
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.isTouched = true
    if (this.#only === undefined) this.#only = chunk
    else (this.#chunks ??= [this.#only]).push(chunk)
  }

  /** A request has one end: nothing is taken off it any more. */
  readonly #onEnd = (): void => {
    const body = this.#chunks === undefined ? (this.#only ?? NOTHING) : Buffer.concat(this.#chunks)
    // The request may be remembered for longer than its body.
    this.#only = undefined
    this.#chunks = undefined
    this.#whole(body)
  }
}

const NOTHING = Buffer.alloc(0)

function ignore(): void {}
