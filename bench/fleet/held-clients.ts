/**
 * An upstream that serves slowly, and clients of it that mostly wait in a hold: what becomes of each call that is held
 * while its replica goes away. Who was held at an instant is told by both ends of the wire and not by Weir: asked for by a
 * client, and not yet seen by the upstream.
 */
import { Agent, createServer, request, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sleep } from './sidecars.ts'

/** A caller that is sent away with a slot comes back at it, so many times. */
const MOST_TRIES = 6

/** Answers each call after the same time and remembers whom it saw. */
export class SlowUpstream {
  readonly seen = new Set<string>()
  readonly #server: Server

  private constructor(serviceMs: number) {
    this.#server = createServer({ keepAliveTimeout: 75_000 }, (incoming, response) => {
      this.seen.add(String(incoming.headers['x-call-id']))
      incoming.resume()
      setTimeout(() => response.end('{}'), serviceMs)
    })
  }

  static async start(serviceMs: number): Promise<SlowUpstream> {
    const upstream = new SlowUpstream(serviceMs)
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve))
    return upstream
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

/** A call of a client, from its first try to its last. */
export interface ClientCall {
  readonly id: string
  /** Where its last try went. */
  base: string
  /** What ended the first try: 'slot' = it was told when to come back. */
  first: 'open' | 'answered' | 'slot' | 'failed'
  /** What ended the call: a slot that was taken is an answer. */
  end: 'open' | 'answered' | 'failed'
}

export class HeldClients {
  calls = 0
  /** By status and what Weir said of it; 0 = no answer. */
  readonly failures: Record<string, number> = {}
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  readonly #bases: () => readonly string[]
  readonly #open = new Set<ClientCall>()
  readonly #clients: Promise<void>[] = []
  #over = false

  /** @param bases those that may be called now */
  constructor(bases: () => readonly string[], clients: number) {
    this.#bases = bases
    for (let client = 0; client < clients; client++) this.#clients.push(this.#run(client))
  }

  /** First tries that wait at `base` for an answer. */
  waitingAt(base: string): ClientCall[] {
    return [...this.#open].filter((call) => call.base === base && call.first === 'open')
  }

  get failed(): number {
    return Object.values(this.failures).reduce((sum, count) => sum + count, 0)
  }

  async stop(): Promise<void> {
    this.#over = true
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }

  async #run(client: number): Promise<void> {
    for (let turn = client; !this.#over; turn++) {
      const call: ClientCall = { id: `${client}-${turn}`, base: '', first: 'open', end: 'open' }
      this.#open.add(call)
      await this.#finish(call, client, turn)
      this.#open.delete(call)
      this.calls += 1
    }
  }

  /** Tries until there is an answer or no advice to try again. */
  async #finish(call: ClientCall, client: number, turn: number): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const bases = this.#bases()
      call.base = bases[(turn + tries) % bases.length]!
      const { status, headers } = await this.#try(call, `held-${client}`)
      const backAfterMs = adviceOf(headers)
      const isSlot = (status === 503 || status === 429) && backAfterMs >= 0
      if (tries === 0) call.first = status === 200 ? 'answered' : isSlot ? 'slot' : 'failed'
      if (status === 200) {
        call.end = 'answered'
        return
      }
      if (!isSlot) return this.#fail(call, `${status} ${String(headers['weir-problem'] ?? '')}`.trim())
      await sleep(backAfterMs)
    }
    this.#fail(call, 'sent away each time')
  }

  #fail(call: ClientCall, why: string): void {
    call.end = 'failed'
    this.failures[why] = (this.failures[why] ?? 0) + 1
  }

  /** One try; status 0 = the connection was refused, reset or closed before the end of an answer. */
  #try({ id, base }: ClientCall, agent: string): Promise<{ status: number; headers: IncomingHttpHeaders }> {
    return new Promise((resolve) => {
      const headers = { 'weir-agent': agent, 'x-call-id': id }
      const none = (): void => resolve({ status: 0, headers: {} })
      const sent = request(`${base}/v1/x`, { agent: this.#agent, headers }, (response) => {
        response.resume()
        response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }))
        response.once('error', none)
      })
      sent.once('error', none)
      sent.end()
    })
  }
}

/** Ms until the caller is asked back; -1 = it is not. */
function adviceOf(headers: IncomingHttpHeaders): number {
  const exact = headers['retry-after-ms']
  if (exact !== undefined) return Number(exact)
  const seconds = headers['retry-after']
  return seconds === undefined ? -1 : Number(seconds) * 1000
}
