/** What an OpenTelemetry collector gets from a whole Weir, over real sockets. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createApp, type App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { KNOWN_HEADERS } from '../../src/proxy/known-headers.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { OtlpCollector, type SeenSpan } from '../kit/otlp-collector.ts'
import { RawClient } from '../kit/raw-client.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'
const SAMPLED = `00-${TRACE}-${CALLER}-01`
const UNSAMPLED = `00-${TRACE}-${CALLER}-00`
const SERVER = 2
const CLIENT = 3
const ERROR = 2

const POLICY = `
version: 1
rules:
  - name: one-at-a-time
    mode: enforce
    match: { path: /held/** }
    then: { do: hold, hold: { max: 10s }, limits: [{ per: upstream, concurrency: 1 }] }
  - name: later
    mode: enforce
    match: { path: /later/** }
    then: { do: shed }
  - name: would-shed
    mode: shadow
    match: { path: /watched/** }
    then: { do: shed }
`

interface Traced {
  readonly app: App
  readonly port: number
  readonly origin: string
  readonly operator: string
  readonly lines: string[]
  /** File of the policies. */
  readonly policies: string
}

async function traced(
  endpoint: string,
  upstreams: Record<string, URL>,
  otlp: Record<string, unknown> = {},
): Promise<Traced> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-otlp-'))
  kept({ close: async () => rm(directory, { recursive: true, force: true }) })
  await writeFile(join(directory, 'rules.yaml'), POLICY)
  const file = {
    upstreams: Object.fromEntries(Object.entries(upstreams).map(([name, url]) => [name, url.href])),
    otlp: { endpoint, interval: '1s', headers: { 'x-token': 'collector-secret' }, ...otlp },
  }
  await writeFile(join(directory, 'weir.yaml'), JSON.stringify(file))
  const config = loadConfig({
    env: {},
    flags: {
      config: join(directory, 'weir.yaml'),
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [join(directory, 'rules.yaml')],
    },
  })
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'debug', access: false, clock: () => performance.now(), sink })
  const app = createApp({ ...config, proxy: { ...config.proxy, drainMs: 300 } }, { log })
  kept({ close: async () => app.stop() })
  const started = await app.start()
  return {
    app,
    lines,
    policies: join(directory, 'rules.yaml'),
    port: started.proxy.port,
    origin: `http://127.0.0.1:${started.proxy.port}`,
    operator: `http://127.0.0.1:${started.operator.port}`,
  }
}

/** Ends Weir, which sends what is left, and gives the spans by kind, in the order of their start. */
async function spansAfter(weir: Traced, collector: OtlpCollector): Promise<[SeenSpan[], SeenSpan[]]> {
  await eventually(() => weir.app.proxy.stats.openCalls === 0)
  await weir.app.stop()
  const spans = collector.spans.toSorted((one, other) => one.startMs - other.startMs)
  return [spans.filter(({ kind }) => kind === SERVER), spans.filter(({ kind }) => kind === CLIENT)]
}

