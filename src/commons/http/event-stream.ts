/**
 * Server-sent events to one client. It writes only as fast as the client reads: whoever follows a log keeps its place
 * there meanwhile, so a slow reader costs no memory, and one that does not read at all is cut.
 */
import type { ServerResponse } from 'node:http'
import type { Millis } from '../../core/model.ts'

/** Balancers close a silent connection after 60 s at the earliest. */
const HEARTBEAT_MS: Millis = 15_000
/** A client that takes nothing for so long is gone. */
const STUCK_MS: Millis = 30_000
/** What a client waits before it comes back. */
const RETRY_MS: Millis = 2000

export class EventStream {
  readonly #response: ServerResponse
  readonly #heartbeat: NodeJS.Timeout

  constructor(response: ServerResponse) {
    this.#response = response
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    response.write(`retry: ${RETRY_MS}\n\n`)
    this.#heartbeat = setInterval(() => {
      if (!response.writableNeedDrain) response.write(': \n\n')
    }, HEARTBEAT_MS)
    this.#heartbeat.unref()
  }

  /** Resolves when the client can take more. @param event one word, or nothing */
  async send(event: string, data: unknown, id?: number): Promise<void> {
    const response = this.#response
    if (response.destroyed) return
    const head = id === undefined ? '' : `id: ${id}\n`
    const isRoom = response.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    if (!isRoom) await this.#drained()
  }

  end(): void {
    clearInterval(this.#heartbeat)
    if (!this.#response.destroyed) this.#response.end()
  }

  #drained(): Promise<void> {
    const response = this.#response
    return new Promise((resolve) => {
      const stuck = setTimeout(() => response.destroy(), STUCK_MS)
      const go = (): void => {
        clearTimeout(stuck)
        response.off('drain', go)
        response.off('close', go)
        resolve()
      }
      response.once('drain', go)
      response.once('close', go)
    })
  }
}
