/** HTTP/2 from agents: each stream is a call like any other, and no connection costs more than its bounds. */
import { once } from 'node:events'
import { createHash, randomBytes } from 'node:crypto'
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { describe, expect, test } from 'vitest'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { END_HEADERS, END_STREAM, FRAME, block, frame, framesIn, get, PREFACE } from '../kit/http2-frames.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy, type TestProxyOptions } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

async function inFrontOf(url: URL, options: Partial<TestProxyOptions> = {}): Promise<TestProxy> {
  return kept(await startProxy({ upstreams: { api: url }, http2: { streams: 100 }, ...options }))
}

function open(proxy: TestProxy): ClientHttp2Session {
  const session = connect(proxy.origin)
  session.on('error', () => {})
  kept({ close: () => session.destroy() })
  return session
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders | undefined
  readonly body: Buffer
  /** Code of the reset; 0 = a clean end. */
  readonly code: number
}

async function ended(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders | undefined
  const chunks: Buffer[] = []
  stream.on('response', (head) => (headers = head))
  stream.on('trailers', (fields) => (trailers = fields))
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', () => {})
  await new Promise((resolve) => stream.once('close', resolve))
  const status = Number(headers[':status'] ?? 0)
  return { status, headers, trailers, body: Buffer.concat(chunks), code: stream.rstCode ?? 0 }
}

async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return ended(stream)
}

