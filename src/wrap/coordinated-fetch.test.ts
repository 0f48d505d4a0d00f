/** In virtual time: the fetch below is a fake, the core above it is the real one. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CallRefused } from './refused.ts'
import { coordinatedFetch } from './coordinated-fetch.ts'
import { Coordination, type CoordinationOptions } from './coordination.ts'
import type { Fetch } from './fetch-input.ts'
import { withAgent, withCall, withPriority, withWorkflow } from './scope.ts'

const BASE = 'https://api.openai.com'
const CHAT = `${BASE}/v1/chat/completions`
const limited = (limit: string, then = 'do: hold, hold: { max: 20s }'): string =>
  `version: 1\nrules:\n  - { name: one, mode: enforce, then: { ${then}, limits: [${limit}] } }\n`
const ONE = limited('{ per: upstream, concurrency: 1 }')
const SLOWLY = limited('{ per: upstream, rate: 1/s, burst: 1 }')

interface Sent {
  readonly url: string
  readonly headers: Headers
  readonly signal: AbortSignal | undefined
  answer(status?: number, body?: string | ReadableStream | null, headers?: Record<string, string>): void
  fail(error: Error): void
}

let sent: Sent[]
let coordination: Coordination

/** Never answers by itself. */
const upstream: Fetch = (input, init) =>
  new Promise((resolve, reject) => {
    sent.push({
      url: input instanceof Request ? input.url : String(input),
      headers: new Headers(init?.headers),
      signal: init?.signal ?? undefined,
      answer: (status = 200, body = 'ok', headers = {}) => resolve(new Response(body, { status, headers })),
      fail: reject,
    })
    init?.signal?.addEventListener('abort', () => reject(init.signal!.reason as Error))
  })

function start(options: Partial<CoordinationOptions> = {}): Fetch {
  coordination = new Coordination({ upstreams: { openai: BASE }, policy: 'version: 1', seed: 1, ...options })
  vi.stubGlobal('fetch', upstream)
  return coordinatedFetch(coordination)
}
const post = { method: 'POST', body: '{"model":"m"}' }
const settle = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(1))
const row = (): ReturnType<Coordination['read']>['upstreams'][number] => coordination.read().upstreams[0]!

beforeEach(() => {
  vi.useFakeTimers()
  sent = []
})
afterEach(() => {
  const { open } = coordination.read()
  coordination.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  if (open !== 0) throw new Error(`${open} calls are left open`)
})

