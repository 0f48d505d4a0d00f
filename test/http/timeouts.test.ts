import { expect, test } from 'vitest'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy, type TestProxyOptions } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'
import type { UpstreamOptions } from '../../src/proxy/options.ts'

const GET = 'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n'

async function withLimits(
  upstream: RawUpstream,
  times: Partial<UpstreamOptions>,
  limits: TestProxyOptions['limits'] = {},
): Promise<{ proxy: TestProxy; client: RawClient }> {
  const proxy = kept(await startProxy({ upstreams: { api: { url: upstream.url, ...times } }, limits }))
  return { proxy, client: kept(await RawClient.open(proxy.port)) }
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

test('an upstream that never answers is a 504, its connection closed', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await withLimits(upstream, { firstByteTimeoutMs: 100 })
  const startedAt = performance.now()
  client.send(GET)
  const answer = await client.response()
  expect(answer).toMatchObject({ status: 504, headers: { 'weir-problem': 'first_byte_timeout' } })
  const tookMs = performance.now() - startedAt
  expect(tookMs).toBeGreaterThanOrEqual(99)
  expect(tookMs).toBeLessThan(400)
  await eventually(() => upstream.connections[0]?.socket.readableEnded === true)
  expect(proxy.core.settlements).toMatchObject([{ kind: 'failure', status: 0, answered: false }])
  expect(proxy.proxy.stats).toMatchObject({ openCalls: 0, firstByteTimeouts: 1 })
})

test('a stream with pauses shorter than the limit is not cut, one with a longer pause is', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await withLimits(upstream, { idleTimeoutMs: 150 })
  client.send(GET)
  const connection = await (await upstream.connection()).untilHead()
  connection.send('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n')
  for (let n = 0; n < 4; n++) {
    await sleep(80)
    connection.send(`data: ${n}\n\n`)
  }
  await client.until((text) => text.includes('data: 3'))
  expect(proxy.outcomes).toEqual([])
  await client.closed()
  expect(client.text).not.toContain('0\r\n\r\n')
  expect(proxy.outcomes).toEqual(['upstream-error'])
  expect(proxy.proxy.stats.idleTimeouts).toBe(1)
})

test('a client that does not read is cut, and its upstream with it', async () => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => {
        connection.send('HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n').send(Buffer.alloc(50_000_000))
      })
    }),
  )
  const { client, proxy } = await withLimits(upstream, {}, { slowReaderMs: 200 })
  client.socket.pause()
  client.send(GET)
  await eventually(() => proxy.outcomes.length === 1, 5000)
  expect(proxy.core.settlements).toMatchObject([{ kind: 'cancelled' }])
  expect(proxy.proxy.stats).toMatchObject({ openCalls: 0, slowReaders: 1 })
  await eventually(() => upstream.connections[0]?.isClosed === true)
})

test('an upload that stops is answered 408 and is not the failure of the upstream', async () => {
  const upstream = kept(await RawUpstream.start())
  for (const framing of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const { client, proxy } = await withLimits(upstream, {}, { bodyIdleMs: 100 })
    client.send(`POST /api/x HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n5\r\nhello\r\n`)
    const answer = await client.response()
    expect(answer).toMatchObject({ status: 408, headers: { 'weir-problem': 'request_timeout' } })
    await client.closed()
    expect(proxy.core.settlements).toMatchObject([{ kind: 'cancelled', answered: false }])
    expect(proxy.proxy.stats).toMatchObject({ openCalls: 0, bodyTimeouts: 1 })
  }
})

test('an upload that waits for a connection is not blamed for its silence', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await withLimits(
    upstream,
    { connections: 1, firstByteTimeoutMs: 250 },
    { bodyIdleMs: 60 },
  )
  client.send(GET)
  await (await upstream.connection()).untilHead()
  const waiting = kept(await RawClient.open(proxy.port))
  waiting
    .send('POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n')
    .send(Buffer.alloc(100_000))
  const answer = await waiting.response()
  expect(answer).toMatchObject({ status: 504, headers: { 'weir-problem': 'first_byte_timeout' } })
})

test('a steady upload may take longer than the limit between two reads', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client } = await withLimits(upstream, {}, { bodyIdleMs: 150 })
  client.send('POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (let n = 0; n < 5; n++) {
    client.send('5\r\nhello\r\n')
    await sleep(70)
  }
  client.send('0\r\n\r\n')
  const connection = await (await upstream.connection()).until(({ text }) => text.endsWith('0\r\n\r\n'))
  connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  expect((await client.response()).status).toBe(200)
})

test('a head that drips in is answered 408', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await withLimits(upstream, {}, { headTimeoutMs: 200 })
  client.send('GET /api/x HTTP/1.1\r\nHost: a\r\n')
  const answer = await client.response()
  expect(answer.status).toBe(408)
  await client.closed()
  expect(proxy.proxy.stats.refused).toEqual({ 408: 1 })
})

test('an upstream that cannot be reached in time is a 502', async () => {
  // TEST-NET-1 (RFC 5737) answers nothing; where it is refused at once the cause has another name.
  const proxy = kept(
    await startProxy({ upstreams: { api: { url: new URL('http://192.0.2.1:9'), connectTimeoutMs: 200 } } }),
  )
  const client = kept(await RawClient.open(proxy.port))
  client.send(GET)
  const answer = await client.response(4000)
  expect(answer.status).toBe(502)
  expect(answer.headers['weir-problem']).toMatch(/^connect_/)
})