describe('a call', () => {
  test('reaches the upstream as HTTP/1.1 with its own fields and nothing of the connection', async () => {
    const upstream = kept(await HttpUpstream.start({ headers: { 'x-answer': 'yes' }, body: 'hello' }))
    const proxy = await inFrontOf(upstream.url)
    const headers = { ':path': '/api/v1?q=1', ':method': 'POST', 'x-agent-id': 'kyc', 'X-Mixed': 'a' }
    const cookie = ['a=1', 'b=2']
    const answer = await ask(open(proxy), { ...headers, cookie }, 'body')
    expect(answer).toMatchObject({ status: 200, code: 0 })
    expect(answer.headers['x-answer']).toBe('yes')
    expect(answer.headers['weir-call-id']).toBeDefined()
    expect(answer.headers.connection).toBeUndefined()
    expect(answer.body.toString()).toBe('hello')
    const [seen] = upstream.seen
    expect(seen).toMatchObject({ method: 'POST', url: '/v1?q=1' })
    expect(seen?.body.toString()).toBe('body')
    expect(seen?.headers).toMatchObject({ host: upstream.url.host, 'x-mixed': 'a', cookie: 'a=1; b=2' })
    expect(proxy.core.arrivals[0]).toMatchObject({ agent: 'kyc', method: 'POST', path: '/v1' })
    expect(proxy.core.settlements).toMatchObject([{ status: 200, answered: true, bytesIn: 4, bytesOut: 5 }])
    expect(proxy.outcomes).toEqual(['passed'])
    await eventually(() => proxy.proxy.stats.openCalls === 0)
  })

  test('of any size keeps its bytes both ways, with and without an announced length', async () => {
    const upstream = kept(
      await HttpUpstream.start((request, response) => {
        response.writeHead(200, { 'content-type': 'application/octet-stream' })
        request.pipe(response)
      }),
    )
    const proxy = await inFrontOf(upstream.url)
    const session = open(proxy)
    for (const size of [0, 1, 70_000, 2_000_000]) {
      const body = randomBytes(size)
      for (const length of [{}, { 'content-length': String(size) }]) {
        const answer = await ask(session, { ':path': '/api/echo', ':method': 'POST', ...length }, body)
        expect(answer.code).toBe(0)
        expect(hash(answer.body)).toBe(hash(body))
      }
    }
    expect(proxy.proxy.stats.connectionsAccepted).toBe(1)
  })

  test('keeps repeated fields of the answer apart', async () => {
    const upstream = kept(
      await HttpUpstream.start((_request, response) => {
        response.writeHead(200, ['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-n', '1', 'x-n', '2'])
        response.end()
      }),
    )
    const { headers } = await ask(open(await inFrontOf(upstream.url)), { ':path': '/api/x' })
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(headers['x-n']).toBe('1, 2')
  })

  test.each([204, 304])('with the answer %i has no body', async (status) => {
    const upstream = kept(await HttpUpstream.start({ status, body: '' }))
    const answer = await ask(open(await inFrontOf(upstream.url)), { ':path': '/api/x' })
    expect(answer).toMatchObject({ status, code: 0, body: Buffer.alloc(0) })
  })

  test('of HEAD keeps the length of what is not sent', async () => {
    const upstream = kept(await HttpUpstream.start({ headers: { 'content-length': '11' }, body: '' }))
    const session = open(await inFrontOf(upstream.url))
    const answer = await ask(session, { ':path': '/api/x', ':method': 'HEAD' })
    expect(answer).toMatchObject({ status: 200, code: 0 })
    expect(answer.headers['content-length']).toBe('11')
  })

  test('with `te: trailers` gets the trailers of the upstream, and without it none', async () => {
    const upstream = kept(
      await HttpUpstream.start((_request, response) => {
        response.writeHead(200, { trailer: 'x-sum' })
        response.write('abc')
        response.addTrailers({ 'x-sum': '3', 'content-type': 'text/evil' })
        response.end()
      }),
    )
    const session = open(await inFrontOf(upstream.url))
    const asked = await ask(session, { ':path': '/api/x', te: 'trailers' })
    expect(asked.body.toString()).toBe('abc')
    expect(Object.keys(asked.trailers ?? {})).toEqual(['x-sum'])
    const other = await ask(session, { ':path': '/api/x' })
    expect(other).toMatchObject({ code: 0, trailers: undefined })
  })

  test('that expects 100 gets it before it sends its body', async () => {
    const upstream = kept(await HttpUpstream.start())
    const session = open(await inFrontOf(upstream.url))
    const stream = session.request({ ':path': '/api/x', ':method': 'POST', expect: '100-continue' })
    await once(stream, 'continue')
    stream.end('now')
    expect((await ended(stream)).status).toBe(200)
    expect(upstream.seen[0]?.body.toString()).toBe('now')
  })

  test('streams its answer as it comes', async () => {
    const upstream = kept(await HttpUpstream.start({ trickle: ['data: a\n\n', 'data: b\n\n'], gapMs: 60 }))
    const stream = open(await inFrontOf(upstream.url)).request({ ':path': '/api/x' })
    const [first] = (await once(stream, 'data')) as [Buffer]
    expect(first.toString()).toBe('data: a\n\n')
    const rest = await ended(stream)
    expect(rest.body.toString()).toBe('data: b\n\n')
  })

  test('waits for its slot as any other, while calls beside it pass', async () => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    proxy.core.verdictFor = ({ path }) =>
      path === '/held' ? { do: 'hold', reason: 'saturated', until: performance.now() + 5000 } : {}
    const session = open(proxy)
    const held = ask(session, { ':path': '/api/held', ':method': 'POST' }, randomBytes(100_000))
    await eventually(() => proxy.proxy.stats.heldBytes === 100_000)
    expect((await ask(session, { ':path': '/api/free' })).status).toBe(200)
    expect(upstream.seen.length).toBe(1)
    const call = proxy.proxy.stats.held
    expect(call).toBe(1)
    proxy.core.due.push({ do: 'release', call: 0, upstream: 0, reason: 'under-limit' })
    proxy.proxy.look()
    expect((await held).status).toBe(200)
    expect(upstream.seen[1]?.body.length).toBe(100_000)
    expect(proxy.outcomes).toEqual(['passed', 'passed-after-hold'])
  })

  test('that is shed gets its slot', async () => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    proxy.core.verdictFor = () => ({ do: 'shed', reason: 'saturated', slotAt: performance.now() + 2500 })
    const answer = await ask(open(proxy), { ':path': '/api/x', ':method': 'POST' }, 'x')
    expect(answer).toMatchObject({ status: 429, code: 0 })
    // A client without a name is undici, which reads whole seconds: it comes early, and is held for the rest.
    expect(answer.headers['retry-after']).toBe('2')
    expect(Number(answer.headers['retry-after-ms'])).toBeGreaterThan(2000)
    expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'upstream_saturated' })
    expect(upstream.seen).toEqual([])
  })

  test('`OPTIONS *` is answered by Weir', async () => {
    const upstream = kept(await HttpUpstream.start())
    const session = open(await inFrontOf(upstream.url))
    expect((await ask(session, { ':path': '*', ':method': 'OPTIONS' })).status).toBe(200)
  })
})

