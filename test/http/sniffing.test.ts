/** One port for all protocols: what the first bytes decide, and what they may cost. */
import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import { expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy, type TestProxyOptions } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { tlsFiles } from '../kit/tls-files.ts'
import { TEST_CERT } from '../kit/tls-fixture.ts'

const HTTP2 = { streams: 100 }

async function everything(options: Partial<TestProxyOptions> & { plain?: boolean } = {}): Promise<TestProxy> {
  const upstream = kept(await HttpUpstream.start())
  const files = kept(await tlsFiles({ plain: options.plain ?? true }))
  const base = { upstreams: { api: upstream.url }, tls: files.options, http2: HTTP2 }
  return kept(await startProxy({ ...base, ...options }))
}

function https(port: number, path = '/api/x'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { port, host: 'localhost', path, ca: TEST_CERT, agent: false },
      (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => (body += text))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      },
    )
    request.on('error', reject)
    request.end()
  })
}

async function overHttp2(url: string): Promise<number> {
  const session = connectHttp2(url, { ca: TEST_CERT })
  kept({ close: () => session.destroy() })
  const stream = session.request({ ':path': '/api/x' })
  stream.resume()
  const [head] = (await once(stream, 'response')) as [{ ':status': number }]
  await once(stream, 'close')
  session.close()
  await once(session, 'close')
  return head[':status']
}

