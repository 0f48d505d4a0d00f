/**
 * Agents of every kind that call without rest: plain calls of all sizes, streams, clients that leave, the official
 * SDKs, and clients that send half a request or none at all. Each result is handed to `onResult`.
 */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { Agent, fetch as fetchBy } from 'undici'
import { PRIORITIES } from '../../src/core/model.ts'
import type { Random } from '../../src/core/random.ts'
import { CheckedCaller, type CallPlan, type CallResult, type Ending } from '../kit/faults/checked-caller.ts'
import { answerText } from '../kit/faults/echo-upstream.ts'
import { RawClient } from '../kit/raw-client.ts'

export interface TrafficOptions {
  readonly origin: () => string
  readonly upstreams: readonly string[]
  readonly random: Random
  readonly workers: number
  /** Between two calls of a worker, at most. */
  readonly pauseMs: number
  /** After which a call counts as lost. */
  readonly giveUpMs: number
  readonly onResult: (result: CallResult, upstream: string) => void
}

const AGENTS = 40
/** What real clients and scanners send that is no whole request. */
const HALVES = [
  'POST /up0/bytes HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf',
  'POST /up0/bytes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel',
  'GET /up0/bytes HTTP/1.1\r\nHo',
  'GET /up0/bytes HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
]

export class Traffic {
  readonly #options: TrafficOptions
  readonly #caller: CheckedCaller
  /** Of the SDKs: their connections are closed with the others. */
  readonly #dispatcher = new Agent({ keepAliveTimeout: 2000, keepAliveMaxTimeout: 2000 })
  #isStopped = true
  #workers: Promise<void>[] = []
  #count = 0

  constructor(options: TrafficOptions) {
    this.#options = options
    this.#caller = new CheckedCaller(options.origin, options.giveUpMs, options.workers * 2)
  }

  start(): void {
    this.#isStopped = false
    this.#workers = Array.from({ length: this.#options.workers }, async () => this.#work())
  }

  /** Resolves when every call has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#workers)
  }

  async close(): Promise<void> {
    await this.#caller.close()
    await this.#dispatcher.destroy()
  }

  /** One plain call. */
  async probe(upstream: string): Promise<CallResult> {
    return this.#caller.call({ id: this.#nextId(), upstream, agent: 'probe' })
  }