describe('an end before the end', () => {
  test('a client that resets its stream leaves the upstream, and goes on with others', async () => {
    const upstream = kept(await HttpUpstream.start({ hang: true }, {}))
    const proxy = await inFrontOf(upstream.url)
    const session = open(proxy)
    const stream = session.request({ ':path': '/api/x', ':method': 'POST' })
    stream.end('question')
    await eventually(() => upstream.seen.length === 1)
    stream.on('error', () => {})
    stream.close(constants.NGHTTP2_CANCEL)
    await eventually(() => upstream.seen[0]?.aborted === true)
    await eventually(() => proxy.outcomes.length === 1)
    expect(proxy.outcomes).toEqual(['client-gone'])
    expect((await ask(session, { ':path': '/api/y' })).status).toBe(200)
    expect(proxy.core.open).toBe(0)
  })

  test('a body that is cut by a reset is never a whole one for the upstream', async () => {
    const upstream = kept(await RawUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    // By hand: Node's own client ends the body before it resets the stream.
    const client = await raw(proxy)
    client.send(frame(FRAME.headers, END_HEADERS, 1, post))
    for (let n = 0; n < 4; n++) client.send(frame(FRAME.data, 0, 1, Buffer.alloc(16_000, 'x')))
    const connection = await upstream.connection()
    await connection.until(({ text }) => text.includes('x'.repeat(1000)))
    client.send(frame(FRAME.rstStream, 0, 1, CANCEL))
    await connection.until(({ isClosed, socket }) => isClosed || socket.readableEnded)
    expect(connection.text.endsWith('0\r\n\r\n')).toBe(false)
    await eventually(() => proxy.outcomes.length === 1 && proxy.core.open === 0)
    expect(proxy.outcomes).toEqual(['client-gone'])
  })

  test('a client whose connection breaks takes all of its calls with it', async () => {
    const upstream = kept(await HttpUpstream.start({ hang: true }))
    const proxy = await inFrontOf(upstream.url)
    const session = open(proxy)
    for (let n = 0; n < 10; n++) session.request({ ':path': `/api/${n}` }).on('error', () => {})
    await eventually(() => upstream.seen.length === 10)
    session.destroy()
    await eventually(() => upstream.seen.every(({ aborted }) => aborted))
    await eventually(() => proxy.outcomes.length === 10 && proxy.proxy.stats.connections === 0)
    expect(proxy.core.open).toBe(0)
    expect(proxy.proxy.stats).toMatchObject({ openCalls: 0, http2Sessions: 0 })
  })

  test('an upstream that breaks in the middle of its answer is a reset, not an end', async () => {
    const upstream = kept(await HttpUpstream.start({ reset: true, after: 'half' }, {}))
    const proxy = await inFrontOf(upstream.url)
    const session = open(proxy)
    const answer = await ask(session, { ':path': '/api/x' })
    expect(answer).toMatchObject({ status: 200, code: constants.NGHTTP2_INTERNAL_ERROR })
    expect(answer.body.toString()).toBe('half')
    expect((await ask(session, { ':path': '/api/y' })).code).toBe(0)
  })

  test('an answer that overtakes its request is whole, and the rest of the request is not wanted', async () => {
    const upstream = kept(
      await HttpUpstream.start((_request, response) => {
        response.writeHead(413, { 'content-type': 'text/plain' })
        response.end('too much')
      }),
    )
    const proxy = await inFrontOf(upstream.url)
    const stream = open(proxy).request({ ':path': '/api/x', ':method': 'POST' })
    stream.write('x'.repeat(1000))
    const answer = await ended(stream)
    expect(answer).toMatchObject({ status: 413, code: constants.NGHTTP2_NO_ERROR })
    expect(answer.body.toString()).toBe('too much')
    await eventually(() => proxy.core.open === 0 && proxy.proxy.stats.openCalls === 0)
  })

  test('a body that stops is 408', async () => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url, { limits: { bodyIdleMs: 100 } })
    const stream = open(proxy).request({ ':path': '/api/x', ':method': 'POST', 'content-length': '10' })
    stream.write('part')
    expect((await ended(stream)).status).toBe(408)
    expect(upstream.seen).toEqual([])
  })

  test('a client that reads nothing stops the upstream, and is cut in time', async () => {
    let written = 0
    const upstream = kept(
      await HttpUpstream.start((_request, response) => {
        response.writeHead(200)
        const more = (): void => {
          while (!response.destroyed && written < 64_000_000) {
            written += 65_536
            if (!response.write(Buffer.alloc(65_536))) break
          }
        }
        response.on('drain', more)
        more()
      }),
    )
    const proxy = await inFrontOf(upstream.url, { limits: { slowReaderMs: 250 } })
    const stream = open(proxy).request({ ':path': '/api/x' })
    stream.on('error', () => {})
    const closed = new Promise((resolve) => stream.once('close', resolve))
    await once(stream, 'response')
    await eventually(() => proxy.proxy.stats.slowReaders === 1)
    // What fits into the buffers of two connections, and no more.
    expect(written).toBeLessThan(16_000_000)
    stream.resume()
    await closed
    expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    await eventually(() => proxy.core.open === 0)
  })
})

