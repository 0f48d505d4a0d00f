import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CallLine, HeaderLine, JournalLine } from '../journal/line.ts'
import { readJournal } from '../journal/reader.ts'
import { importJournal, type ImportKind, type ImportRequest, type ImportSummary } from './import.ts'

const FILES = join(import.meta.dirname, '..', '..', 'test', 'imports')

let out = ''
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'weir-import-'))
})
afterEach(() => rmSync(out, { recursive: true, force: true }))

interface Imported {
  readonly summary: ImportSummary
  readonly header: HeaderLine
  readonly calls: readonly CallLine[]
  readonly text: string
}

async function imported(
  kind: ImportKind,
  names: readonly string[],
  facts: Partial<ImportRequest> = {},
): Promise<Imported> {
  const summary = importJournal({ kind, files: names.map((name) => join(FILES, name)), out, ...facts })
  const lines: JournalLine[] = []
  for await (const batch of readJournal(out)) lines.push(...batch)
  const [header, ...rest] = lines
  if (header?.kind !== 'journal') throw new Error('no header')
  const calls = rest.filter((line): line is CallLine => line.kind === 'call')
  return { summary, header, calls, text: readFileSync(summary.file, 'utf8') }
}

function refusal(kind: ImportKind, text: string): string {
  const file = join(out, 'given')
  writeFileSync(file, text)
  try {
    importJournal({ kind, files: [file], out: join(out, 'made') })
    return ''
  } catch (error) {
    return error instanceof Error ? error.message.replace(`${file}: `, '') : ''
  }
}

describe('a HAR file', () => {
  it('becomes a journal with the times, names and sizes that it has', async () => {
    const { summary, header, calls } = await imported('har', ['browser.har'], {
      agentHeader: 'X-Agent-ID',
      agent: 'browser',
    })
    expect(header).toMatchObject({
      source: 'import:har',
      startedAt: '2026-01-15T09:00:01.250Z',
      upstreams: ['api.openai.com', 'tools.local:8081'],
      hashedIds: false,
    })
    expect(header.core).toBeUndefined()
    expect(summary).toMatchObject({
      calls: 3,
      agents: 2,
      from: '2026-01-15T09:00:01.250Z',
      until: '2026-01-15T09:00:03.090Z',
      skipped: { 'data: addresses': 1, 'answers from a cache': 1 },
    })
    expect(calls).toEqual([
      {
        kind: 'call',
        id: 'har-2',
        at: 0.5,
        order: [1, 3, 4, 5],
        slot: 1,
        upstream: 'api.openai.com',
        agent: 'browser',
        trust: 'claimed',
        method: 'GET',
        route: '/v1/files/*',
        priority: 'normal',
        family: 'other',
        bytes: 0,
        fingerprint: expect.any(Number),
        holdable: true,
        verdict: { do: 'pass', reason: 'healthy' },
        sentMs: 13,
        headMs: 38,
        endMs: 40,
        status: 429,
        retryAfterMs: 2000,
        settled: 'dropped',
        answered: true,
        outcome: 'passed',
        bytesIn: 0,
        bytesOut: 80,
      },
      expect.objectContaining({
        id: 'har-1',
        at: 0,
        order: [0, 2, 6, 7],
        agent: 'planner-1',
        workflow: '0af7651916cd43dd8448eb211c80319c',
        route: '/v1/chat/completions',
        family: 'openai-js',
        attempt: 2,
        sentMs: 2.5,
        headMs: 312,
        endMs: 812.4,
        status: 200,
        streaming: true,
        settled: 'success',
        bytesIn: 24,
        bytesOut: 1999,
      }),
      expect.objectContaining({
        upstream: 'tools.local:8081',
        slot: 0,
        sentMs: 1,
        endMs: 90,
        status: 0,
        settled: 'cancelled',
        outcome: 'client-gone',
      }),
    ])
  })

  it('leaves nothing behind of bodies, cookies, queries, keys and ids', async () => {
    const { text } = await imported('har', ['browser.har'], { hashIds: true })
    expect(text).not.toMatch(/SECRET/i)
    expect(text).not.toContain('0af7651916cd43dd8448eb211c80319c')
  })

  it.each([
    ['nothing', '', '1:1: not JSON from here on'],
    ['text', 'Dear diary', '1:1: not JSON from here on'],
    ['half a file', '{\n  "log": {\n    "entries": [', '3:17: not JSON from here on'],
    ['other JSON', '{"resourceSpans": []}', 'log: not a HAR file: log.entries is missing'],
    ['no list', '{"log":{"entries":{}}}', 'log.entries: must be a list'],
    ['no calls', '{"log":{"entries":[]}}', 'no call of an upstream in it'],
    ['a bad URL', har({ url: '/x' }), 'log.entries[0].request.url: must be a URL'],
    ['no method', har({ url: 'http://a/' }), 'log.entries[0].request.method: must be text'],
    [
      'no date',
      har({ url: 'http://a/', method: 'GET' }, 'yesterday'),
      'log.entries[0].startedDateTime: must be a date and time',
    ],
  ])('with %s gets one error with its place, and nothing is written', (_, text, expected) => {
    expect(refusal('har', text)).toBe(expected)
    expect(readdirSync(out)).toEqual(['given'])
  })
})

function har(request: object, startedDateTime = '2026-01-15T09:00:01Z'): string {
  return JSON.stringify({ log: { entries: [{ startedDateTime, request, response: { status: 200 } }] } })
}

