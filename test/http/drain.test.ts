import { expect, test } from 'vitest'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'

const GET = 'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n'

test('a drain goes on accepting for a while, then finishes what is open and closes its connections', async () => {
  const upstream = kept(await HttpUpstream.start({ delayMs: 150 }))
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, drainDelayMs: 60, drainMs: 5000 }))
  const inFlight = kept(await RawClient.open(proxy.port))
  inFlight.send(GET)
  await eventually(() => upstream.seen.length === 1)
  const drained = proxy.proxy.drain()
  expect(proxy.proxy.isDraining).toBe(true)
  const late = kept(await RawClient.open(proxy.port))
  late.send(GET)
  expect((await inFlight.response()).headers.connection).toBe('close')
  expect((await late.response()).headers.connection).toBe('close')
  await inFlight.closed()
  await late.closed()
  await drained
  expect(proxy.core.drains.length).toBe(1)
  await expect(RawClient.open(proxy.port)).rejects.toThrow('ECONNREFUSED')
  expect(proxy.proxy.stats).toMatchObject({ connections: 0, openCalls: 0 })
})

test('connections that are idle are closed, and those that become idle as they do', async () => {
  const open = { finish(): void {} }
  const upstream = kept(
    await HttpUpstream.start({}, (_request, response) => {
      response.writeHead(200, { 'content-length': '4' })
      response.write('ab')
      open.finish = () => response.end('cd')
    }),
  )
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, drainDelayMs: 0 }))
  const idle = kept(await RawClient.open(proxy.port))
  idle.send(GET)
  await idle.response()
  // This one has its head, which promises keep-alive, before the drain begins.
  const streaming = kept(await RawClient.open(proxy.port))
  streaming.send(GET)
  await streaming.until((text) => text.endsWith('ab'))
  expect(streaming.text).toMatch(/connection: keep-alive/i)
  const drained = proxy.proxy.drain()
  await idle.closed()
  expect(streaming.isClosed).toBe(false)
  open.finish()
  await streaming.until((text) => text.endsWith('abcd'))
  await streaming.closed()
  await drained
})

test('what was not answered by the end of the drain is answered by Weir, and what has begun is cut', async () => {
  const upstream = kept(
    await HttpUpstream.start({ hang: true }, (_request, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('begun')
    }),
  )
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, drainDelayMs: 0, drainMs: 400 }))
  const waiting = kept(await RawClient.open(proxy.port))
  waiting.send(GET)
  await eventually(() => upstream.seen.length === 1)
  const reading = kept(await RawClient.open(proxy.port))
  reading.send(GET)
  await reading.until((text) => text.endsWith('begun'))
  const startedAt = performance.now()
  await proxy.proxy.drain()
  expect(performance.now() - startedAt).toBeLessThan(1000)
  await waiting.closed()
  expect(waiting.text).toMatch(/^HTTP\/1\.1 504 [^]*\r\nweir-problem: going_away\r\n/)
  await reading.closed()
  expect(reading.text).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nbegun$/)
  await eventually(() => proxy.proxy.stats.openCalls === 0)
  expect(proxy.core.open).toBe(0)
})

test('every held call has an answer before the drain ends', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, drainDelayMs: 0, drainMs: 600 }))
  proxy.core.verdictFor = () => ({ do: 'hold', reason: 'drift', until: performance.now() + 20_000 })
  const clients: RawClient[] = []
  for (let n = 0; n < 20; n++) {
    const client = kept(await RawClient.open(proxy.port))
    client.send(GET)
    clients.push(client)
  }
  await eventually(() => proxy.proxy.stats.held === 20)
  const drained = proxy.proxy.drain()
  for (const client of clients) {
    const { status, headers } = await client.response()
    expect([429, 503]).toContain(status)
    expect(headers['retry-after-ms']).toBeDefined()
  }
  await drained
  expect(proxy.proxy.stats).toMatchObject({ held: 0, openCalls: 0, connections: 0 })
})

test('close ends everything at once, and twice is no error', async () => {
  const upstream = kept(await HttpUpstream.start({ hang: true }))
  const proxy = await startProxy({ upstreams: { api: upstream.url } })
  const client = kept(await RawClient.open(proxy.port))
  client.send(GET)
  await eventually(() => upstream.seen.length === 1)
  await proxy.close()
  await client.closed()
  await proxy.close()
  await eventually(() => upstream.connections === 0)
  expect(proxy.proxy.stats).toMatchObject({ openCalls: 0, connections: 0 })
})

test('connections over the limit are closed at once, and the others are served', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, limits: { connections: 3 } }))
  const clients = []
  for (let n = 0; n < 3; n++) clients.push(kept(await RawClient.open(proxy.port)))
  await eventually(() => proxy.proxy.stats.connections === 3)
  const extra = kept(await RawClient.open(proxy.port))
  await extra.closed()
  for (const client of clients) {
    client.send(GET)
    expect((await client.response()).status).toBe(200)
  }
  expect(proxy.proxy.stats.connectionsDropped).toBe(1)
})