async function become(wanted: number, read: () => Promise<number>): Promise<void> {
  for (let tries = 0; tries < 150 && (await read()) !== wanted; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(await read()).toBe(wanted)
}

async function metric(operator: string, series: string): Promise<number> {
  const page = await (await fetch(`${operator}/metrics`)).text()
  const line = page.split('\n').find((text) => text.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? Number.NaN)
}

function told(spans: readonly SeenSpan[]): unknown[] {
  return spans.map(({ status, attributes }) => [
    attributes['weir.upstream'],
    status,
    attributes['http.response.status_code'],
    attributes['error.type'],
  ])
}

describe('a traced call', () => {
  it("is a server span under the caller's, with a client span under it", async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start({ delayMs: 20 }))
    const weir = await traced(collector.url, { openai: new URL('/base', upstream.url) })
    const before = Date.now()
    const response = await fetch(`${weir.origin}/@clerk.run-7/openai/v1/chat/completions?key=1`, {
      method: 'POST',
      body: '{"model":"secret-model"}',
      headers: { traceparent: SAMPLED },
    })
    await response.text()
    const [[server], [client]] = await spansAfter(weir, collector)
    expect(server).toMatchObject({
      traceId: TRACE,
      parentSpanId: CALLER,
      name: 'POST /openai/v1/chat/completions',
      status: 0,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/openai/v1/chat/completions',
        'url.path': '/openai/v1/chat/completions',
        'url.scheme': 'http',
        'http.response.status_code': 200,
        'http.request.body.size': 24,
        'http.response.body.size': 11,
        'network.protocol.version': '1.1',
        'weir.call.id': response.headers.get('weir-call-id'),
        'weir.upstream': 'openai',
        'weir.agent': 'clerk',
        'weir.agent.trust': 'claimed',
        'weir.workflow': 'run-7',
        'weir.verdict': 'pass',
        'weir.outcome': 'passed',
        'weir.condition': 'healthy',
      },
    })
    expect(client).toMatchObject({
      traceId: TRACE,
      parentSpanId: server?.spanId,
      name: 'POST /base/v1/chat/completions',
      status: 0,
      attributes: {
        'http.request.method': 'POST',
        'url.full': `${upstream.url.origin}/base/v1/chat/completions`,
        'url.template': '/base/v1/chat/completions',
        'server.address': '127.0.0.1',
        'server.port': upstream.port,
        'http.response.status_code': 200,
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
      },
    })
    expect(client!.attributes['weir.first_byte_ms']).toBeGreaterThan(15)
    // 0x100 and 0x200 of OTLP: the parent is known to be remote, or known not to be.
    expect([server!.flags, client!.flags]).toEqual([0x301, 0x101])
    expect(server!.startMs).toBeGreaterThanOrEqual(before - 1)
    expect(server!.startMs).toBeLessThanOrEqual(client!.startMs)
    expect(client!.endMs - client!.startMs).toBeGreaterThan(15)
    expect(client!.endMs).toBe(server!.endMs)
    expect(server!.endMs).toBeLessThanOrEqual(Date.now() + 1)
    expect(collector.exports.find(({ path }) => path === '/v1/traces')).toMatchObject({
      headers: { 'x-token': 'collector-secret', 'content-type': 'application/json' },
    })
    expect(collector.resource).toMatchObject({ 'service.name': 'weir', 'telemetry.sdk.language': 'nodejs' })
    expect(collector.resource['service.instance.id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('reaches its upstream with the trace headers byte for byte as the client wrote them', async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start())
    const weir = await traced(collector.url, { up: upstream.url })
    const sent = [
      ['TraceParent', SAMPLED],
      ['tracestate', 'rojo=00f067aa0ba902b7'],
      ['tracestate', 'congo=t61rcWkgMzE'],
      ['baggage', 'userId=Am%C3%A9lie , server=DF28;p=1'],
    ]
    const ask = async (fields: string[][]): Promise<string[][]> => {
      const client = kept(await RawClient.open(weir.port))
      const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`)
      client.send(`GET /up/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines.join('')}\r\n`)
      await client.closed()
      const { rawHeaders } = upstream.seen.at(-1)!
      const pairs = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1]!]] : []))
      return pairs.filter(([name]) => /^(traceparent|tracestate|baggage)$/i.test(name!))
    }
    expect(await ask(sent)).toEqual(sent)
    expect(await ask([])).toEqual([])
    expect(await ask([['traceparent', 'nonsense']])).toEqual([['traceparent', 'nonsense']])
    const [servers] = await spansAfter(weir, collector)
    expect(servers.map(({ parentSpanId }) => parentSpanId ?? '')).toEqual([CALLER, '', ''])
    expect(collector.exports.map(({ text }) => text).join('')).not.toMatch(/rojo|congo|userId|DF28/)
  })

  it("follows the caller's decision, and the ratio where there is none", async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start())
    const weir = await traced(collector.url, { up: upstream.url }, { sampleRatio: 0 })
    const get = async (traceparent?: string): Promise<unknown> =>
      (
        await fetch(`${weir.origin}/up/x`, traceparent === undefined ? {} : { headers: { traceparent } })
      ).text()
    await get()
    await get(UNSAMPLED)
    await get(SAMPLED)
    const [servers] = await spansAfter(weir, collector)
    expect(servers.map(({ traceId }) => traceId)).toEqual([TRACE])
  })

  it('shows each retry of its client as a call of its own in the same trace', async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start({ status: 503 }, { status: 200 }))
    const weir = await traced(collector.url, { openai: upstream.url })
    for (const retry of ['0', '1']) {
      const headers = { traceparent: SAMPLED, 'x-stainless-retry-count': retry }
      await (await fetch(`${weir.origin}/openai/v1/embeddings`, { method: 'POST', headers })).text()
    }
    const [servers, clients] = await spansAfter(weir, collector)
    expect(servers.map(({ parentSpanId }) => parentSpanId)).toEqual([CALLER, CALLER])
    expect(servers.map(({ attributes }) => attributes['weir.attempt'])).toEqual([undefined, 2])
    expect(servers.map(({ status }) => status)).toEqual([ERROR, 0])
    expect(clients.map(({ attributes }) => attributes['error.type'])).toEqual(['503', undefined])
    expect(clients.map(({ attributes }) => attributes['http.request.resend_count'])).toEqual([undefined, 1])
    expect(clients[0]?.attributes['gen_ai.operation.name']).toBe('embeddings')
  })

  it('tells how long it was held, by which rule, and that a shed one never left', async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start({ delayMs: 60 }))
    const weir = await traced(collector.url, { up: upstream.url })
    const texts = ['held/a', 'held/b', 'watched/c'].map(async (path) =>
      (await fetch(`${weir.origin}/up/${path}`)).text(),
    )
    await Promise.all(texts)
    expect((await fetch(`${weir.origin}/up/later/x`)).status).toBe(429)
    const [servers, clients] = await spansAfter(weir, collector)
    const held = servers.find(({ attributes }) => attributes['weir.outcome'] === 'passed-after-hold')!
    expect(held.attributes).toMatchObject({
      'weir.verdict': 'hold',
      'weir.rule': 'rules/one-at-a-time',
    })
    expect(held.attributes['weir.held_ms']).toBeGreaterThan(30)
    const below = clients.find(({ parentSpanId }) => parentSpanId === held.spanId)!
    expect(below.startMs - held.startMs).toBeGreaterThan(30)
    const watched = servers.find(({ name }) => name.endsWith('/watched/c'))!
    expect(watched.attributes).toMatchObject({
      'weir.verdict': 'pass',
      'weir.shadow.verdict': 'shed',
      'weir.shadow.rule': 'rules/would-shed',
    })
    const shed = servers.at(-1)!
    expect(shed).toMatchObject({
      status: 0,
      attributes: {
        'weir.verdict': 'shed',
        'weir.reason': 'policy',
        'weir.rule': 'rules/later',
        'weir.outcome': 'shed',
        'http.response.status_code': 429,
      },
    })
    expect(clients).toHaveLength(3)
  })

  it('names no rule when the policies were replaced while it was open', async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start({ hang: true }, {}))
    const weir = await traced(collector.url, { up: upstream.url })
    const leaving = new AbortController()
    const first = fetch(`${weir.origin}/up/held/a`, { signal: leaving.signal }).catch(() => {})
    await eventually(() => upstream.seen.length === 1)
    const second = fetch(`${weir.origin}/up/held/b`)
    await eventually(() => weir.app.proxy.stats.held === 1)
    await writeFile(weir.policies, POLICY.replace('one-at-a-time', 'renamed'))
    await eventually(() => weir.lines.some((line) => line.includes('policies loaded')))
    leaving.abort()
    await Promise.all([first, second])
    const [servers] = await spansAfter(weir, collector)
    const held = servers.find(({ name }) => name.endsWith('/held/b'))!
    expect(held.attributes).toMatchObject({ 'weir.verdict': 'hold', 'weir.outcome': 'passed-after-hold' })
    expect(held.attributes).not.toHaveProperty('weir.rule')
  })

  it('lasts as long as its stream', async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start({ trickle: ['data: 1\n\n', 'data: 2\n\n'], gapMs: 30 }))
    const weir = await traced(collector.url, { anthropic: upstream.url })
    await (await fetch(`${weir.origin}/anthropic/v1/messages`, { method: 'POST', body: '{}' })).text()
    const [[server], [client]] = await spansAfter(weir, collector)
    expect(client!.endMs - client!.startMs).toBeGreaterThan(50)
    expect(client!.attributes['weir.first_byte_ms']).toBeLessThan(client!.endMs - client!.startMs - 20)
    expect(client!.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'anthropic',
    })
    expect(server!.attributes['http.response.body.size']).toBe(18)
    expect(server!.parentSpanId).toBeUndefined()
    expect(server!.traceId).toMatch(/^[0-9a-f]{32}$/)
  })

  it('that its client leaves is an error of nobody', async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start({ hang: true }))
    const weir = await traced(collector.url, { up: upstream.url })
    const leaving = new AbortController()
    const asked = fetch(`${weir.origin}/up/x`, { signal: leaving.signal })
    await eventually(() => upstream.seen.length === 1)
    leaving.abort()
    await expect(asked).rejects.toThrow(/abort/)
    const [[server], [client]] = await spansAfter(weir, collector)
    expect([server!.status, client!.status]).toEqual([0, 0])
    expect(server!.attributes['weir.outcome']).toBe('client-gone')
    expect(server!.attributes).not.toHaveProperty('http.response.status_code')
    expect(client!.attributes).not.toHaveProperty('error.type')
  })

  it('says why there was no whole answer: no connection, a reset, a body cut off', async () => {
    const collector = kept(await OtlpCollector.start())
    const gone = await HttpUpstream.start()
    const { url } = gone
    await gone.close()
    const reset = kept(await HttpUpstream.start({ reset: true }))
    const cut = kept(await HttpUpstream.start({ reset: true, after: 'half' }))
    const weir = await traced(collector.url, { gone: url, reset: reset.url, cut: cut.url })
    for (const name of ['gone', 'reset', 'cut']) {
      await fetch(`${weir.origin}/${name}/x`, { method: 'POST', body: 'b' })
        .then(async (response) => response.text())
        .catch(() => {})
    }
    const [servers, clients] = await spansAfter(weir, collector)
    expect(told(servers)).toEqual([
      ['gone', ERROR, 502, '502'],
      ['reset', ERROR, 502, '502'],
      ['cut', ERROR, 200, 'upstream_reset'],
    ])
    expect(told(clients)).toEqual([
      ['gone', ERROR, undefined, 'connect_failed'],
      ['reset', ERROR, undefined, 'upstream_reset'],
      ['cut', ERROR, 200, 'upstream_reset'],
    ])
  })

  it('that becomes a WebSocket ends with it', async () => {
    const collector = kept(await OtlpCollector.start())
    const server = createServer()
    const echo = new WebSocketServer({ server })
    echo.on('connection', (socket) => socket.on('message', (data) => socket.send(data as Buffer)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    kept({ close: () => void server.close() })
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const weir = await traced(collector.url, { up: url })
    const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/up/realtime`, {
      headers: { traceparent: SAMPLED },
    })
    await once(socket, 'open')
    socket.send('x'.repeat(100))
    await once(socket, 'message')
    await new Promise((resolve) => setTimeout(resolve, 30))
    socket.close(1000)
    await once(socket, 'close')
    const [[above], [below]] = await spansAfter(weir, collector)
    expect(above).toMatchObject({
      parentSpanId: CALLER,
      name: 'GET /up/realtime',
      status: 0,
      attributes: { 'http.response.status_code': 101, 'weir.outcome': 'passed' },
    })
    expect(above!.endMs - above!.startMs).toBeGreaterThan(25)
    expect(above!.attributes).not.toHaveProperty('http.request.body.size')
    expect(below).toMatchObject({
      parentSpanId: above!.spanId,
      attributes: { 'http.response.status_code': 101 },
    })
  })
})