describe('a coordinated fetch', () => {
  it('changes nothing of a call that may go: bytes, status, headers, url', async () => {
    const fetch = start()
    const calling = fetch(CHAT, { ...post, headers: { authorization: 'Bearer k' } })
    await settle()
    expect(sent[0]).toMatchObject({ url: CHAT })
    expect(Object.fromEntries(sent[0]!.headers)).toEqual({ authorization: 'Bearer k' })
    sent[0]!.answer(201, 'hello', { 'x-own': 'kept' })
    const response = await calling
    expect([response.status, response.headers.get('x-own')]).toEqual([201, 'kept'])
    expect(row().inFlight).toBe(1)
    expect(await response.text()).toBe('hello')
    expect(row()).toMatchObject({ inFlight: 0, attempts: 1 })
    expect(row().outcomes.passed).toBe(1)
    expect(row().settlements.success).toBe(1)
  })

  it('does not touch a request to anybody else', async () => {
    const fetch = start()
    const calling = fetch('https://api.openai.com.evil.example/v1', { headers: { 'weir-agent': 'kept' } })
    await settle()
    expect(sent[0]!.headers.get('weir-agent')).toBe('kept')
    sent[0]!.answer()
    await calling
    expect(row().arrivals).toBe(0)
  })

  it('holds in line, and goes when the one before has ended', async () => {
    const fetch = start({ policy: ONE })
    const first = fetch(CHAT, post)
    const second = fetch(CHAT, post)
    await vi.advanceTimersByTimeAsync(3000)
    expect(sent).toHaveLength(1)
    expect(row().held).toBe(1)
    sent[0]!.answer()
    await (await first).text()
    await settle()
    expect(sent).toHaveLength(2)
    sent[1]!.answer()
    await (await second).text()
    expect(row().outcomes['passed-after-hold']).toBe(1)
  })

  it('lets a held call be aborted, and sends nothing then', async () => {
    const fetch = start({ policy: ONE })
    const first = fetch(CHAT, post)
    const leaving = new AbortController()
    const second = fetch(CHAT, { ...post, signal: leaving.signal }).catch((error: unknown) => error)
    await settle()
    leaving.abort(new Error('enough'))
    expect(await second).toMatchObject({ message: 'enough' })
    sent[0]!.answer()
    await (await first).text()
    await settle()
    expect(sent).toHaveLength(1)
    expect(row().outcomes['client-gone']).toBe(1)
  })

  it('ends a hold that nobody could end in time with an answer that the SDK understands', async () => {
    const fetch = start({ policy: ONE, patienceMs: 2000 })
    const first = fetch(CHAT, post)
    const second = fetch(CHAT, post)
    await vi.advanceTimersByTimeAsync(2500)
    const response = await second
    expect(response.status).toBe(429)
    expect(Number(response.headers.get('retry-after-ms'))).toBeGreaterThan(0)
    expect(await response.json()).toMatchObject({ error: { type: 'rate_limit_error' } })
    sent[0]!.answer()
    await (await first).text()
  })

  it('answers a refusal in the dialect of the upstream, by default', async () => {
    const fetch = start({ policy: SLOWLY, upstreams: { claude: 'http://models/a/' }, patienceMs: 100 })
    void fetch('http://models/a/v1/messages', post)
    const refused = await fetch('http://models/a/v1/messages', post)
    expect([refused.status, refused.headers.get('weir-reason')]).toEqual([429, 'rate-limit'])
    expect(await refused.json()).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } })
    sent[0]!.answer(204, null)
    await settle()
  })

  it('throws a refusal where that is wanted, with the slot and the rule', async () => {
    const fetch = start({ policy: SLOWLY, patienceMs: 100, onRefusal: 'throw' })
    void fetch(CHAT, post)
    const error: unknown = await fetch(CHAT, post).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CallRefused)
    expect(error).toMatchObject({ verdict: 'shed', reason: 'rate-limit', rule: 'policy/one', isFinal: false })
    expect((error as CallRefused).waitMs).toBeGreaterThan(0)
    sent[0]!.answer(204, null)
    await settle()
  })

  it('waits a refusal out where that is wanted, and keeps its slot', async () => {
    const fetch = start({
      policy: SLOWLY.replace('do: hold, hold: { max: 20s }', 'do: hold, hold: { max: 100ms }'),
      onRefusal: 'wait',
    })
    void fetch(CHAT, post)
    const second = fetch(CHAT, post)
    await vi.advanceTimersByTimeAsync(200)
    expect(sent).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(sent).toHaveLength(2)
    for (const call of sent) call.answer(204, null)
    expect((await second).status).toBe(204)
  })

  it('refuses for good without a slot', async () => {
    const fetch = start({
      policy: 'version: 1\nrules:\n  - { name: no, mode: enforce, then: { do: shed, final: true } }\n',
      onRefusal: 'wait',
    })
    const response = await fetch(CHAT, post)
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([403, 'false'])
  })

  it('counts an answer that is a failure at its head, whether its body is read or not', async () => {
    const fetch = start()
    const calling = fetch(CHAT, post)
    await settle()
    sent[0]!.answer(503)
    expect((await calling).status).toBe(503)
    expect(row().settlements.dropped).toBe(1)
  })

  it('gives each caller whom the upstream refuses a slot of its own', async () => {
    const fetch = start({
      policy: 'version: 1\nrules:\n  - { name: all, mode: enforce, then: { do: hold } }\n',
    })
    const calls = ['a', 'b', 'c'].map((agent) => withAgent(agent, () => fetch(CHAT, post)))
    await settle()
    for (const call of sent) call.answer(429, 'no', { 'retry-after': '2' })
    const answers = await Promise.all(calls)
    const advised = answers.map(({ headers }) => Number(headers.get('retry-after-ms')))
    expect(new Set(advised).size).toBe(3)
    expect(Math.min(...advised)).toBeGreaterThanOrEqual(1990)
  })

  it('tells a connection that breaks from a caller who leaves', async () => {
    const fetch = start()
    const broken = fetch(CHAT, post).catch((error: unknown) => error)
    await settle()
    sent[0]!.fail(new TypeError('fetch failed'))
    expect(await broken).toBeInstanceOf(TypeError)
    const leaving = new AbortController()
    const left = fetch(CHAT, { ...post, signal: leaving.signal }).catch((error: unknown) => error)
    await settle()
    leaving.abort()
    await left
    expect(row().settlements).toMatchObject({ failure: 1, cancelled: 1 })
  })

  it('sees the end of a stream, a cut in it, and a reader who leaves it', async () => {
    const fetch = start()
    const open = async (stream: ReadableStream): Promise<Response> => {
      const calling = fetch(CHAT, post)
      await settle()
      sent.at(-1)!.answer(200, stream, { 'content-type': 'text/event-stream' })
      return calling
    }
    const bytes = new TextEncoder().encode('data: 1\n\n')
    const whole = await open(
      new ReadableStream({
        start(controller) {
          controller.enqueue(bytes)
          controller.enqueue(new Uint8Array(0))
          controller.close()
        },
      }),
    )
    expect(await whole.text()).toBe('data: 1\n\n')
    const cut = await open(new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) }))
    await expect(cut.text()).rejects.toThrow('reset')
    const left = await open(new ReadableStream({ pull: (controller) => controller.enqueue(bytes) }))
    const reader = left.body!.getReader()
    await reader.read()
    await reader.cancel()
    expect(row().settlements).toMatchObject({ success: 1, failure: 1, cancelled: 1 })
  })

  it('gives up an answer that nobody reads', async () => {
    const fetch = start()
    const calling = fetch(CHAT, post)
    await settle()
    sent[0]!.answer(200, 'never read')
    await calling
    expect(row().inFlight).toBe(1)
    await vi.advanceTimersByTimeAsync(301_000)
    expect(row().inFlight).toBe(0)
  })

  it('takes requests in every form that fetch takes', async () => {
    const fetch = start()
    const calls = [fetch(new URL(CHAT), post), fetch(new Request(CHAT, post)), fetch(`${CHAT}?a=b#c`, post)]
    await settle()
    expect(sent.map(({ url }) => url)).toEqual([CHAT, CHAT, `${CHAT}?a=b#c`])
    for (const call of sent) call.answer(204, null)
    await Promise.all(calls)
    expect(row().arrivals).toBe(3)
  })

  it('does not stand in the way of a path that it could not forward itself', async () => {
    const fetch = start()
    const calling = fetch(`${BASE}/a//b`, post)
    await settle()
    sent[0]!.answer()
    expect((await calling).status).toBe(200)
    expect(row().arrivals).toBe(0)
  })
})