describe('what HTTP/2 leaves open', () => {
  test.each([
    ['CONNECT', { ':method': 'CONNECT', ':authority': 'evil.test:80' }, 405],
    ['TRACE', { ':method': 'TRACE', ':path': '/api/x' }, 405],
    ['a path with dot segments', { ':path': '/api/../x' }, 400],
    ['an unknown upstream', { ':path': '/nobody/x' }, 404],
    ['two hosts', { ':path': '/api/x', ':authority': 'a.test', host: 'b.test' }, 400],
    ['a host that is none', { ':path': '/api/x', ':authority': 'a.test:999999' }, 400],
    ['a target that is too long', { ':path': `/api/${'x'.repeat(9000)}` }, 414],
  ])('%s is refused', async (_what, headers, status) => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    const session = open(proxy)
    const answer = await ask(session, headers)
    expect(answer.status).toBe(status)
    expect(answer.headers['weir-source']).toBe('proxy')
    expect(upstream.seen).toEqual([])
    expect(proxy.proxy.stats.refused).toEqual({ [status]: 1 })
    expect((await ask(session, { ':path': '/api/x' })).status).toBe(200)
  })

  test('the same host in both fields is one host', async () => {
    const upstream = kept(await HttpUpstream.start())
    const session = open(await inFrontOf(upstream.url))
    const headers = { ':path': '/api/x', ':authority': 'Weir.test', host: 'weir.TEST' }
    expect((await ask(session, headers)).status).toBe(200)
  })

  test.each([
    ['a field of a connection', [['connection', 'x-secret']]],
    ['transfer-encoding', [['transfer-encoding', 'chunked']]],
    ['an upper-case name', [['X-Upper', '1']]],
    [
      'a pseudo-field behind others',
      [
        ['a', 'b'],
        [':path', '/api/other'],
      ],
    ],
    ['an unknown pseudo-field', [[':evil', '1']]],
    ['another te than trailers', [['te', 'gzip']]],
  ] as const)('%s resets the stream and reaches nobody', async (_what, fields) => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    const client = await raw(proxy)
    const head = get('/api/x', fields)
    client.send(frame(FRAME.headers, END_STREAM | END_HEADERS, 1, head))
    await untilFrame(client, ({ type, stream }) => type === FRAME.rstStream && stream === 1)
    expect(upstream.seen).toEqual([])
    expect(proxy.core.arrivals).toEqual([])
  })

  test.each(['a\r\nhost: b', 'a\0b', 'a\nb'])(
    'a value with a control character goes no further: %j',
    async (value) => {
      const upstream = kept(await HttpUpstream.start())
      const proxy = await inFrontOf(upstream.url)
      const client = await raw(proxy)
      client.send(frame(FRAME.headers, END_STREAM | END_HEADERS, 1, get('/api/x', [['x-evil', value]])))
      // nghttp2 drops the field, or resets the stream: both are safe.
      await untilFrame(client, ({ type }) => type === FRAME.rstStream || type === FRAME.headers)
      for (const { headers } of upstream.seen) {
        expect(headers['x-evil']).toBeUndefined()
        expect(headers.host).toBe(upstream.url.host)
      }
    },
  )

  test('a length that the body does not have is no request', async () => {
    const upstream = kept(await RawUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    const client = await raw(proxy)
    client.send(frame(FRAME.headers, END_HEADERS, 1, Buffer.concat([post, block([['content-length', '3']])])))
    client.send(frame(FRAME.data, END_STREAM, 1, Buffer.from('12345')))
    await untilFrame(client, ({ type }) => type === FRAME.rstStream || type === FRAME.goaway)
    await eventually(() => proxy.core.open === 0 && proxy.proxy.stats.openCalls === 0)
    expect(proxy.outcomes).not.toContain('passed')
  })

  test('more fields than the limit are 431, as on HTTP/1.1', async () => {
    const upstream = kept(await HttpUpstream.start())
    const session = open(await inFrontOf(upstream.url, { limits: { headerCount: 20 } }))
    const headers: OutgoingHttpHeaders = { ':path': '/api/x' }
    for (let n = 0; n < 25; n++) headers[`x-${n}`] = 'v'
    expect((await ask(session, headers)).status).toBe(431)
    for (let n = 0; n < 100; n++) headers[`y-${n}`] = 'v'
    expect(await ask(session, headers)).toMatchObject({ code: constants.NGHTTP2_ENHANCE_YOUR_CALM })
    expect((await ask(session, { ':path': '/api/x' })).status).toBe(200)
  })
})

