/**
 * A request body on its way upstream in pieces. It stands between the request and the client because undici destroys
 * the body that it is given when the answer overtakes it or the connection breaks, and a destroyed request takes
 * the client's connection with it, and with that the answer.
 */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

/** Room for one read of a socket. */
const AHEAD_BYTES = 64 * 1024

export class Upload extends Readable {
  readonly #request: IncomingMessage
  readonly #onComplete: () => void
  bytes = 0
  /** Bytes came or went since somebody last put this to false. */
  isTouched = false
  /** The upstream does not take what is there, or is not connected: the client is not to blame for the silence. */
  isBlocked = true
  /** The client has sent everything. */
  isComplete = false
  /** The agent broke off, and the client has been told, which cuts the upstream's connection. */
  isBroken = false

  constructor(request: IncomingMessage, onComplete: () => void) {
    super({ highWaterMark: AHEAD_BYTES })
    this.#request = request
    this.#onComplete = onComplete
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
    request.on('error', this.#onBroken)
    request.on('close', this.#onBroken)
    request.pause()
    // The client listens only as long as it needs the body.
    this.on('error', ignore)
  }

  override _read(): void {
    this.isBlocked = false
    this.isTouched = true
    this.#request.resume()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
    this.#request.off('close', this.#onBroken)
    // The `error` listener stays: a request that breaks later must not be an uncaught error.
    done(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.bytes += chunk.length
    this.isTouched = true
    if (this.push(chunk)) return
    this.isBlocked = true
    this.#request.pause()
  }

  readonly #onEnd = (): void => {
    this.isComplete = true
    this.push(null)
    this.#onComplete()
  }

  readonly #onBroken = (): void => {
    if (this.isComplete || this.destroyed) return
    this.isBroken = true
    this.destroy(new Error('the client broke off its request body'))
  }
}

function ignore(): void {}