  #nextId(): string {
    this.#count += 1
    return `c${this.#count}`
  }

  async #work(): Promise<void> {
    const { random, pauseMs } = this.#options
    while (!this.#isStopped) {
      const isRefused = await this.#one()
      // A closed door is knocked at less often.
      if (isRefused) await new Promise((resolve) => setTimeout(resolve, 200))
      await new Promise((resolve) => setTimeout(resolve, pauseMs * random()))
    }
  }

  /** True = nobody was there. */
  async #one(): Promise<boolean> {
    const { random, upstreams, onResult } = this.#options
    const upstream = upstreams[Math.floor(random() * upstreams.length)]!
    const id = this.#nextId()
    const agent = `agent-${Math.floor(random() * AGENTS)}`
    const workflow = `flow-${Math.floor(random() * 200)}`
    const kind = random()
    if (kind < 0.04) {
      await this.#half()
      return false
    }
    const plan = { id, upstream, agent, workflow }
    const result =
      kind < 0.12 ? await this.#sdk(plan) : await this.#caller.call({ ...plan, ...this.#shape(kind) })
    onResult(result, upstream)
    return result.ending === 'refused'
  }

  #shape(kind: number): Partial<CallPlan> {
    const { random } = this.#options
    if (kind < 0.27) return { events: 1 + Math.floor(20 * random()), gapMs: 10 * random() }
    if (kind < 0.35) return { leaveAfterMs: 300 * random() }
    if (kind < 0.5)
      return { bytesIn: Math.floor(400_000 * random() ** 3), bytesOut: Math.floor(1_000_000 * random() ** 3) }
    return { headers: { 'weir-priority': PRIORITIES[Math.floor(PRIORITIES.length * random())]! } }
  }

  /** Not judged: there is nothing to be right about. It must only harm nobody. */
  async #half(): Promise<void> {
    const { random, origin } = this.#options
    try {
      const client = await RawClient.open(Number(new URL(origin()).port))
      client.send(HALVES[Math.floor(random() * HALVES.length)]!)
      await new Promise((resolve) => setTimeout(resolve, 200 * random()))
      if (random() < 0.5) client.close()
      else client.socket.resetAndDestroy()
    } catch {
      // Weir is being started again.
    }
  }

  async #sdk({ id, upstream, agent }: { id: string; upstream: string; agent: string }): Promise<CallResult> {
    const { origin, random, giveUpMs } = this.#options
    const startedAt = performance.now()
    // The SDKs take any fetch; undici's own differs from the global one in its types alone.
    const fetching = ((url: never, init: object) =>
      fetchBy(url, { ...init, dispatcher: this.#dispatcher })) as unknown as typeof fetch
    const settings = { apiKey: `sk-${agent}`, maxRetries: 0, timeout: giveUpMs, fetch: fetching }
    const headers = { 'x-call-id': id, 'weir-agent': agent }
    const done = (ending: Ending, status = 200, note = ''): CallResult => {
      const endedAt = performance.now()
      const headMs = endedAt - startedAt
      return { id, ending, status, reason: '', startedAt, endedAt, headMs, gapMs: 0, note, isSdk: true }
    }
    const messages = [{ role: 'user' as const, content: 'hello' }]
    try {
      const kind = random()
      if (kind < 0.4) {
        const client = new Anthropic({ ...settings, baseURL: `${origin()}/${upstream}` })
        const answer = await client.messages.create({ model: 'm', max_tokens: 9, messages }, { headers })
        const [block] = answer.content
        const text = block?.type === 'text' ? block.text : ''
        return done(
          answer.id === `msg_${id}` && text === answerText(id, 200) ? 'whole' : 'wrong',
          200,
          answer.id,
        )
      }
      const client = new OpenAI({ ...settings, baseURL: `${origin()}/${upstream}/v1` })
      if (kind < 0.7) {
        const answer = await client.chat.completions.create({ model: 'm', messages }, { headers })
        const isMine = answer.id === `chatcmpl-${id}`
        const isRight = answer.choices[0]?.message.content === answerText(id, 200)
        return done(isMine && isRight ? 'whole' : 'wrong', 200, answer.id)
      }
      const stream = await client.chat.completions.create({ model: 'm', messages, stream: true }, { headers })
      let events = 0
      for await (const chunk of stream) {
        const isMine = chunk.id === `chatcmpl-${id}`
        const isRight = chunk.choices[0]?.delta.content === answerText(`${id}/${events}`, 64)
        if (!isMine || !isRight) return done('wrong', 200, chunk.id)
        events += 1
      }
      return done(events === 5 ? 'whole' : 'wrong', 200, `${events} events`)
    } catch (error) {
      return failed(error, id, done)
    }
  }
}

/** The errors of both SDKs have the same shape: a status and headers where there was an answer. */
function failed(
  error: unknown,
  id: string,
  done: (ending: Ending, status?: number, note?: string) => CallResult,
): CallResult {
  const text = error instanceof Error ? error.message : String(error)
  if (typeof error !== 'object' || error === null) return done('cut', 0, text)
  const status = 'status' in error && typeof error.status === 'number' ? error.status : 0
  if (status === 0) return done(/timed out/i.test(text) ? 'lost' : 'cut', 0, text)
  const { headers } = error as { headers: Headers }
  if (headers.get('weir-source') === 'proxy') return done(status === 500 ? 'wrong' : 'own', status, text)
  return done(headers.get('x-echo-id') === id ? 'whole' : 'wrong', status, text)
}
