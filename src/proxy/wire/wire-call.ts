/** One request and its response on a connection of the wire client: what its handler may do with them. */
import type { Dispatcher } from 'undici'
import type { UpstreamRequest } from '../upstream-client.ts'
import type { WireConnection } from './wire-connection.ts'

/**
 * Pieces of a body up to this are lent: their bytes are good until the handler returns. For text, which small pieces
 * are written as, that is long enough; longer ones are the handler's.
 */
export const LENT_BYTES = 16 * 1024

export class WireCall implements Dispatcher.DispatchController {
  readonly request: UpstreamRequest
  readonly handler: Dispatcher.DispatchHandler
  /** While it is on one. */
  connection: WireConnection | undefined
  rawHeaders: string[] = []
  rawTrailers: string[] = []
  /** Body bytes came with the head: they are told in the same turn. */
  isFollowed = false
  aborted = false
  paused = false
  reason: Error | null = null

  constructor(request: UpstreamRequest, handler: Dispatcher.DispatchHandler) {
    this.request = request
    this.handler = handler
  }

  /** The connection goes with it; the handler hears nothing more. */
  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
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
}
