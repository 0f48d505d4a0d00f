import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy, type TestProxyOptions } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'
import type { UpstreamOptions } from '../../src/proxy/options.ts'

const HANDSHAKE =
  'GET /api/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

interface Echo {
  readonly url: URL
  readonly heads: IncomingMessage[]
  readonly closes: number[]
  close(): Promise<void>
}

/** A WebSocket server that sends everything back. */
async function startEcho(): Promise<Echo> {
  const server = createServer()
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
  })
  const heads: IncomingMessage[] = []
  const closes: number[] = []
  const echo = new WebSocketServer({ server, handleProtocols: (offered) => [...offered][0] ?? false })
  echo.on('connection', (socket, head) => {
    heads.push(head)
    socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }))
    socket.on('close', (code) => closes.push(code))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    heads,
    closes,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

async function inFrontOf(
  url: URL,
  upstream: Partial<UpstreamOptions> = {},
  options: Partial<Omit<TestProxyOptions, 'upstreams'>> = {},
): Promise<TestProxy> {
  return kept(await startProxy({ ...options, upstreams: { api: { url, ...upstream } } }))
}

async function opened(proxy: TestProxy): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/api/realtime?model=m`, ['realtime', 'key.k'])
  kept({ close: () => socket.terminate() })
  await once(socket, 'open')
  return socket
}

test('a WebSocket carries messages of any size both ways', async () => {
  const echo = kept(await startEcho())
  const proxy = await inFrontOf(echo.url)
  const socket = await opened(proxy)
  expect(socket.protocol).toBe('realtime')
  expect(echo.heads[0]?.url).toBe('/realtime?model=m')
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
    const message = Buffer.alloc(size, 'x')
    socket.send(message)
    const [answer] = (await once(socket, 'message')) as [Buffer]
    expect(answer.equals(message)).toBe(true)
  }
  expect(proxy.proxy.stats).toMatchObject({ upgrades: 1, openCalls: 1 })
  socket.close(1000)
  await once(socket, 'close')
  await eventually(() => proxy.proxy.stats.upgrades === 0 && proxy.proxy.stats.openCalls === 0)
  expect(echo.closes).toEqual([1000])
  expect(proxy.core.settlements).toMatchObject([{ kind: 'ignored', status: 101, answered: true }])
  expect(proxy.outcomes).toEqual(['passed'])
})

test('bytes that follow the handshake at once, on either side, are not lost', async () => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => {
        connection.send(
          'HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst',
        )
      })
    }),
  )
  const proxy = await inFrontOf(upstream.url)
  const client = kept(await RawClient.open(proxy.port))
  client.send(`${HANDSHAKE}early`)
  await client.until((text) => text.endsWith('\r\n\r\nfirst'))
  const connection = await (await upstream.connection()).until(({ text }) => text.includes('early'))
  expect(connection.text.endsWith('\r\n\r\nearly')).toBe(true)
})

test('one side that leaves takes the other with it', async () => {
  const echo = kept(await startEcho())
  const proxy = await inFrontOf(echo.url)
  const socket = await opened(proxy)
  socket.terminate()
  await eventually(() => echo.closes.length === 1)
  const other = await opened(proxy)
  await echo.close()
  await once(other, 'close')
  await eventually(() => proxy.proxy.stats.upgrades === 0 && proxy.core.open === 0)
  expect(proxy.outcomes).toEqual(['passed', 'passed'])
})

test('an upstream that refuses the upgrade is heard, status and body', async () => {
  const upstream = kept(await HttpUpstream.start({ status: 401, body: '{"error":"key"}' }))
  const proxy = await inFrontOf(upstream.url)
  const client = kept(await RawClient.open(proxy.port))
  client.send(HANDSHAKE)
  const answer = await client.response()
  expect(answer).toMatchObject({ status: 401, headers: { connection: 'close' } })
  expect(answer.body.toString()).toBe('{"error":"key"}')
  await client.closed()
  expect(proxy.core.settlements).toMatchObject([{ kind: 'ignored', status: 401, answered: true }])
  expect(proxy.proxy.stats).toMatchObject({ upgrades: 0, openCalls: 0 })
})

test.each([
  [
    'a 101 without Sec-WebSocket-Accept',
    'HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
  ['no HTTP', 'nonsense\r\n\r\n'],
])('%s is a bad gateway', async (_what, bytes) => {
  const upstream = kept(await RawUpstream.start(bytes))
  const proxy = await inFrontOf(upstream.url)
  const client = kept(await RawClient.open(proxy.port))
  client.send(HANDSHAKE)
  expect((await client.response()).status).toBe(502)
  await client.closed()
  expect(proxy.core.settlements).toMatchObject([{ kind: 'failure', answered: false }])
})

test('a shed upgrade is answered on its socket', async () => {
  const echo = kept(await startEcho())
  const proxy = await inFrontOf(echo.url)
  proxy.core.verdictFor = () => ({ do: 'shed', reason: 'saturated', slotAt: performance.now() + 2000 })
  const client = kept(await RawClient.open(proxy.port))
  client.send(HANDSHAKE)
  expect((await client.response()).status).toBe(429)
  await client.closed()
  expect(echo.heads).toEqual([])
})

test('a client that leaves before the upstream answers its upgrade cancels it', async () => {
  const upstream = kept(await RawUpstream.start())
  const proxy = await inFrontOf(upstream.url)
  const client = kept(await RawClient.open(proxy.port))
  client.send(HANDSHAKE)
  const connection = await (await upstream.connection()).untilHead()
  client.close()
  await eventually(() => connection.socket.readableEnded || connection.isClosed)
  await eventually(() => proxy.outcomes.length === 1)
  expect(proxy.outcomes).toEqual(['client-gone'])
  expect(proxy.core.open).toBe(0)
})

test('more upgrades than the limit are refused', async () => {
  const echo = kept(await startEcho())
  const proxy = await inFrontOf(echo.url, {}, { limits: { upgrades: 1 } })
  await opened(proxy)
  const client = kept(await RawClient.open(proxy.port))
  client.send(HANDSHAKE)
  expect(await client.response()).toMatchObject({
    status: 503,
    headers: { 'weir-problem': 'too_many_upgrades' },
  })
})

test('an upgraded connection that is silent for too long is closed', async () => {
  const echo = kept(await startEcho())
  const proxy = await inFrontOf(echo.url, {}, { limits: { upgradeIdleMs: 120 } })
  const socket = await opened(proxy)
  for (let n = 0; n < 3; n++) {
    await new Promise((resolve) => setTimeout(resolve, 70))
    socket.send('x')
    await once(socket, 'message')
  }
  await once(socket, 'close')
  await eventually(() => proxy.proxy.stats.upgrades === 0)
  expect(proxy.outcomes).toEqual(['passed'])
})

test('a drain says 1001 to both sides', async () => {
  const echo = kept(await startEcho())
  const proxy = await inFrontOf(echo.url, {}, { drainDelayMs: 0 })
  const socket = await opened(proxy)
  socket.send('x')
  await once(socket, 'message')
  const closed = once(socket, 'close') as Promise<[number]>
  await proxy.proxy.drain()
  expect((await closed)[0]).toBe(1001)
  await eventually(() => echo.closes.length === 1)
  expect(echo.closes).toEqual([1001])
})

test('an upstream that allows no WebSocket gets the handshake as the plain GET that is left of it', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream.url, { websocket: false })
  const client = kept(await RawClient.open(proxy.port))
  client.send(HANDSHAKE)
  expect((await client.response()).status).toBe(200)
  expect(upstream.seen[0]?.headers.upgrade).toBeUndefined()
})

test('an offer of h2c is dropped and the request goes on, its body included, as Java and curl send it', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream.url)
  const client = kept(await RawClient.open(proxy.port))
  const offer =
    'Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n'
  client.send(`GET /api/get HTTP/1.1\r\n${offer}\r\n`)
  expect((await client.response()).status).toBe(200)
  client.send(`POST /api/post HTTP/1.1\r\n${offer}Content-Length: 5\r\n\r\nhello`)
  expect((await client.response()).status).toBe(200)
  client.send(
    `POST /api/chunked HTTP/1.1\r\n${offer}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  )
  expect((await client.response()).status).toBe(200)
  expect(upstream.seen.map(({ body }) => body.toString())).toEqual(['', 'hello', 'hello'])
  for (const { headers } of upstream.seen) {
    expect(headers.upgrade).toBeUndefined()
    expect(headers['http2-settings']).toBeUndefined()
    expect(headers.connection).toBe('keep-alive')
  }
  expect(proxy.proxy.stats.connectionsAccepted).toBe(1)
})
