/**
 * Agents that ask for later answers without rest, and remember each 202 that they were told. Half of the calls carry
 * an Idempotency-Key. A call whose 202 did not come is forgotten and never asked for again: only what was promised
 * can be lost, and only Weir itself can send a call twice.
 */
import { Agent, request } from 'undici'

export interface Promised {
  readonly id: string
  readonly location: string
  readonly keyed: boolean
}

export class SpoolLoad {
  readonly promised: Promised[] = []
  /** Calls that somebody asked for, by id: true = keyed. */
  readonly asked = new Map<string, boolean>()
  readonly #origin: () => string
  readonly #pauseMs: number
  readonly #dispatcher = new Agent({ connections: 64, headersTimeout: 10_000, connectTimeout: 2000 })
  #isStopped = false
  #workers: Promise<void>[] = []
  #count = 0

  /** @param origin where agents connect, at this moment */
  constructor(origin: () => string, pauseMs: number) {
    this.#origin = origin
    this.#pauseMs = pauseMs
  }

  start(workers: number): void {
    this.#isStopped = false
    this.#workers = Array.from({ length: workers }, async (_, worker) => await this.#work(worker))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#workers)
  }

  /** The end of a promised call: what GET says of it, or undefined while it has none. */
  async endOf({ location }: Promised): Promise<{ status: number; state: string } | undefined> {
    try {
      const answer = await request(this.#origin() + location, { dispatcher: this.#dispatcher })
      await answer.body.dump()
      const state = String(answer.headers['weir-deferred'] ?? '')
      if (state === 'waiting' || state === 'started' || answer.statusCode === 503) return undefined
      return { status: answer.statusCode, state }
    } catch {
      return undefined
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy()
  }

  async #work(worker: number): Promise<void> {
    while (!this.#isStopped) {
      this.#count += 1
      const id = `c${worker}-${this.#count}`
      const keyed = this.#count % 2 === 0
      this.asked.set(id, keyed)
      try {
        const answer = await request(`${this.#origin()}/up/v1/chat/completions`, {
          method: 'POST',
          dispatcher: this.#dispatcher,
          headers: {
            prefer: 'respond-async',
            'content-type': 'application/json',
            'weir-agent': `agent-${worker}`,
            'x-call-id': id,
            ...(keyed ? { 'idempotency-key': id } : {}),
          },
          body: `{"model":"m","messages":[{"role":"user","content":"${'x'.repeat(200)}"}]}`,
        })
        await answer.body.dump()
        const { location } = answer.headers
        if (answer.statusCode === 202 && typeof location === 'string')
          this.promised.push({ id, location, keyed })
      } catch {
        await pause(20)
      }
      if (this.#pauseMs > 0) await pause(this.#pauseMs)
    }
  }
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
