/**
 * What carries a call to its upstream: Weir's own client (`wire/`) or undici. Both tell the same handler, in undici's
 * words, and both bring errors whose codes `upstream-failure.ts` knows.
 */
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'

export interface UpstreamRequest {
  readonly method: string
  /** Origin form. */
  readonly path: string
  /** Names and values by turns. */
  readonly headers: string[]
  /** All of it, or as it comes. */
  readonly body: Buffer | Readable | null
  /** To a WebSocket; its socket comes paused. */
  readonly isUpgrade: boolean
}

export interface UpstreamClient {
  /**
   * `handler` hears of it at once or later; of its end once, unless it aborts the call itself.
   *
   * @returns what gives the call up before it has begun; undefined = that is not to be had, and it is given up then
   */
  dispatch(
    request: UpstreamRequest,
    handler: Dispatcher.DispatchHandler,
  ): Pick<Dispatcher.DispatchController, 'abort'> | undefined
  /** At once; what is in flight fails. */
  destroy(): Promise<void>
}
