/** Clients that call one of several bases, again and again, and note what failed and how long it took. */
import { Agent, request } from 'node:http'

export class SteadyLoad {
  calls = 0
  failed = 0
  readonly #latencies: number[] = []
  readonly #agent: Agent
  readonly #bases: () => readonly string[]
  readonly #clients: Promise<void>[] = []
  #over = false

  /** @param bases those that may be called now */
  constructor(bases: () => readonly string[], clients: number, gapMs: number) {
    this.#bases = bases
    this.#agent = new Agent({ keepAlive: true, maxSockets: 256 })
    for (let client = 0; client < clients; client++) this.#clients.push(this.#run(client, gapMs))
  }

  /** What came since the last question, in ms. */
  taken(): number[] {
    return this.#latencies.splice(0)
  }

  async stop(): Promise<void> {
    this.#over = true
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }

  async #run(client: number, gapMs: number): Promise<void> {
    for (let turn = client; !this.#over; turn++) {
      const bases = this.#bases()
      const base = bases[turn % Math.max(1, bases.length)]
      if (base !== undefined) await this.#call(base, `client-${client}`)
      await new Promise((resolve) => setTimeout(resolve, gapMs * (0.5 + Math.random())))
    }
  }

  #call(base: string, agent: string): Promise<void> {
    const from = performance.now()
    this.calls += 1
    return new Promise((resolve) => {
      const end = (ok: boolean): void => {
        if (!ok) this.failed += 1
        this.#latencies.push(performance.now() - from)
        resolve()
      }
      const headers = { 'weir-agent': agent }
      const sent = request(`${base}/v1/x`, { agent: this.#agent, headers }, (response) => {
        response.resume()
        response.once('end', () => end(response.statusCode === 200))
        response.once('error', () => end(false))
      })
      sent.once('error', () => end(false))
      sent.end()
    })
  }
}
