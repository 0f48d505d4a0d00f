/**
 * The answer to one POST: JSON, unless something is said before it; then a stream of server-sent events that ends with
 * it (streamable HTTP, every revision). Which of the two shows only when the first word comes.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { send } from '../http/answers.ts'
import { EventStream } from '../http/event-stream.ts'

export interface Ending {
  readonly status: number
  /** Absent = the message was taken, and that is all. */
  readonly body?: object
}

const STREAM = 'text/event-stream'

export class Reply {
  /** The client takes streams. */
  readonly mayStream: boolean
  readonly #response: ServerResponse
  #stream: EventStream | undefined

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.mayStream = request.headers.accept?.includes(STREAM) === true
    this.#response = response
  }

  /** Headers of whichever answer comes. */
  header(name: string, value: string): void {
    this.#response.setHeader(name, value)
  }

  /** A stream that may have nothing to say for long. */
  open(): void {
    this.#opened()
  }

  /** Resolves when the client can take more. */
  async tell(message: object): Promise<void> {
    if (this.mayStream) await this.#opened().send('message', message)
  }

  /** What may be lost: for a client that does not read, nothing is kept. */
  note(message: object): void {
    if (!this.#response.writableNeedDrain) void this.tell(message)
  }

  async end({ status, body }: Ending): Promise<void> {
    if (this.#stream === undefined || body === undefined) {
      const headers = { 'content-type': 'application/json' }
      send(this.#response, { status, headers, ...(body === undefined ? {} : { body }) })
    } else await this.#stream.send('message', body)
    this.close()
  }

  /** Ends a stream that has no answer. */
  close(): void {
    this.#stream?.end()
  }

  #opened(): EventStream {
    if (this.#stream === undefined) {
      // nginx would keep what is said until it has enough of it.
      this.#response.setHeader('x-accel-buffering', 'no')
      this.#stream = new EventStream(this.#response)
    }
    return this.#stream
  }
}
