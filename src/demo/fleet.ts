/**
 * Agents that know nothing of Weir: the real `openai` and `@anthropic-ai/sdk` clients with their default retries,
 * each agent a client of its own. They call a model API and an identity provider at a steady pace, and remember
 * how every logical call ended.
 */
import { randomUUID } from 'node:crypto'
import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'

export type UpstreamName = 'idp' | 'model'

export interface FleetShape {
  readonly agents: number
  readonly critical: number
  /** Logical calls per second of one agent. */
  readonly perSecond: number
  /** What an agent allows one attempt, per request, as its SDK's `timeout` option. */
  readonly timeoutMs: number
}

/** One logical call of an agent, over all its SDK's attempts. */
export interface AgentCall {
  readonly id: string
  readonly upstream: UpstreamName
  readonly critical: boolean
  readonly startedAt: number
  endedAt: number
  ok: boolean
}

/** Where the agents send their calls: base URLs are all that differs between the two runs. */
export type BaseUrl = (upstream: UpstreamName, agent: string) => string

type Ask = (id: string) => Promise<unknown>

const QUESTION = 'Is this applicant who they say they are?'

export class Fleet {
  readonly calls: AgentCall[] = []
  readonly #shape: FleetShape
  readonly #timers: NodeJS.Timeout[] = []
  #open = 0

  constructor(shape: FleetShape) {
    this.#shape = shape
  }

  /** Calls that have not ended yet. */
  get open(): number {
    return this.#open
  }

  /** @throws when the SDKs are not installed (they are optional dependencies). */
  async start(baseUrl: BaseUrl): Promise<void> {
    const sdks = await loadSdks()
    const everyMs = 1000 / this.#shape.perSecond
    for (const upstream of ['idp', 'model'] as const) {
      for (let index = 0; index < this.#shape.agents; index++) {
        const critical = index < this.#shape.critical
        const agent = `${upstream}-agent-${index}`
        const ask = this.#client(sdks, upstream, index, baseUrl(upstream, agent), critical)
        this.#every(everyMs, () => void this.#call(upstream, critical, ask))
      }
    }
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }

  /** A steady pace with jitter, so that nothing but a common cause makes agents keep step. */
  #every(everyMs: number, act: () => void): void {
    const index = this.#timers.length
    const next = (delay: number): void => {
      this.#timers[index] = setTimeout(() => {
        act()
        next(everyMs * (0.5 + Math.random()))
      }, delay)
    }
    this.#timers.push(setTimeout(() => {}, 0))
    next(everyMs * Math.random())
  }

  #client(sdks: Sdks, upstream: UpstreamName, index: number, baseURL: string, critical: boolean): Ask {
    const headers = critical ? { 'weir-priority': 'critical' } : {}
    const { timeoutMs: timeout } = this.#shape
    const own = (id: string): Record<string, string> => ({ ...headers, 'x-call-id': id })
    if (upstream === 'model' && index % 2 === 1) {
      const client = new sdks.Anthropic({ apiKey: `demo-${index}`, baseURL })
      const messages = [{ role: 'user' as const, content: QUESTION }]
      return (id) =>
        client.messages.create({ model: 'demo', max_tokens: 64, messages }, { timeout, headers: own(id) })
    }
    const client = new sdks.OpenAI({ apiKey: `demo-${index}`, baseURL: `${baseURL}/v1` })
    if (upstream === 'idp') {
      return (id) => client.post('/verify', { body: { applicant: index }, timeout, headers: own(id) })
    }
    const messages = [{ role: 'user' as const, content: QUESTION }]
    return (id) => client.chat.completions.create({ model: 'demo', messages }, { timeout, headers: own(id) })
  }

  async #call(upstream: UpstreamName, critical: boolean, ask: Ask): Promise<void> {
    const id = randomUUID()
    const call = { id, upstream, critical, startedAt: performance.now(), endedAt: Infinity, ok: false }
    this.calls.push(call)
    this.#open += 1
    try {
      await ask(id)
      call.ok = true
    } catch {
      // The agent got an error from its SDK, after its retries: the call is lost, and counted so.
    }
    call.endedAt = performance.now()
    this.#open -= 1
  }
}

interface Sdks {
  readonly OpenAI: typeof OpenAI
  readonly Anthropic: typeof Anthropic
}

async function loadSdks(): Promise<Sdks> {
  try {
    const [openai, anthropic] = await Promise.all([import('openai'), import('@anthropic-ai/sdk')])
    return { OpenAI: openai.default, Anthropic: anthropic.default }
  } catch (error) {
    throw new Error(
      'the demo needs the packages openai and @anthropic-ai/sdk: npm install openai @anthropic-ai/sdk',
      {
        cause: error,
      },
    )
  }
}