describe('the metrics', () => {
  it('reach the collector on the interval, as the table says them', async () => {
    const collector = kept(await OtlpCollector.start())
    const upstream = kept(await HttpUpstream.start())
    const weir = await traced(collector.url, { up: upstream.url }, { traces: false })
    await (await fetch(`${weir.origin}/@clerk/up/x`)).text()
    await eventually(() => (collector.metrics.get('weir.calls')?.points.length ?? 0) > 0)
    const { metrics } = collector
    const passed = metrics
      .get('weir.calls')!
      .points.find(({ attributes }) => attributes['outcome'] === 'passed')
    expect(passed).toMatchObject({ asDouble: 1, attributes: { upstream: 'up', outcome: 'passed' } })
    expect(metrics.get('weir.calls')).toMatchObject({
      unit: '{call}',
      sum: { isMonotonic: true, aggregationTemporality: 2 },
    })
    const duration = metrics.get('weir.upstream_duration')!
    expect(duration.unit).toBe('s')
    const [point] = duration.points
    expect(point?.count).toBe(1)
    expect(point?.bucketCounts?.length).toBe(point!.explicitBounds!.length + 1)
    expect(point?.bucketCounts?.reduce((sum, count) => sum + count, 0)).toBe(1)
    expect(metrics.get('weir.agent_calls')?.points).toContainEqual(
      expect.objectContaining({ attributes: { agent: 'clerk' }, asDouble: 1 }),
    )
    // No limit, no point.
    expect(metrics.has('weir.limit')).toBe(false)
    expect(collector.spans).toEqual([])
  })
})

