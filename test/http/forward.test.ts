import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

async function inFrontOf(upstream: { url: URL }): Promise<TestProxy> {
  return kept(await startProxy({ upstreams: { api: upstream.url } }))
}

async function clientOf(proxy: TestProxy): Promise<RawClient> {
  return kept(await RawClient.open(proxy.port))
}

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('a small GET is answered with the status, reason, headers and body of the upstream', async () => {
  const upstream = kept(
    await RawUpstream.start(
      'HTTP/1.1 207 Sort Of\r\nX-Odd-Case: 1\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\ncontent-length: 5\r\n\r\nhello',
    ),
  )
  const proxy = await inFrontOf(upstream)
  const client = await clientOf(proxy)
  client.send('GET /api/v1/things?x=%2F&y HTTP/1.1\r\nHost: weir.local\r\nX-Mine: A\r\n\r\n')
  const answer = await client.response()
  expect(answer.statusLine).toBe('HTTP/1.1 207 Sort Of')
  expect(answer.lines.slice(0, 4)).toEqual([
    'X-Odd-Case: 1',
    'set-cookie: a=1',
    'Set-Cookie: b=2',
    'content-length: 5',
  ])
  expect(answer.body.toString()).toBe('hello')
  const { head } = await upstream.connection()
  expect(head[0]).toBe('GET /v1/things?x=%2F&y HTTP/1.1')
  expect(head).toContain('X-Mine: A')
  expect(head).toContain(`host: 127.0.0.1:${upstream.port}`)
  expect(proxy.core.settlements).toMatchObject([
    { kind: 'success', status: 207, answered: true, bytesOut: 5 },
  ])
  expect(proxy.outcomes).toEqual(['passed'])
})

test('a small POST reaches the upstream whole, with its length', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream)
  const response = await fetch(`${proxy.origin}/api/v1/chat`, { method: 'POST', body: '{"a":1}' })
  expect(await response.json()).toEqual({ ok: true })
  expect(upstream.seen[0]).toMatchObject({ method: 'POST', url: '/v1/chat' })
  expect(upstream.seen[0]?.body.toString()).toBe('{"a":1}')
  expect(upstream.seen[0]?.headers['content-length']).toBe('7')
  expect(proxy.core.settlements).toMatchObject([{ bytesIn: 7, bytesOut: 11 }])
})

test('a large body with a length and one in chunks arrive byte for byte, in both directions', async () => {
  const upstream = kept(
    await HttpUpstream.start((request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      request.pipe(response)
    }),
  )
  const proxy = await inFrontOf(upstream)
  const body = randomBytes(3_000_000)
  const answer = await fetch(`${proxy.origin}/api/echo`, { method: 'POST', body })
  expect(sha(Buffer.from(await answer.arrayBuffer()))).toBe(sha(body))
  const chunked = await fetch(`${proxy.origin}/api/echo`, {
    method: 'POST',
    body: new Blob([body]).stream(),
    duplex: 'half',
  })
  expect(sha(Buffer.from(await chunked.arrayBuffer()))).toBe(sha(body))
  expect(
    upstream.seen.map(({ headers }) => [headers['content-length'], headers['transfer-encoding']]),
  ).toEqual([
    ['3000000', undefined],
    [undefined, 'chunked'],
  ])
  expect(proxy.core.settlements).toMatchObject([
    { bytesIn: 3_000_000, bytesOut: 3_000_000 },
    { bytesIn: 3_000_000, bytesOut: 3_000_000 },
  ])
})

