import { expect, test } from 'vitest'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy, type TestProxyOptions } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

const GET = 'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n'
const SSE_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

async function inFrontOf(
  upstream: { url: URL },
  options: Partial<Omit<TestProxyOptions, 'upstreams'>> = {},
): Promise<{ proxy: TestProxy; client: RawClient }> {
  const proxy = kept(await startProxy({ ...options, upstreams: { api: upstream.url } }))
  return { proxy, client: kept(await RawClient.open(proxy.port)) }
}

test('the head of a stream is there before its first event, and each event before the next', async () => {
  const upstream = kept(await RawUpstream.start())
  const { client, proxy } = await inFrontOf(upstream)
  client.send(GET)
  const connection = await (await upstream.connection()).untilHead()
  connection.send(SSE_HEAD)
  await client.until((text) => text.includes('\r\n\r\n'))
  expect(client.text).not.toContain('data:')
  for (const event of ['data: one\n\n', 'data: two\n\n']) {
    connection.send(chunk(event))
    await client.until((text) => text.includes(event))
  }
  expect(proxy.proxy.stats.openCalls).toBe(1)
  connection.send('0\r\n\r\n')
  const answer = await client.response()
  expect(answer.body.toString()).toBe('data: one\n\ndata: two\n\n')
  expect(proxy.proxy.stats.openCalls).toBe(0)
})

test('the core hears of the chunks of an event stream, and of no others', async () => {
  const upstream = kept(
    await HttpUpstream.start(
      { trickle: ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n'], gapMs: 5 },
      { trickle: ['a', 'b', 'c'], gapMs: 5, headers: { 'content-type': 'text/plain' } },
    ),
  )
  const { client, proxy } = await inFrontOf(upstream)
  client.send(GET)
  await client.response()
  const chunks = proxy.core.marks.filter(({ kind }) => kind === 'chunk').length
  // Two that arrive in one read are one mark.
  expect(chunks).toBeGreaterThanOrEqual(1)
  expect(chunks).toBeLessThanOrEqual(3)
  expect(proxy.core.marks.find(({ kind }) => kind === 'head')).toMatchObject({ streaming: true })
  client.send(GET)
  await client.response()
  expect(proxy.core.marks.filter(({ kind }) => kind === 'chunk').length).toBe(chunks)
})

test('a GET that streams events is no sample of speed; a POST that streams its answer is', async () => {
  const upstream = kept(await HttpUpstream.start({ trickle: ['data: 1\n\n'], gapMs: 1 }))
  const { client, proxy } = await inFrontOf(upstream)
  client.send(GET)
  await client.response()
  client.send('POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx')
  await client.response()
  expect(proxy.core.settlements.map(({ kind }) => kind)).toEqual(['ignored', 'success'])
})

test('a client that reads slowly slows the upstream, and memory holds what one read brings', async () => {
  let sentBytes = 0
  const total = 64 * 1024 * 1024
  const upstream = kept(
    await HttpUpstream.start((_request, response) => {
      const piece = Buffer.alloc(64 * 1024, 'x')
      const more = (): void => {
        while (sentBytes < total) {
          sentBytes += piece.length
          if (!response.write(piece)) {
            response.once('drain', more)
            return
          }
        }
        response.end()
      }
      more()
    }),
  )
  const { client, proxy } = await inFrontOf(upstream)
  client.send(GET)
  await client.until((text) => text.includes('\r\n\r\n'))
  client.socket.pause()
  let before = -1
  // Settled: nothing moves any more although most of it is still to come.
  while (before !== sentBytes) {
    before = sentBytes
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  expect(sentBytes).toBeLessThan(total / 2)
  let readBytes = client.bytes.length
  client.socket.removeAllListeners('data')
  client.socket.on('data', (bytes: Buffer) => {
    readBytes += bytes.length
  })
  client.socket.resume()
  await eventually(() => readBytes > total && proxy.outcomes.length === 1, 15_000)
  expect(proxy.core.settlements).toMatchObject([{ kind: 'success', bytesOut: total }])
})

test('an upstream that reads slowly slows the upload', async () => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.pause()
    }),
  )
  const { client } = await inFrontOf(upstream)
  const total = 64 * 1024 * 1024
  client.send(`POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`)
  client.socket.write(Buffer.alloc(total))
  let before = -1
  while (before !== client.socket.bytesWritten - client.socket.writableLength) {
    before = client.socket.bytesWritten - client.socket.writableLength
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  // The write is one piece for Node: it is still not through.
  expect(client.socket.writableLength).toBeGreaterThan(0)
  const connection = await upstream.connection()
  connection.socket.removeAllListeners('data')
  let readBytes = connection.received.length
  connection.socket.on('data', (bytes: Buffer) => {
    readBytes += bytes.length
  })
  connection.socket.resume()
  await eventually(() => readBytes > total, 15_000)
  connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  expect((await client.response()).status).toBe(200)
})

test('trailers reach a client that asked for them, without those that would change the message', async () => {
  const upstream = kept(
    await RawUpstream.start(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\n' +
        'x-sum: 42\r\ntransfer-encoding: chunked\r\nset-cookie: a=b\r\n\r\n',
    ),
  )
  const { client } = await inFrontOf(upstream)
  client.send('GET /api/x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n')
  const asked = await client.response()
  expect(asked.headers.trailer).toBe('x-sum')
  expect(asked.trailers).toEqual(['x-sum: 42'])
  expect((await upstream.connection()).head).toContain('te: trailers')
  client.send(GET)
  const notAsked = await client.response()
  expect(notAsked.headers.trailer).toBeUndefined()
  expect(notAsked.trailers).toEqual([])
})

test('interim answers do not end the call, and 103 goes to nobody', async () => {
  const upstream = kept(
    await RawUpstream.start(
      'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n' +
        'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    ),
  )
  const { client } = await inFrontOf(upstream)
  client.send(GET)
  await client.until((text) => text.endsWith('ok'))
  expect(client.text).not.toContain('HTTP/1.1 103')
})
