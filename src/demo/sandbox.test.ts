import Anthropic, { RateLimitError as AnthropicRateLimit } from '@anthropic-ai/sdk'
import OpenAI, { RateLimitError as OpenAIRateLimit } from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSandbox } from './sandbox.ts'
import type { Sandbox } from './sandbox.ts'

let sandbox: Sandbox
let url: string

beforeEach(async () => {
  sandbox = createSandbox()
  url = await sandbox.listen()
})
afterEach(() => sandbox.close())

const post = (path: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(url + path, { method: 'POST', body: JSON.stringify(body), ...init })

const openai = (): OpenAI => new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, maxRetries: 0 })
const anthropic = (): Anthropic => new Anthropic({ apiKey: 'none', baseURL: url, maxRetries: 0 })
const identified = (id: string): Promise<Response> => post('/x', {}, { headers: { 'x-call-id': id } })
const json = async (answer: Promise<Response>): Promise<any> => JSON.parse(await (await answer).text())
const leave = { signal: () => AbortSignal.timeout(30), error: /aborted due to timeout/ }

async function statusesOfSeed(seed: number): Promise<number[]> {
  const again = createSandbox({
    seed,
    behaviour: { phases: [{ from: 0, until: Infinity, errorRatio: 0.5 }] },
  })
  const origin = await again.listen()
  const statuses: number[] = []
  for (let n = 0; n < 20; n += 1) statuses.push((await fetch(origin)).status)
  await again.close()
  return statuses
}

async function eventually(truth: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !truth(); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
  expect(truth()).toBe(true)
}