test('answers without a body end where they should: HEAD, 204 and 304', async () => {
  const upstream = kept(
    await HttpUpstream.start((request, response) => {
      if (request.method === 'HEAD') response.writeHead(200, { 'content-length': '1234' })
      else response.writeHead(request.url === '/204' ? 204 : 304, { etag: '"x"' })
      response.end()
    }),
  )
  const client = await clientOf(await inFrontOf(upstream))
  client.send('GET /api/204 HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(await client.response()).toMatchObject({ status: 204, headers: { etag: '"x"' } })
  client.send('GET /api/304 HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(await client.response()).toMatchObject({ status: 304, headers: { etag: '"x"' } })
  client.send('HEAD /api/head HTTP/1.1\r\nHost: a\r\n\r\n')
  const head = await client.until((text) => text.includes('\r\n\r\n'))
  expect(head).toContain('content-length: 1234')
  expect(head.endsWith('\r\n\r\n')).toBe(true)
})

test('a HTTP/1.0 client gets its answer unchunked and the end of the connection', async () => {
  const upstream = kept(
    await HttpUpstream.start((_request, response) => {
      response.write('part one, ')
      response.end('part two')
    }),
  )
  const client = await clientOf(await inFrontOf(upstream))
  client.send('GET /api/x HTTP/1.0\r\n\r\n')
  await client.closed()
  expect(client.text).not.toMatch(/transfer-encoding/i)
  expect(client.text).toMatch(/connection: close/i)
  expect(client.text.endsWith('part one, part two')).toBe(true)
})

test('an answer that ends with its connection is delimited anew for the client', async () => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => {
        connection.send('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it')
        connection.socket.end()
      })
    }),
  )
  const client = await clientOf(await inFrontOf(upstream))
  client.send('GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n')
  const answer = await client.response()
  expect(answer.headers['transfer-encoding']).toBe('chunked')
  expect(answer.body.toString()).toBe('all of it')
})

test('one connection carries many requests, pipelined ones in order', async () => {
  const upstream = kept(
    await HttpUpstream.start((request, response) => {
      setTimeout(() => response.end(request.url), request.url === '/1' ? 30 : 0)
    }),
  )
  const proxy = await inFrontOf(upstream)
  const client = await clientOf(proxy)
  client.send([1, 2, 3].map((n) => `GET /api/${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  const bodies = []
  for (let n = 0; n < 3; n++) bodies.push((await client.response()).body.toString())
  expect(bodies).toEqual(['/1', '/2', '/3'])
  expect(proxy.proxy.stats).toMatchObject({ connectionsAccepted: 1, openCalls: 0 })
})

test('the body of a held call is the one that was read while it waited', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream)
  proxy.core.verdictFor = () => ({ do: 'hold', reason: 'drift', until: performance.now() + 5000 })
  const answer = fetch(`${proxy.origin}/api/x`, { method: 'POST', body: 'held bytes' })
  await eventually(() => proxy.proxy.stats.held === 1)
  proxy.core.due.push({ do: 'release', call: 0, reason: 'recovered', upstream: 0 })
  // Any event makes the driver look; here it is another call.
  proxy.core.verdictFor = () => ({})
  await fetch(`${proxy.origin}/api/y`)
  const response = await answer
  expect(response.headers.get('weir-verdict')).toBe('hold')
  expect(response.headers.get('weir-reason')).toBe('recovered')
  expect(upstream.seen.find(({ url }) => url === '/x')?.body.toString()).toBe('held bytes')
  expect(proxy.outcomes.toSorted()).toEqual(['passed', 'passed-after-hold'])
})

test('a shed call never reaches the upstream', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream)
  proxy.core.verdictFor = () => ({ do: 'shed', reason: 'saturated', slotAt: performance.now() + 3000 })
  const response = await fetch(`${proxy.origin}/api/x`, { method: 'POST', body: 'x' })
  expect(response.status).toBe(429)
  expect(response.headers.get('retry-after')).toBe('3')
  expect(upstream.seen).toEqual([])
  expect(proxy.outcomes).toEqual(['shed'])
  expect(proxy.proxy.stats.openCalls).toBe(0)
})

test('Expect: 100-continue is answered only once the call may pass', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream)
  const head = 'POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n'
  const passing = await clientOf(proxy)
  passing.send(head)
  expect((await passing.response()).status).toBe(100)
  passing.send('body')
  expect((await passing.response()).status).toBe(200)
  expect(upstream.seen[0]?.headers.expect).toBeUndefined()
  proxy.core.verdictFor = () => ({ do: 'shed', reason: 'saturated', slotAt: performance.now() + 3000 })
  const shed = await clientOf(proxy)
  shed.send(head)
  expect((await shed.response()).status).toBe(429)
  expect(shed.text).not.toContain('100')
})

test('an upstream that refuses its first connection is tried once more, and no further', async () => {
  const parked = createServer()
  await new Promise<void>((resolve) => {
    parked.listen(0, '127.0.0.1', resolve)
  })
  const { port } = parked.address() as AddressInfo
  await new Promise((resolve) => {
    parked.close(resolve)
  })
  const proxy = await inFrontOf({ url: new URL(`http://127.0.0.1:${port}`) })
  const response = await fetch(`${proxy.origin}/api/x`, { method: 'POST', body: 'x' })
  expect(response.status).toBe(502)
  expect(response.headers.get('weir-problem')).toBe('connect_failed')
  expect(proxy.proxy.stats.connectRetries).toBe(1)
  expect(proxy.core.settlements).toMatchObject([{ kind: 'failure', status: 0, answered: false }])
  expect(proxy.outcomes).toEqual(['upstream-error'])
})

test('an upload to an upstream that cannot be reached, or resets, is the failure of the upstream', async () => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => connection.reset())
    }),
  )
  const proxy = kept(
    await startProxy({ upstreams: { api: upstream.url, nowhere: new URL('http://127.0.0.1:9') } }),
  )
  for (const [name, problem] of [
    ['api', 'upstream_reset'],
    ['nowhere', 'connect_failed'],
  ]) {
    const client = await clientOf(proxy)
    client.send(`POST /${name}/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`)
    expect(await client.response()).toMatchObject({ status: 502, headers: { 'weir-problem': problem } })
  }
  expect(proxy.core.settlements.map(({ kind }) => kind)).toEqual(['failure', 'failure'])
})

