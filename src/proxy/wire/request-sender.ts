/** Sends the body of a request in pieces, at the pace at which the connection takes them. */
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { WireError } from './wire-error.ts'

const LAST_CHUNK = '0\r\n\r\n'

export class RequestSender {
  readonly #socket: Socket
  readonly #body: Readable
  /** Bytes that the head has promised; -1 = in chunks. */
  readonly #length: number
  readonly #done: (error?: Error) => void
  #bytes = 0
  #isOver = false

  /** @param done once: all of it was written, or it broke off, and then the connection cannot be used any more */
  constructor(socket: Socket, body: Readable, length: number, done: (error?: Error) => void) {
    this.#socket = socket
    this.#body = body
    this.#length = length
    this.#done = done
    socket.on('drain', this.#onDrain)
    body.on('data', this.#onData)
    body.on('end', this.#onEnd)
    body.on('error', this.#onError)
    body.on('close', this.#onClose)
    // Nobody would tell any more.
    if (body.destroyed && !body.readableEnded) process.nextTick(this.#onClose)
  }

  /** Takes and sends nothing more, and tells nobody. */
  stop(): void {
    this.#isOver = true
    this.#socket.off('drain', this.#onDrain)
    this.#body.off('data', this.#onData)
    this.#body.off('end', this.#onEnd)
    this.#body.off('close', this.#onClose)
    // The `error` listener stays: what breaks later must not be an uncaught error.
  }

  #finish(error?: Error): void {
    if (this.#isOver) return
    this.stop()
    this.#done(error)
  }

  readonly #onDrain = (): void => {
    this.#body.resume()
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length
    if (this.#length !== -1 && this.#bytes > this.#length) this.#finish(mismatch())
    else if (chunk.length > 0 && !this.#write(chunk)) this.#body.pause()
  }

  #write(chunk: Buffer): boolean {
    const socket = this.#socket
    if (this.#length !== -1) return socket.write(chunk)
    socket.cork()
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
    socket.write(chunk)
    const isTaken = socket.write('\r\n', 'latin1')
    socket.uncork()
    return isTaken
  }

  readonly #onEnd = (): void => {
    if (this.#length === -1) this.#socket.write(LAST_CHUNK, 'latin1')
    this.#finish(this.#length !== -1 && this.#bytes < this.#length ? mismatch() : undefined)
  }

  readonly #onError = (error: Error): void => {
    this.#finish(error)
  }

  readonly #onClose = (): void => {
    this.#finish(new WireError('UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'the body broke off'))
  }
}

function mismatch(): WireError {
  return new WireError('UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'the body is not as long as its head says')
}