describe('a connection', () => {
  test('carries no more streams at once than it is told', async () => {
    const upstream = kept(await HttpUpstream.start({ hang: true }))
    const proxy = await inFrontOf(upstream.url, { http2: { streams: 3 } })
    const client = await raw(proxy)
    const settings = await untilFrame(client, ({ type, flags }) => type === FRAME.settings && flags === 0)
    expect(settings.payload.includes(Buffer.from([0, 3, 0, 0, 0, 3]))).toBe(true)
    for (const id of [1, 3, 5, 7])
      client.send(frame(FRAME.headers, END_STREAM | END_HEADERS, id, get('/api/x')))
    const reset = await untilFrame(client, ({ type }) => type === FRAME.rstStream)
    expect(reset).toMatchObject({ stream: 7 })
    await eventually(() => upstream.seen.length === 3)
    client.close()
    await eventually(() => proxy.core.open === 0)
  })

  test('that opens and resets streams in a flood is ended, and others go on (CVE-2023-44487)', async () => {
    const upstream = kept(await HttpUpstream.start({ delayMs: 5 }))
    const proxy = await inFrontOf(upstream.url)
    const honest = open(proxy)
    expect((await ask(honest, { ':path': '/api/x' })).status).toBe(200)
    const client = await raw(proxy)
    const head = get('/api/x')
    const pieces: Buffer[] = []
    for (let id = 1; id < 4000; id += 2) {
      pieces.push(
        frame(FRAME.headers, END_STREAM | END_HEADERS, id, head),
        frame(FRAME.rstStream, 0, id, CANCEL),
      )
    }
    client.send(Buffer.concat(pieces))
    await client.closed()
    expect(framesIn(client.bytes).some(({ type }) => type === FRAME.goaway)).toBe(true)
    expect((await ask(honest, { ':path': '/api/x' })).status).toBe(200)
    await eventually(() => proxy.proxy.stats.openCalls === 0 && proxy.core.open === 0)
    expect(upstream.seen.length).toBeLessThan(1200)
  })

  test('may give up on every call that it has open, again and again', async () => {
    const upstream = kept(await HttpUpstream.start({ hang: true }))
    const proxy = await inFrontOf(upstream.url)
    const session = open(proxy)
    for (let round = 1; round <= 3; round++) {
      const streams = Array.from({ length: 50 }, () => session.request({ ':path': '/api/x' }))
      for (const stream of streams) stream.on('error', () => {})
      await eventually(() => upstream.seen.length === round * 50)
      for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL)
      await eventually(() => proxy.core.open === 0)
    }
    expect(session.destroyed).toBe(false)
    expect(proxy.proxy.stats.http2Floods).toBe(0)
  })

  test.each([
    [
      'CONTINUATION',
      () => [
        frame(FRAME.headers, END_STREAM, 1, get('/api/x')),
        ...Array.from({ length: 2000 }, () => frame(FRAME.continuation, 0, 1, block([['x-a', 'b']]))),
      ],
    ],
    [
      'one head of 4 MB',
      () => [
        frame(FRAME.headers, END_STREAM, 1, get('/api/x')),
        ...Array.from({ length: 256 }, () =>
          frame(FRAME.continuation, 0, 1, block([['x-a', 'b'.repeat(16_000)]])),
        ),
      ],
    ],
    ['SETTINGS', () => Array.from({ length: 20_000 }, () => frame(FRAME.settings, 0, 0))],
    ['PING', () => Array.from({ length: 20_000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)))],
    [
      'empty frames',
      () => [
        frame(FRAME.headers, END_HEADERS, 1, get('/api/x')),
        ...Array.from({ length: 20_000 }, () => frame(FRAME.data, 0, 1)),
      ],
    ],
  ])('that floods with %s costs nobody else anything', async (_what, frames) => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url, { limits: { headTimeoutMs: 1000, bodyIdleMs: 300 } })
    const client = await raw(proxy)
    client.socket.pause()
    client.send(Buffer.concat(frames()))
    const begin = performance.now()
    expect((await ask(open(proxy), { ':path': '/api/x' })).status).toBe(200)
    expect(performance.now() - begin).toBeLessThan(2000)
    client.close()
    await eventually(() => proxy.proxy.stats.connections <= 1 && proxy.core.open === 0)
  })

  test('that says nothing after its preface has as long as a head', async () => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url, { limits: { headTimeoutMs: 100 } })
    const client = kept(await RawClient.open(proxy.port))
    client.send(PREFACE)
    await client.closed()
    await eventually(() => proxy.proxy.stats.http2Sessions === 0 && proxy.proxy.stats.connections === 0)
    expect(proxy.core.arrivals).toEqual([])
  })

  test('that is idle is closed, and one with a call is not', async () => {
    const upstream = kept(await HttpUpstream.start({ delayMs: 300, body: 'late' }))
    const proxy = await inFrontOf(upstream.url, { limits: { keepAliveMs: 80 } })
    const idle = open(proxy)
    const busy = open(proxy)
    const answer = ask(busy, { ':path': '/api/x' })
    await once(idle, 'close')
    expect((await answer).body.toString()).toBe('late')
    await once(busy, 'close')
    await eventually(() => proxy.proxy.stats.connections === 0)
  })

  test('is told to go when Weir drains, and its open calls are answered', async () => {
    const upstream = kept(await HttpUpstream.start({ delayMs: 150, body: 'late' }))
    const proxy = await inFrontOf(upstream.url, { drainDelayMs: 40, drainMs: 3000 })
    const session = open(proxy)
    const told = once(session, 'goaway')
    const before = ask(session, { ':path': '/api/x' })
    await eventually(() => upstream.seen.length === 1)
    const drained = proxy.proxy.drain()
    await told
    expect((await before).body.toString()).toBe('late')
    await drained
    expect(proxy.proxy.stats).toMatchObject({ connections: 0, openCalls: 0, http2Sessions: 0 })
    expect(proxy.outcomes).toEqual(['passed'])
  })
})

