/**
 * The body of a held call. It is read, although nobody wants it yet, because Node does not notice a client that
 * leaves while more than about 64 KiB of its body lie unread (promises.md fact 2). It is opaque bytes, bounded per
 * call and over all calls; both bounds are counted as the bytes come, since a length that is announced costs nothing.
 */
import type { IncomingMessage } from 'node:http'
import type { Millis, Priority } from '../core/model.ts'

/**
 * How full the memory may be for a body of each class still to begin to wait: those who are shed first leave room for
 * those who are shed last, at the same marks as under pressure (`core/admit/admission.ts`, Envoy's overload actions).
 */
const FULLEST: Readonly<Record<Priority, number>> = { critical: 1, interactive: 0.9, normal: 0.9, batch: 0.8 }

/** All bytes held by one process. */
export interface HoldMemory {
  bytes: number
  readonly totalBytes: number
  readonly bodyBytes: number
}

export interface HeldBodyEvents {
  /** Everything was read. */
  complete(): void
  /** One byte more than either bound; the bytes are already dropped. */
  outgrown(): void
}

/**
 * Reads a request to its end. Owner: the hold, until `take` (the body moves on with the call, and its bytes no
 * longer count as held) or `drop`; exactly one of them is called, any further call has no effect.
 */
export class HeldBody {
  readonly #request: IncomingMessage
  readonly #memory: HoldMemory
  readonly #events: HeldBodyEvents
  readonly #clock: () => Millis
  #chunks: Buffer[] = []
  #bytes = 0
  #complete = false
  #lastReadAt: Millis
  #released = false

  constructor(request: IncomingMessage, memory: HoldMemory, clock: () => Millis, events: HeldBodyEvents) {
    this.#request = request
    this.#memory = memory
    this.#clock = clock
    this.#events = events
    this.#lastReadAt = clock()
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
    request.on('error', this.#onError)
  }

  get bytes(): number {
    return this.#bytes
  }

  get complete(): boolean {
    return this.#complete
  }

  /** When bytes last came. */
  get lastReadAt(): Millis {
    return this.#lastReadAt
  }

  take(): Buffer {
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#bytes)
    this.drop()
    return body
  }

  /** Gives the memory back; what still arrives is read and forgotten. */
  drop(): void {
    if (this.#released) return
    this.#released = true
    this.#memory.bytes -= this.#bytes
    this.#chunks = []
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
    this.#request.off('error', this.#onError)
    if (!this.#complete) discard(this.#request)
  }

  readonly #onData = (chunk: Buffer): void => {
    const { memory, bytes } = { memory: this.#memory, bytes: chunk.length }
    if (this.#bytes + bytes > memory.bodyBytes || memory.bytes + bytes > memory.totalBytes) {
      this.drop()
      this.#events.outgrown()
      return
    }
    this.#chunks.push(chunk)
    this.#bytes += bytes
    memory.bytes += bytes
    this.#lastReadAt = this.#clock()
  }

  readonly #onEnd = (): void => {
    this.#complete = true
    this.#events.complete()
  }

  /** The connection broke; its `close` ends the hold. */
  readonly #onError = (): void => {}
}

/** Whether a request of this announced length (-1 = unknown) and class may begin to be held. */
export function fits(announcedBytes: number, memory: HoldMemory, priority: Priority = 'critical'): boolean {
  const bytes = Math.max(0, announcedBytes)
  return bytes <= memory.bodyBytes && memory.bytes + bytes <= memory.totalBytes * FULLEST[priority]
}

/** Reads a body that is not wanted; a connection that breaks meanwhile is noticed by its response. */
export function discard(request: IncomingMessage): void {
  request.on('error', ignore)
  request.resume()
}

function ignore(): void {}