test('a fault in the core costs one call its answer, and nothing else', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream)
  proxy.core.verdictFor = () => {
    throw new Error('a fault')
  }
  expect((await fetch(`${proxy.origin}/api/x`)).status).toBe(500)
  proxy.core.verdictFor = () => ({})
  expect((await fetch(`${proxy.origin}/api/x`)).status).toBe(200)
  expect(proxy.proxy.stats.openCalls).toBe(0)
  expect(proxy.outcomes).toEqual(['upstream-error', 'passed'])
})

test('a request that has been sent is never sent again', async () => {
  const upstream = kept(await HttpUpstream.start({ reset: true }))
  const proxy = await inFrontOf(upstream)
  for (const method of ['POST', 'GET']) {
    const response = await fetch(`${proxy.origin}/api/x`, { method, body: method === 'POST' ? 'x' : null })
    expect(response.status).toBe(502)
    expect(response.headers.get('weir-problem')).toBe('upstream_reset')
  }
  expect(upstream.seen.length).toBe(2)
})

test('each status settles as what it says about the upstream', async () => {
  const upstream = kept(
    await HttpUpstream.start((request, response) => {
      response.writeHead(Number(request.url?.slice(1)))
      response.end()
    }),
  )
  const proxy = await inFrontOf(upstream)
  const kinds: Record<number, string> = {}
  for (const status of [200, 302, 404, 408, 429, 500, 503, 529]) {
    await fetch(`${proxy.origin}/api/${status}`, { redirect: 'manual' })
    kinds[status] = proxy.core.settlements.at(-1)!.kind
  }
  expect(kinds).toEqual({
    200: 'success',
    302: 'success',
    404: 'success',
    408: 'failure',
    429: 'dropped',
    500: 'failure',
    503: 'dropped',
    529: 'dropped',
  })
})

