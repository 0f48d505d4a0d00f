/** What the steward of an upstream says that the whole fleet may have in flight, read from the board as replicas read it. */
import { Redis } from 'ioredis'
import { SUMMARY_WORDS } from '../../src/board/summary-format.ts'

const COLON = ':'.charCodeAt(0)

export class StewardsTotal {
  readonly #client: Redis
  readonly #topic: string

  constructor(port: number, topic: string) {
    this.#client = new Redis({ port, host: '127.0.0.1' })
    this.#topic = `weir:{${topic}}`
  }

  /** Infinity = there is no steward, or it sets no limit. */
  async read(): Promise<number> {
    const steward = await this.#client.get(`${this.#topic}:steward`)
    if (steward === null) return Infinity
    const kept = await this.#client.hgetBuffer(`${this.#topic}:words`, steward)
    if (kept === null) return Infinity
    // A word is kept behind the server's ms: `src/board/scripts/exchange.lua`.
    const summary = SUMMARY_WORDS.read(kept.subarray(kept.indexOf(COLON) + 1))?.summary
    return summary === undefined || summary.epoch === 0 || summary.total < 0 ? Infinity : summary.total
  }

  close(): void {
    this.#client.disconnect()
  }
}
