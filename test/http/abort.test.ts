import { request } from 'node:http'
import { expect, test } from 'vitest'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

const GET = 'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n'

async function inFrontOf(upstream: { url: URL }): Promise<{ proxy: TestProxy; client: RawClient }> {
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  return { proxy, client: kept(await RawClient.open(proxy.port)) }
}

/** Settled once, freed, and nobody is blamed. */
async function expectCancelled(proxy: TestProxy): Promise<void> {
  await eventually(() => proxy.outcomes.length === 1)
  expect(proxy.outcomes).toEqual(['client-gone'])
  expect(proxy.core.settlements).toMatchObject([{ kind: 'cancelled', answered: false }])
  expect(proxy.proxy.stats).toMatchObject({ openCalls: 0, clientGone: 1 })
}

test('a client that leaves while it waits for the head closes the upstream at once', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await inFrontOf(upstream)
  client.send(GET)
  const connection = await (await upstream.connection()).untilHead()
  const leftAt = performance.now()
  client.close()
  await eventually(() => connection.socket.readableEnded || connection.isClosed)
  expect(performance.now() - leftAt).toBeLessThan(100)
  await expectCancelled(proxy)
})

test('a client that leaves in the middle of a stream closes the upstream at once', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await inFrontOf(upstream)
  client.send(GET)
  const connection = await (await upstream.connection()).untilHead()
  connection.send('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n')
  await client.until((text) => text.includes('data: 1'))
  client.close()
  const leftAt = performance.now()
  await eventually(() => connection.socket.readableEnded || connection.isClosed)
  expect(performance.now() - leftAt).toBeLessThan(100)
  await expectCancelled(proxy)
})

test('a client that breaks off its upload leaves the upstream with a request that is visibly cut', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await inFrontOf(upstream)
  client.send('POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  const connection = await (await upstream.connection()).until(({ text }) => text.includes('hello'))
  client.close()
  await eventually(() => connection.socket.readableEnded || connection.isClosed)
  expect(connection.text).not.toContain('0\r\n\r\n')
  await expectCancelled(proxy)
})

test('a client that leaves while its small body is read costs the upstream nothing', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await inFrontOf(upstream)
  client.send('POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
  await eventually(() => proxy.proxy.stats.openCalls === 1)
  client.close()
  await expectCancelled(proxy)
  expect(upstream.connections).toEqual([])
})

test('clients that leave while they wait for a connection are never sent upstream', async () => {
  const upstream = kept(await HttpUpstream.start({ hang: true }))
  const proxy = kept(await startProxy({ upstreams: { api: { url: upstream.url, connections: 1 } } }))
  const clients = []
  for (let n = 0; n < 5; n++) {
    const client = kept(await RawClient.open(proxy.port))
    client.send(GET)
    clients.push(client)
  }
  await eventually(() => upstream.seen.length === 1 && proxy.proxy.stats.openCalls === 5)
  for (const client of clients) client.close()
  await eventually(() => proxy.proxy.stats.openCalls === 0)
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(upstream.seen.length).toBe(1)
  expect(proxy.core.open).toBe(0)
})

test('clients of held calls that leave free their places and send nothing', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  proxy.core.verdictFor = () => ({ do: 'hold', reason: 'drift', until: performance.now() + 20_000 })
  const clients = []
  for (let n = 0; n < 20; n++) {
    const client = kept(await RawClient.open(proxy.port))
    client
      .send('POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 262144\r\n\r\n')
      .send(Buffer.alloc(262_144))
    clients.push(client)
  }
  await eventually(() => proxy.proxy.stats.heldBytes === 20 * 262_144)
  for (const client of clients) client.close()
  await eventually(() => proxy.proxy.stats.held === 0 && proxy.proxy.stats.openCalls === 0)
  expect(proxy.proxy.stats.heldBytes).toBe(0)
  expect(proxy.core.open).toBe(0)
  expect(upstream.seen).toEqual([])
  expect(new Set(proxy.outcomes)).toEqual(new Set(['client-gone']))
})

test.each([
  ['chunked', 'transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'],
  ['with a length', 'content-length: 10\r\n\r\nhello'],
])('an answer %s that is reset half-way is an error at the client, never a clean end', async (_how, rest) => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => {
        connection.send(`HTTP/1.1 200 OK\r\n${rest}`)
        setTimeout(() => connection.reset(), 20)
      })
    }),
  )
  const { proxy } = await inFrontOf(upstream)
  const error = await new Promise<Error & { code?: string }>((resolve) => {
    request(`${proxy.origin}/api/x`, (response) => {
      response.resume().on('error', resolve)
    }).end()
  })
  expect(error.code).toBe('ECONNRESET')
  await eventually(() => proxy.outcomes.length === 1)
  expect(proxy.outcomes).toEqual(['upstream-error'])
  expect(proxy.core.settlements).toMatchObject([
    { kind: 'failure', status: 200, answered: false, bytesOut: 5 },
  ])
})

test('a HTTP/1.0 client, whose answer ends with its connection, sees a reset and not an end', async () => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => {
        connection.send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n')
        setTimeout(() => connection.reset(), 20)
      })
    }),
  )
  const { client } = await inFrontOf(upstream)
  client.send('GET /api/x HTTP/1.0\r\n\r\n')
  await client.closed()
  expect(client.error).toMatchObject({ code: 'ECONNRESET' })
})

test('an answer that is shorter than its length is an error at the client', async () => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => {
        connection.send('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort')
        connection.socket.end()
      })
    }),
  )
  const { client, proxy } = await inFrontOf(upstream)
  client.send(GET)
  await client.closed()
  expect(client.text).toContain('content-length: 10')
  expect(client.text.endsWith('short')).toBe(true)
  expect(proxy.core.settlements).toMatchObject([{ kind: 'failure', answered: false }])
})

test('a chunk that is no chunk, in the middle of an upload, is the fault of the client', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await inFrontOf(upstream)
  client.send('POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  const connection = await (await upstream.connection()).until(({ text }) => text.includes('hello'))
  client.send('zz\r\nnot a chunk\r\n')
  const answer = await client.response()
  expect(answer.status).toBe(400)
  await client.closed()
  await eventually(() => connection.socket.readableEnded || connection.isClosed)
  expect(connection.text).not.toContain('0\r\n\r\n')
  expect(proxy.core.settlements).toMatchObject([{ kind: 'cancelled', answered: false }])
})