describe('OpenTelemetry traces', () => {
  it('become calls with the agent, its parent, the server and the attempt', async () => {
    const { calls, header, summary } = await imported('otlp', ['http-client.otlp.json'])
    expect(header).toMatchObject({
      source: 'import:otlp',
      upstreams: ['api.anthropic.com', 'tools.local:8081'],
    })
    expect(summary.skipped).toEqual({ 'spans that are no client call of HTTP or GenAI': 1 })
    expect(calls).toMatchObject([
      {
        id: 'eee19b7ec3c1b175',
        at: 100,
        upstream: 'tools.local:8081',
        method: 'GET',
        route: expect.stringMatching(/^\/users\/~[0-9a-f]{8}\/x$/),
        endMs: 1,
        status: 0,
        settled: 'failure',
        outcome: 'upstream-error',
      },
      {
        id: 'eee19b7ec3c1b174',
        at: 0,
        upstream: 'api.anthropic.com',
        agent: 'researcher',
        parent: 'orchestrator',
        workflow: '5b8efff798038103d269b633813fc60c',
        method: 'POST',
        route: '/v1/messages',
        family: 'anthropic-js',
        attempt: 3,
        bytes: 1200,
        sentMs: 0,
        headMs: 250.25,
        endMs: 250.25,
        status: 529,
        settled: 'dropped',
        bytesOut: 340,
      },
    ])
  })

  it('take the agent from a captured header on request', async () => {
    const { calls, text } = await imported('otlp', ['http-client.otlp.json'], { agentHeader: 'X-Agent-Id' })
    expect(calls.map(({ agent }) => agent).toSorted()).toEqual(['deep-researcher', 'researcher'])
    expect(text).not.toMatch(/SECRET/i)
  })

  it('of GenAI count once, where the HTTP call below is there too', async () => {
    const { calls, summary, text } = await imported('otlp', ['genai.otlp.json'])
    expect(summary.skipped).toEqual({
      'spans that are no client call of HTTP or GenAI': 1,
      'GenAI spans whose HTTP call is here too': 1,
    })
    expect(calls).toMatchObject([
      {
        upstream: 'api.openai.com',
        route: '/v1/chat/completions',
        agent: 'bot',
        parent: 'Writer',
        status: 200,
      },
      {
        upstream: 'cohere',
        route: '/embeddings',
        method: 'POST',
        agent: 'bot',
        status: 503,
        settled: 'dropped',
      },
    ])
    expect(text).not.toMatch(/SECRET/i)
  })

  it('are read one document per line and by the names of older conventions', async () => {
    const { calls } = await imported('otlp', ['collector.otlp.jsonl'], { agent: 'someone', paths: true })
    expect(calls).toMatchObject([
      {
        upstream: 'store:9200',
        agent: 'someone',
        parent: 'legacy',
        route: '/index/_doc',
        status: 404,
        slot: 1,
      },
      { upstream: 'store:9200', agent: 'legacy', route: '/index/_search', status: 200, attempt: 2, slot: 0 },
    ])
  })

  it.each([
    ['text', 'not json', '1:1: not JSON from here on'],
    ['a HAR file', '{"log":{}}', 'not an OTLP trace document: resourceSpans is missing'],
    ['metrics', '[{"resourceMetrics":[]}]', '[0]: not an OTLP trace document: resourceSpans is missing'],
    ['a broken second line', '{"resourceSpans":[]}\n{"resourceSpans":[\n', '2:19: not JSON from here on'],
    [
      'a span without an id',
      '{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":3}]}]}]}',
      'resourceSpans[0].scopeSpans[0].spans[0].spanId: must be text',
    ],
    [
      'a span without a server',
      span({ attributes: [attribute('http.request.method', 'GET')] }),
      'resourceSpans[0].scopeSpans[0].spans[0]: an HTTP client span names no server: neither server.address nor url.full',
    ],
    [
      'a span that ends before it starts',
      span({ endTimeUnixNano: '1' }),
      'resourceSpans[0].scopeSpans[0].spans[0].endTimeUnixNano: lies before startTimeUnixNano',
    ],
    [
      'a span without a time',
      span({ startTimeUnixNano: 'noon' }),
      'resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano: must be a time in nanoseconds',
    ],
  ])('with %s get one error with its place, and nothing is written', (_, text, expected) => {
    expect(refusal('otlp', text)).toBe(expected)
    expect(readdirSync(out)).toEqual(['given'])
  })
})

function attribute(key: string, stringValue: string): object {
  return { key, value: { stringValue } }
}

function span(facts: object): string {
  const whole = {
    traceId: 'a',
    spanId: 'b',
    kind: 3,
    startTimeUnixNano: '2000',
    endTimeUnixNano: '3000',
    attributes: [attribute('http.request.method', 'GET'), attribute('server.address', 'a')],
    ...facts,
  }
  return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [whole] }] }] })
}

describe('the journal of an import', () => {
  it('of several files is one, in one order of time', async () => {
    const { calls, summary } = await imported('otlp', ['genai.otlp.json', 'http-client.otlp.json'])
    expect(summary.calls).toBe(4)
    const orders = calls.flatMap(({ order }) => order).toSorted((a, b) => a - b)
    expect(orders).toEqual(orders.map((_, index) => index))
    const ends = calls.map(({ at, endMs }) => at + endMs)
    expect(ends).toEqual(ends.toSorted((a, b) => a - b))
  })

  it('is never written over another one', async () => {
    await imported('har', ['browser.har'])
    await imported('har', ['browser.har'])
    expect(readdirSync(out)).toHaveLength(2)
  })

  it('says which file cannot be read', () => {
    expect(() => importJournal({ kind: 'har', files: [join(out, 'gone')], out })).toThrow(
      `${join(out, 'gone')}: cannot be read (ENOENT)`,
    )
  })
})