describe('gRPC', () => {
  const call = {
    ':path': '/api/pkg.Service/Method',
    ':method': 'POST',
    'content-type': 'application/grpc',
    te: 'trailers',
  }

  test('hears of a refusal in its own terms, with the time to come back', async () => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    proxy.core.verdictFor = () => ({ do: 'shed', reason: 'storm', slotAt: performance.now() + 2500 })
    const answer = await ask(open(proxy), call, Buffer.alloc(5))
    expect(answer).toMatchObject({ status: 200, code: 0, body: Buffer.alloc(0) })
    expect(answer.headers).toMatchObject({
      'content-type': 'application/grpc',
      'grpc-status': '14',
      'weir-reason': 'storm',
    })
    expect(answer.headers['grpc-message']).toContain('Many agents retry at once')
    expect(Number(answer.headers['grpc-retry-pushback-ms'])).toBeGreaterThan(2000)
  })

  test('to an upstream of HTTP/1.1 is UNIMPLEMENTED, with the reason', async () => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    const answer = await ask(open(proxy), call, Buffer.alloc(5))
    expect(answer).toMatchObject({ status: 200, code: 0 })
    expect(answer.headers).toMatchObject({ 'grpc-status': '12', 'weir-problem': 'grpc_not_forwarded' })
    expect(upstream.seen).toEqual([])
    await eventually(() => proxy.core.open === 0)
  })

  test('for the web, which is made for HTTP/1.1, passes', async () => {
    const upstream = kept(await HttpUpstream.start())
    const web = { ...call, 'content-type': 'application/grpc-web+proto' }
    expect((await ask(open(await inFrontOf(upstream.url)), web, Buffer.alloc(5))).status).toBe(200)
    expect(upstream.seen.length).toBe(1)
  })

  test('to a path that leads nowhere is UNIMPLEMENTED', async () => {
    const upstream = kept(await HttpUpstream.start())
    const proxy = await inFrontOf(upstream.url)
    const answer = await ask(open(proxy), { ...call, ':path': '/pkg.Service/Method' }, Buffer.alloc(5))
    expect(answer.headers).toMatchObject({ ':status': 200, 'grpc-status': '12' })
    expect(answer.headers['grpc-message']).toContain('unknown upstream')
  })
})

const CANCEL = Buffer.from([0, 0, 0, 8])
const post = block([
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/api/x'],
  [':authority', 'weir.test'],
])

async function raw(proxy: TestProxy): Promise<RawClient> {
  const client = kept(await RawClient.open(proxy.port))
  client.send(PREFACE).send(frame(FRAME.settings, 0, 0))
  return client
}

async function untilFrame(
  client: RawClient,
  isIt: (frame: ReturnType<typeof framesIn>[number]) => boolean,
): Promise<ReturnType<typeof framesIn>[number]> {
  await eventually(() => framesIn(client.bytes).some(isIt) || client.isClosed)
  const found = framesIn(client.bytes).find(isIt)
  if (found === undefined) throw new Error('the connection was closed without such a frame')
  return found
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