test('http, https, h2c and h2 are served on one port, and every connection ends in the counts', async () => {
  const proxy = await everything()
  const plain = kept(await RawClient.open(proxy.port))
  plain.send('GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect((await plain.response()).status).toBe(200)
  expect((await https(proxy.port)).status).toBe(200)
  expect(await overHttp2(`http://127.0.0.1:${proxy.port}`)).toBe(200)
  expect(await overHttp2(`https://localhost:${proxy.port}`)).toBe(200)
  expect(proxy.outcomes).toEqual(['passed', 'passed', 'passed', 'passed'])
  expect(proxy.proxy.stats.connectionsAccepted).toBe(4)
  await eventually(() => proxy.proxy.stats.connections === 0 && proxy.proxy.stats.http2Sessions === 0)
})

test('ws and wss reach the upstream through one port', async () => {
  const echo = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  kept({
    async close() {
      for (const socket of echo.clients) socket.terminate()
      await new Promise((resolve) => echo.close(resolve))
    },
  })
  echo.on('connection', (socket) => socket.on('message', (data) => socket.send(data as Buffer)))
  await once(echo, 'listening')
  const { port } = echo.address() as { port: number }
  const proxy = await everything({ upstreams: { api: new URL(`http://127.0.0.1:${port}`) } })
  for (const scheme of ['ws', 'wss']) {
    const socket = new WebSocket(`${scheme}://localhost:${proxy.port}/api/realtime`, { ca: TEST_CERT })
    kept({ close: () => socket.terminate() })
    await once(socket, 'open')
    for (const size of [1, 200_000]) {
      socket.send(Buffer.alloc(size, 'v'))
      const [answer] = (await once(socket, 'message')) as [Buffer]
      expect(answer.length).toBe(size)
    }
    socket.close(1000)
    await once(socket, 'close')
  }
  await eventually(() => proxy.proxy.stats.upgrades === 0 && proxy.proxy.stats.connections === 0)
  expect(proxy.outcomes).toEqual(['passed', 'passed'])
})

test('a drain says 1001 over wss too', async () => {
  const echo = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  kept({ close: () => echo.close() })
  await once(echo, 'listening')
  const { port } = echo.address() as { port: number }
  const proxy = await everything({ upstreams: { api: new URL(`http://127.0.0.1:${port}`) }, drainDelayMs: 0 })
  const socket = new WebSocket(`wss://localhost:${proxy.port}/api/realtime`, { ca: TEST_CERT })
  await once(socket, 'open')
  const closed = once(socket, 'close') as Promise<[number]>
  await proxy.proxy.drain()
  expect((await closed)[0]).toBe(1001)
})

test('a request that comes byte by byte, or in one piece with the next one behind it, is whole', async () => {
  const proxy = await everything()
  const slow = kept(await RawClient.open(proxy.port))
  slow.socket.setNoDelay(true)
  for (const byte of 'POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi') {
    slow.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect((await slow.response()).status).toBe(200)
  const piped = kept(await RawClient.open(proxy.port))
  const get = 'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n'
  piped.send(get + get)
  expect((await piped.response()).status).toBe(200)
  expect((await piped.response()).status).toBe(200)
})

test.each([
  ['bytes that are nothing', '\u0000\u0001\u0002\u0003\u0004'],
  ['a method that begins like the preface of HTTP/2', 'PRX / HTTP/1.1\r\n\r\n'],
  ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n'],
])('%s are answered 400 and closed', async (_what, bytes) => {
  const proxy = await everything()
  const client = kept(await RawClient.open(proxy.port))
  client.send(bytes)
  expect((await client.response()).status).toBe(400)
  await client.closed()
  await eventually(() => proxy.proxy.stats.connections === 0)
})

test('a preface that goes wrong after its beginning ends the connection, and nothing else', async () => {
  const proxy = await everything()
  const client = kept(await RawClient.open(proxy.port))
  client.send('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')
  await client.closed()
  await eventually(() => proxy.proxy.stats.http2Sessions === 0)
  expect((await https(proxy.port)).status).toBe(200)
})

test('a connection that says nothing, or not enough to tell, has as long as a head', async () => {
  const proxy = await everything({ limits: { headTimeoutMs: 120 } })
  const silent = kept(await RawClient.open(proxy.port))
  const hesitant = kept(await RawClient.open(proxy.port))
  hesitant.send('PR')
  expect((await silent.response()).status).toBe(408)
  expect((await hesitant.response()).status).toBe(408)
  await eventually(() => proxy.proxy.stats.connections === 0)
})

test('a connection that leaves before it has said anything leaves nothing behind', async () => {
  const proxy = await everything()
  for (const bytes of ['', 'P', '\u0016']) {
    const client = await RawClient.open(proxy.port)
    if (bytes !== '') client.send(bytes)
    client.socket.end()
    await client.closed()
  }
  await eventually(() => proxy.proxy.stats.connections === 0)
  expect(proxy.core.arrivals).toEqual([])
})

test('a port that speaks TLS alone says so to whoever speaks plainly', async () => {
  const proxy = await everything({ plain: false })
  const client = kept(await RawClient.open(proxy.port))
  client.send('GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n')
  const answer = await client.response()
  expect(answer.status).toBe(400)
  expect(answer.body.toString()).toContain('https://')
  await client.closed()
  const preface = kept(await RawClient.open(proxy.port))
  preface.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  await preface.closed()
  expect((await https(proxy.port)).status).toBe(200)
  expect(proxy.outcomes).toEqual(['passed'])
})

test('without TLS a ClientHello is told that it is no HTTP', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, http2: HTTP2 }))
  const socket = connectTls({ port: proxy.port, host: '127.0.0.1', rejectUnauthorized: false })
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toMatch(/^(ERR_SSL_.*|EPROTO|ECONNRESET)$/)
  await eventually(() => proxy.proxy.stats.connections === 0)
})

test('without HTTP/2 its preface is answered as before: 400', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  const client = kept(await RawClient.open(proxy.port))
  client.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  expect((await client.response()).status).toBe(400)
})

test('more connections than the limit are dropped whatever they would have spoken', async () => {
  const proxy = await everything({ limits: { connections: 2 } })
  const first = kept(await RawClient.open(proxy.port))
  const second = kept(await RawClient.open(proxy.port))
  await eventually(() => proxy.proxy.stats.connections === 2)
  const third = kept(await RawClient.open(proxy.port))
  await third.closed()
  expect(proxy.proxy.stats.connectionsDropped).toBe(1)
  first.close()
  second.close()
  await eventually(() => proxy.proxy.stats.connections === 0)
})