describe('a collector that is dead, slow or cross', () => {
  it('delays no call and no end, fills the log with one line, and is counted', async () => {
    const dead = await OtlpCollector.start()
    const { url } = dead
    await dead.close()
    const upstream = kept(await HttpUpstream.start())
    const weir = await traced(url, { up: upstream.url })
    for (let round = 0; round < 70; round += 1) await (await fetch(`${weir.origin}/up/x`)).text()
    const began = performance.now()
    await weir.app.stop()
    expect(performance.now() - began).toBeLessThan(3500)
    expect(weir.lines.filter((line) => line.includes('"kind":"otlp"'))).toHaveLength(1)
  })

  it('that never answers holds the end up for 2 s at most', async () => {
    const collector = kept(await OtlpCollector.start())
    collector.answer = () => {}
    const upstream = kept(await HttpUpstream.start())
    const weir = await traced(collector.url, { up: upstream.url })
    await (await fetch(`${weir.origin}/up/x`)).text()
    const began = performance.now()
    await weir.app.stop()
    const tookMs = performance.now() - began
    expect(tookMs).toBeGreaterThan(1900)
    expect(tookMs).toBeLessThan(3500)
    expect(weir.lines.filter((line) => line.includes('"kind":"otlp"'))).toHaveLength(1)
  })

  it('that refuses is told with its status alone, and its spans are counted as dropped', async () => {
    const collector = kept(await OtlpCollector.start())
    collector.answer = (response) => {
      response.statusCode = 401
      response.end('"the header was collector-secret"')
    }
    const upstream = kept(await HttpUpstream.start())
    const weir = await traced(collector.url, { up: upstream.url })
    await (await fetch(`${weir.origin}/up/x`)).text()
    await eventually(() => weir.lines.some((line) => line.includes('does not reach the collector')))
    const line = weir.lines.find((text) => text.includes('does not reach the collector'))!
    expect(JSON.parse(line)).toMatchObject({ kind: 'otlp', status: 401, level: 'warn' })
    await become(2, async () => metric(weir.operator, 'weir_otlp_dropped_total{reason="export-failed"}'))
    expect(await metric(weir.operator, 'weir_otlp_failed_exports_total{signal="traces"}')).toBe(1)
    await weir.app.stop()
    expect(weir.lines.join('')).not.toContain('collector-secret')
  })
})