test('the core hears when the call was sent, of the head, and of what the upstream said about limits', async () => {
  const upstream = kept(
    await HttpUpstream.start({
      status: 429,
      headers: {
        'retry-after': '2.5',
        'x-ratelimit-limit-requests': '100',
        'x-ratelimit-remaining-requests': '3',
        'x-ratelimit-reset-requests': '1m30s',
      },
    }),
  )
  const proxy = await inFrontOf(upstream)
  await fetch(`${proxy.origin}/api/x`)
  expect(proxy.core.marks).toMatchObject([
    { kind: 'sent', call: 0 },
    {
      kind: 'head',
      status: 429,
      streaming: false,
      retryAfterMs: 2500,
      quota: { limit: 100, remaining: 3, resetMs: 90_000 },
    },
  ])
})

test("the caller's own slot takes the place of the upstream's Retry-After", async () => {
  const upstream = kept(await HttpUpstream.start({ status: 503, headers: { 'retry-after': '1' } }))
  const proxy = await inFrontOf(upstream)
  proxy.core.advice = { slotAt: performance.now() + 20_000 }
  const response = await fetch(`${proxy.origin}/api/x`)
  expect(response.status).toBe(503)
  expect(Number(response.headers.get('retry-after-ms'))).toBeGreaterThan(10_000)
})

test('more calls than the upstream may have are refused at once', async () => {
  const upstream = kept(await HttpUpstream.start({ hang: true }))
  const proxy = kept(await startProxy({ upstreams: { api: { url: upstream.url, maxInFlight: 2 } } }))
  const waiting = [await clientOf(proxy), await clientOf(proxy)]
  for (const client of waiting) client.send('GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => upstream.seen.length === 2)
  const response = await fetch(`${proxy.origin}/api/x`)
  expect(response.status).toBe(503)
  expect(response.headers.get('weir-problem')).toBe('too_many_in_flight')
  for (const client of waiting) client.close()
  await eventually(() => proxy.proxy.stats.openCalls === 0)
  expect(proxy.core.open).toBe(0)
})

test('an answer that overtakes its upload arrives whole, and the rest of the upload goes nowhere', async () => {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => {
        connection.send('HTTP/1.1 413 Too Big\r\ncontent-length: 7\r\nconnection: close\r\n\r\ntoo big')
      })
    }),
  )
  const proxy = await inFrontOf(upstream)
  const client = await clientOf(proxy)
  client.send('POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n')
  client.send(Buffer.alloc(200_000))
  const answer = await client.response()
  expect(answer).toMatchObject({ status: 413 })
  expect(answer.body.toString()).toBe('too big')
  await client.closed()
  expect(proxy.core.settlements).toMatchObject([{ kind: 'success', status: 413, answered: true }])
})

test.each([
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc'],
  [
    'a length and chunks',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
  [
    'a head without end',
    `HTTP/1.1 200 OK\r\n${'x-filler: 0123456789012345678901234567890\r\n'.repeat(1000)}`,
  ],
  [
    'an upgrade that nobody asked for',
    'HTTP/1.1 101 Sure\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  ],
])('an upstream that answers with %s is a bad gateway and harms nobody else', async (_what, bytes) => {
  const upstream = kept(await RawUpstream.start(bytes))
  const proxy = await inFrontOf(upstream)
  const bad = await fetch(`${proxy.origin}/api/x`)
  expect(bad.status).toBe(502)
  expect(proxy.core.settlements).toMatchObject([{ kind: 'failure', answered: false }])
  upstream.answer('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  expect(await (await fetch(`${proxy.origin}/api/x`)).text()).toBe('ok')
})

test('an upstream that goes on after the end of its answer does not poison the next call', async () => {
  const upstream = kept(
    await RawUpstream.start(
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison',
    ),
  )
  const proxy = await inFrontOf(upstream)
  const client = await clientOf(proxy)
  for (let n = 0; n < 3; n++) {
    client.send('GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n')
    const { status, body } = await client.response()
    expect(status === 200 ? body.toString() : String(status)).toMatch(/^(ok|502)$/)
  }
})
