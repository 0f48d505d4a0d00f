/**
 * The body of a call for its upstream, in the form that costs least: none; the buffer that a hold has read; a short
 * one read whole, so that it leaves in one write with the head (perf.md) and takes no connection before it is
 * there; or a stream.
 */
import type { Call } from './call.ts'
import { Upload } from './upload.ts'

/** As long as one read of a socket. */
const SMALL_BODY_BYTES = 64 * 1024

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
  #isCollecting = false
  #chunks: Buffer[] = []
  #isTouched = false

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
    } else if (arrival.bytes > 0 && arrival.bytes <= SMALL_BODY_BYTES) {
      this.#isCollecting = true
      request.on('data', this.#onData)
      request.on('end', this.#onEnd)
      // The connection broke; its `close` ends the call.
      request.on('error', ignore)
    } else {
      this.#upload = new Upload(request, () => this.#events.complete())
      this.#events.ready()
    }
  }

  /** For undici. */
  get payload(): Buffer | Upload | null {
    return this.#upload ?? this.#call.body ?? null
  }

  /** The length is known to undici, which says it. */
  get isWhole(): boolean {
    return this.#upload === undefined && this.#call.body !== undefined
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
    const isTouched = this.#isTouched || this.#upload?.isTouched === true
    this.#isTouched = false
    if (this.#upload !== undefined) this.#upload.isTouched = false
    return isTouched
  }

  /** Counts what was read of a stream, and drops what is left. */
  end(): void {
    if (this.#upload !== undefined) {
      this.#call.bytesIn = this.#upload.bytes
      this.#upload.destroy()
    }
    if (this.#isCollecting) this.#stopCollecting()
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#isTouched = true
    this.#chunks.push(chunk)
  }

  readonly #onEnd = (): void => {
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    this.#stopCollecting()
    this.#call.body = body
    this.#call.bytesIn = body.length
    this.#events.ready()
    this.#events.complete()
  }

  #stopCollecting(): void {
    this.#isCollecting = false
    this.#chunks = []
    this.#call.request.off('data', this.#onData)
    this.#call.request.off('end', this.#onEnd)
  }
}

function ignore(): void {}