it('never sends the collector what a caller sent: header, path, query, body or answer', async () => {
  const secret = 'sk-canary-7f3a9c2e51d84b06'
  const collector = kept(await OtlpCollector.start())
  const upstream = kept(
    await HttpUpstream.start({ headers: { 'x-secret': secret, 'set-cookie': secret }, body: secret }),
  )
  const weir = await traced(collector.url, { api: upstream.url })
  const fields = KNOWN_HEADERS.filter(
    ({ reads, name }) =>
      !['length', 'chunked', 'expect', 'upgrade', 'te'].includes(reads) &&
      name !== 'host' &&
      name !== 'connection',
  ).map(({ name, reads }) => {
    if (name === 'authorization') return `${name}: Bearer ${secret}\r\n`
    // A well formed name is meant to be shown; a secret is none.
    return `${name}: ${reads === 'nothing' ? secret : `{${secret}}`}\r\n`
  })
  const ask = async (target: string, more = ''): Promise<string> => {
    const client = kept(await RawClient.open(weir.port))
    const head = `POST ${target}?key=${secret}&${secret} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n`
    client.send(
      `${head}${fields.join('')}x-any: ${secret}\r\n${more}Content-Length: ${secret.length}\r\n\r\n${secret}`,
    )
    await client.closed()
    return client.text
  }
  expect(await ask(`/api/v1/users/${secret}/keys/${secret}:cancel`)).toMatch(/^HTTP\/1\.1 200 /)
  await ask(`/api/later/${secret}`)
  await ask(`/@${secret}%20/api/${secret}`)
  await eventually(() => collector.metrics.size > 0)
  const [servers, clients] = await spansAfter(weir, collector)
  expect([servers.length, clients.length]).toEqual([3, 2])
  expect(servers[0]?.name).toBe('POST /api/v1/users/*/keys/*:cancel')
  const everything = collector.exports.map(({ text }) => text.toLowerCase()).join('\n')
  const forms = [
    secret,
    secret.slice(3),
    Buffer.from(secret).toString('base64').slice(0, -2).toLowerCase(),
    Buffer.from(secret).toString('hex'),
  ]
  for (const form of forms) expect(everything).not.toContain(form)
})

it('sends nothing, and loads nothing, without an endpoint', async () => {
  const upstream = kept(await HttpUpstream.start())
  const config = loadConfig({
    env: { OTEL_SERVICE_NAME: 'somebody' },
    flags: { upstream: [`up=${upstream.url.href}`], listen: '127.0.0.1:0', operator: '127.0.0.1:0' },
  })
  expect(config.otlp).toBeUndefined()
})
