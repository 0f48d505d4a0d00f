/** One request and its response on a connection of the wire client: what its handler may do with them. */
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { UpstreamRequest } from '../upstream-client.ts'
import { requestHead, type RequestHead } from './request-head.ts'
import type { WireConnection } from './wire-connection.ts'

/**
 * Pieces of a body up to this are lent: their bytes are good until the handler returns. For text, which small pieces
 * are written as, that is long enough; longer ones are the handler's.
 */
export const LENT_BYTES = 16 * 1024

export class WireCall implements Dispatcher.DispatchController {
  readonly handler: Dispatcher.DispatchHandler
  readonly head: RequestHead
  readonly body: Buffer | Readable | null
  readonly isHead: boolean
  readonly isUpgrade: boolean
  /** While it is on one. */
  connection: WireConnection | undefined
  /** While it waits for one. */
  line: Set<WireCall> | undefined
  rawHeaders: string[] = []
  rawTrailers: string[] = []
  /** Body bytes came with the head: they are told in the same turn. */
  isFollowed = false
  aborted = false
  paused = false
  reason: Error | null = null

  /** @throws WireError when the request cannot be written */
  constructor(request: UpstreamRequest, host: string, handler: Dispatcher.DispatchHandler) {
    const { method, path, headers, body, isUpgrade } = request
    const bytes = body === null ? 0 : Buffer.isBuffer(body) ? body.length : -1
    this.head = requestHead({ method, path, headers, isUpgrade, bytes }, host)
    this.body = bytes === 0 ? null : body
    this.isHead = method === 'HEAD'
    this.isUpgrade = isUpgrade
    this.handler = handler
  }

  /** The connection goes with it; the handler hears nothing more. */
  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.line?.delete(this)
    this.connection?.drop()
  }

  pause(): void {
    this.paused = true
    this.connection?.pause()
  }

  resume(): void {
    this.paused = false
    this.connection?.resume()
  }

  /** Nothing of it is left to do: told once, and never after an abort. */
  fail(error: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = error
    this.handler.onResponseError?.(this, error)
  }
}