describe('the real OpenAI client', () => {
  const ask = { model: 'gpt-x', messages: [{ role: 'user' as const, content: 'hello' }] }

  it('gets a chat completion', async () => {
    const answer = await openai().chat.completions.create(ask)
    expect(answer.model).toBe('gpt-x')
    expect(answer.choices[0]?.message.content?.split(' ')).toHaveLength(12)
    expect(answer.usage?.total_tokens).toBeGreaterThan(12)
  })

  it('streams the chat completion that it gets whole, up to [DONE]', async () => {
    const stream = await openai().chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let usage = 0
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage?.completion_tokens ?? usage
    }
    expect(text.split(' ')).toHaveLength(12)
    expect(usage).toBe(12)
    const raw = await (await post('/v1/chat/completions', { ...ask, stream: true })).text()
    expect(raw.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('gets and streams a response', async () => {
    const answer = await openai().responses.create({ model: 'gpt-x', input: 'hello' })
    expect(answer.output_text.split(' ')).toHaveLength(12)
    const stream = openai().responses.stream({ model: 'gpt-x', input: 'hello' })
    let deltas = 0
    for await (const event of stream) if (event.type === 'response.output_text.delta') deltas += 1
    expect(deltas).toBe(12)
    expect((await stream.finalResponse()).status).toBe('completed')
  })

  it('decodes embeddings and lists models', async () => {
    const answer = await openai().embeddings.create({ model: 'e', input: ['a', 'b'] })
    expect(answer.data).toHaveLength(2)
    expect(answer.data[1]?.embedding).toHaveLength(8)
    expect(answer.data[0]?.embedding.every((x) => x >= 0 && x <= 1)).toBe(true)
    const ids = (await openai().models.list()).data.map((model) => model.id)
    expect(ids).toContain('sandbox-1')
  })

  it('reads a refusal as a rate limit with its headers', async () => {
    sandbox.behave({
      phases: [{ from: 0, until: Infinity, rateLimit: { perSecond: 1, retryAfterMs: 2500 } }],
    })
    await openai().chat.completions.create(ask)
    const refused = await openai()
      .chat.completions.create(ask)
      .catch((error: unknown) => error)
    if (!(refused instanceof OpenAIRateLimit)) throw new Error('not refused as a rate limit')
    const { headers } = refused
    expect(headers?.get('retry-after')).toBe('3')
    expect(headers?.get('retry-after-ms')).toBe('2500')
    expect(headers?.get('x-ratelimit-limit-requests')).toBe('1')
    expect(headers?.get('x-ratelimit-remaining-requests')).toBe('0')
  })
})

describe('the real Anthropic client', () => {
  const ask = { model: 'claude-x', max_tokens: 64, messages: [{ role: 'user' as const, content: 'hello' }] }

  it('gets a message', async () => {
    const answer = await anthropic().messages.create(ask)
    expect(answer.stop_reason).toBe('end_turn')
    expect(answer.content[0]?.type).toBe('text')
  })

  it('streams a message to its end', async () => {
    const message = await anthropic().messages.stream(ask).finalMessage()
    const [block] = message.content
    expect(block?.type === 'text' && block.text.split(' ').length).toBe(12)
    expect(message.usage.output_tokens).toBe(12)
  })

  it('reads a refusal as its own kind of error with reset instants', async () => {
    sandbox.behave({ quota: 1 })
    await anthropic().messages.create(ask)
    const refused = await anthropic()
      .messages.create(ask)
      .catch((error: unknown) => error)
    if (!(refused instanceof AnthropicRateLimit)) throw new Error('not refused as a rate limit')
    const { headers } = refused
    expect(headers?.get('anthropic-ratelimit-requests-remaining')).toBe('0')
    expect(Date.parse(headers?.get('anthropic-ratelimit-requests-reset') ?? '')).toBeGreaterThan(0)
  })
})

describe('the other faces', () => {
  it('generates content, whole and as a stream', async () => {
    const whole = await json(post('/v1beta/models/gem:generateContent', {}))
    expect(whole.candidates[0].content.role).toBe('model')
    const sse = await (await post('/v1beta/models/gem:streamGenerateContent?alt=sse', {})).text()
    const chunks = sse
      .trim()
      .split('\r\n\r\n')
      .map((line) => JSON.parse(line.slice('data: '.length)))
    expect(chunks).toHaveLength(12)
    expect(chunks[11].candidates[0].finishReason).toBe('STOP')
  })

  it('verifies an identity and speaks a little MCP', async () => {
    expect(await (await post('/verify', { subject: 's-1' })).json()).toMatchObject({
      subject: 's-1',
      verified: true,
    })
    const listed = await json(post('/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/list' }))
    expect(listed.result.tools[0].name).toBe('lookup')
    expect((await post('/mcp', { jsonrpc: '2.0', method: 'notifications/initialized' })).status).toBe(202)
    const unknown = await json(post('/mcp', { id: 2, method: 'constructor' }))
    expect(unknown.error.code).toBe(-32601)
  })

  it('echoes the same bytes for the same request and others for another', async () => {
    const read = async (path: string, body: string): Promise<string> =>
      Buffer.from(await (await fetch(url + path, { method: 'POST', body })).arrayBuffer()).toString('hex')
    const first = await read('/any/thing?bytes=1000', 'x')
    expect(first).toHaveLength(2000)
    expect(await read('/any/thing?bytes=1000', 'x')).toBe(first)
    expect(await read('/any/thing?bytes=1000', 'y')).not.toBe(first)
    expect((await fetch(`${url}/teapot?status=418`)).status).toBe(418)
    expect((await (await fetch(`${url}/events?sse=3`)).text()).match(/^data: /gm)).toHaveLength(3)
  })
})

describe('behaviour', () => {
  it('serves as many at once as it has servers, lets some wait and refuses the rest', async () => {
    sandbox.behave({ servers: 2, queue: 3, serviceMs: 60 })
    const answers = await Promise.all(Array.from({ length: 8 }, () => post('/x', {})))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5)
    expect(answers.filter(({ status }) => status === 503)).toHaveLength(3)
    expect(sandbox.load).toEqual({ busy: 0, waiting: 0 })
  })

  it('gives up on a call that waited too long for a server', async () => {
    sandbox.behave({ servers: 1, serviceMs: 120, queueMs: 20 })
    const statuses = (await Promise.all([post('/x', {}), post('/x', {})])).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([200, 503]))
  })

  it('repeats its errors and service times for the same seed', async () => {
    const first = await statusesOfSeed(7)
    expect(new Set(first)).toEqual(new Set([200, 500]))
    expect(await statusesOfSeed(7)).toEqual(first)
  })

  it('locks everyone out after one call too many, and says until when', async () => {
    const rateLimit = { perSecond: 1, retryAfterMs: 1000, lockoutMs: 30_000 }
    sandbox.behave({ phases: [{ from: 0, until: Infinity, rateLimit }] })
    const answers = [await post('/x', {}), await post('/x', {}), await post('/x', {})]
    expect(answers.map(({ status }) => status)).toEqual([200, 429, 429])
    expect(answers.map((answer) => answer.headers.get('retry-after'))).toEqual([null, '1', '30'])
  })

  it('hangs, and counts who left', async () => {
    sandbox.behave({ phases: [{ from: 0, until: Infinity, hang: true }] })
    await expect(post('/x', {}, { signal: leave.signal() })).rejects.toThrow(leave.error)
    await eventually(() => sandbox.ledger.abandoned === 1)
    expect(sandbox.ledger.inFlight).toBe(0)
  })

  it('resets every connection while it is stopped and serves again afterwards', async () => {
    sandbox.behave({ phases: [{ from: 0, until: Infinity, stopped: true }] })
    await expect(post('/x', {})).rejects.toThrow(/fetch failed/)
    sandbox.behave({ phases: [] })
    expect((await post('/x', {})).status).toBe(200)
  })

  it('works on for a client that left, unless told not to', async () => {
    sandbox.behave({ servers: 1, serviceMs: 5000 })
    await expect(post('/x', {}, { signal: leave.signal() })).rejects.toThrow(leave.error)
    await eventually(() => sandbox.ledger.abandoned === 1)
    expect(sandbox.load.busy).toBe(1)
    sandbox.behave({ servers: 2, serviceMs: 5000, worksOn: false })
    await expect(post('/x', {}, { signal: leave.signal() })).rejects.toThrow(leave.error)
    await eventually(() => sandbox.ledger.abandoned === 2)
    expect(sandbox.load.busy).toBe(1)
  })

  it('sends the first chunk of a stream after its share of the service time', async () => {
    sandbox.behave({ serviceMs: 200, firstByteShare: 0.25 })
    const began = performance.now()
    const answer = await post('/v1/chat/completions', { stream: true })
    const headMs = performance.now() - began
    await answer.text()
    const wholeMs = performance.now() - began
    expect(headMs).toBeGreaterThanOrEqual(49)
    expect(headMs).toBeLessThan(wholeMs - 50)
    expect(wholeMs).toBeGreaterThanOrEqual(190)
  })
})

describe('the ledger', () => {
  it('counts attempts and completions of each logical call, and arrivals by tick', async () => {
    await identified('a')
    await identified('a')
    await identified('b')
    sandbox.behave({ phases: [{ from: 0, until: Infinity, errorRatio: 1, errorStatus: 502 }] })
    await identified('b')
    await eventually(() => sandbox.ledger.inFlight === 0)
    expect(sandbox.ledger.calls.get('a')).toMatchObject({ attempts: 2, completions: 2, lastStatus: 200 })
    expect(sandbox.ledger.calls.get('b')).toMatchObject({ attempts: 2, completions: 1, lastStatus: 502 })
    const summary = sandbox.ledger.summary()
    expect(summary).toMatchObject({ arrivals: 4, completions: 3, logicalCalls: 2, amplification: 2 })
    expect(summary.statuses).toEqual({ '200': 3, '502': 1 })
    expect(sandbox.ledger.arrivalsPerTick.reduce((sum, n) => sum + n, 0)).toBe(4)
    sandbox.ledger.reset()
    expect(sandbox.ledger.summary()).toMatchObject({
      arrivals: 0,
      logicalCalls: 0,
      amplification: 0,
      inFlight: 0,
    })
  })
})