const fail = async (calling: Promise<Response>): Promise<void> => {
  await settle()
  sent.at(-1)!.answer(500)
  await calling
}

describe('names carried for the user', () => {
  it('reach the core, and never the upstream', async () => {
    const fetch = start({ agent: 'nobody' })
    const calls = withWorkflow('run-7', () =>
      withAgent('planner', () => [fetch(CHAT, post), withAgent('worker', async () => fetch(CHAT, post))]),
    )
    const outside = fetch(CHAT, { ...post, headers: { 'weir-agent': 'explicit' } })
    await settle()
    const names = coordination.read()
    expect(names.agentsKnown).toBe(3)
    for (const { headers } of sent)
      expect([...headers.keys()].filter((name) => name.startsWith('weir'))).toEqual([])
    for (const call of sent) call.answer(204, null)
    await Promise.all([...calls, outside])
  })

  it('make one trace of a workflow, in which each call is a span of its own', async () => {
    const fetch = start()
    const calls = withWorkflow('run-7', () => [fetch(CHAT, post), fetch(CHAT, post)])
    const other = withWorkflow('run-8', () => fetch(CHAT, post))
    const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const own = withWorkflow('run-9', () => fetch(CHAT, { ...post, headers: { traceparent: given } }))
    const none = fetch(CHAT, post)
    await settle()
    const traces = sent.map(({ headers }) => headers.get('traceparent'))
    const [one, two, three] = traces.map((trace) => trace?.split('-'))
    expect(one).toMatchObject([
      '00',
      expect.stringMatching(/^[0-9a-f]{32}$/),
      expect.stringMatching(/^[0-9a-f]{16}$/),
      '01',
    ])
    expect(two![1]).toBe(one![1])
    expect(two![2]).not.toBe(one![2])
    expect(three![1]).not.toBe(one![1])
    expect(traces.slice(3)).toEqual([given, null])
    for (const call of sent) call.answer(204, null)
    await Promise.all([...calls, other, own, none])
  })

  it('make a trace of each call outside of a workflow when that is wanted', async () => {
    const fetch = start({ traces: 'always' })
    const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const calls = [
      fetch(CHAT, post),
      fetch(CHAT, post),
      fetch(CHAT, { ...post, headers: { traceparent: given } }),
    ]
    await settle()
    const traces = sent.map(({ headers }) => headers.get('traceparent'))
    for (const trace of traces) expect(trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect([new Set(traces).size, traces[2]]).toEqual([3, given])
    for (const call of sent) call.answer(204, null)
    await Promise.all(calls)
  })

  it('prove a retry within one call, and only there', async () => {
    const fetch = start()
    await withCall(async () => {
      await fail(fetch(CHAT, post))
      await fail(fetch(CHAT, post))
    })
    expect(row().retries).toBe(1)
    await withCall(async () => await fail(fetch(`${BASE}/v1/other`, post)))
    expect(row().retries).toBe(1)
  })

  it('carry the priority', async () => {
    const fetch = start({
      policy:
        'version: 1\nrules:\n  - { name: b, match: { priority: batch }, mode: enforce, then: { do: shed, final: true } }\n',
    })
    expect((await withPriority('batch', () => fetch(CHAT, post))).status).toBe(403)
  })

  it('are refused when they are no names', () => {
    start()
    expect(() => withAgent('two words', () => 1)).toThrow(TypeError)
    expect(() => withWorkflow('', () => 1)).toThrow('1 to 128 characters')
  })
})

describe('options of a coordinated fetch', () => {
  it('are refused with every problem named', () => {
    start()
    expect(() => coordinatedFetch({ upstreams: { openai: 'no url' } })).toThrow(
      "upstreams.openai: 'no url' is no URL",
    )
    expect(() => coordinatedFetch({ upstreams: { weir: BASE } })).toThrow("'weir' is no name")
    expect(() => coordinatedFetch({ upstreams: { a: BASE }, policy: 'version: 2' })).toThrow('policy:1:')
    const defers = 'version: 1\nrules:\n  - { name: d, mode: enforce, then: { do: defer } }\n'
    expect(() => coordinatedFetch({ upstreams: { a: BASE }, policy: defers })).toThrow(/defer/)
  })

  it('may name nothing but upstreams: then it watches', async () => {
    start()
    const fetch = coordinatedFetch({ upstreams: { openai: BASE } })
    const calling = fetch(CHAT, post)
    await settle()
    sent[0]!.answer()
    expect(await (await calling).text()).toBe('ok')
  })
})
