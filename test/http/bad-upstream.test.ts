/**
 * Whatever an upstream answers, a client gets one answer for one request: whole, Weir's own 502, or a connection
 * that visibly breaks. Never a clean end of half a body, never what was meant for somebody else (G3, G6).
 */
import { expect, test } from 'vitest'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream, type RawConnection } from '../kit/raw-upstream.ts'
import { responseAttacks, type ResponseCase } from './corpus/response-attacks.ts'

const SENTINEL = 'GET /api/sentinel HTTP/1.1\r\nHost: weir.local\r\n\r\n'
const SENTINEL_ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsentinel'

/** The attack for the first request, on whatever connection; the truth for those after it. */
function misbehaving({ bytes, after }: ResponseCase): (connection: RawConnection) => void {
  return (connection) => {
    let answered = 0
    connection.socket.on('data', () => {
      const heads = connection.text.split('\r\n\r\n')
      for (; answered < heads.length - 1; answered += 1) {
        const isSentinel = heads[answered]!.startsWith('GET /sentinel ')
        connection.socket.write(isSentinel ? SENTINEL_ANSWER : bytes, 'latin1', () => {
          if (isSentinel || after === undefined) return
          if (after === 'end') connection.socket.end()
          // A moment for what was written to arrive: a reset overtakes it.
          else setTimeout(() => connection.reset(), 10)
        })
      }
    })
  }
}

function hasLet({ isClosed, socket }: RawConnection): boolean {
  return isClosed || socket.readableEnded
}

async function expectSentinel(client: RawClient): Promise<void> {
  client.send(SENTINEL)
  const { status, body } = await client.response()
  expect({ status, body: body.toString() }).toEqual({ status: 200, body: 'sentinel' })
}

async function expectAllClosed(proxy: TestProxy): Promise<void> {
  await eventually(() => proxy.proxy.stats.openCalls === 0)
  expect(proxy.core.open).toBe(0)
}

/** Reads an answer as a careful client does; `cut` = it has no end. */
async function readAnswer(
  client: RawClient,
  method: string,
): Promise<{ status: number; body: string } | 'cut'> {
  if (method === 'HEAD') {
    const text = await client.until((received) => received.includes('\r\n\r\n'))
    const status = Number(text.split(' ')[1])
    return { status, body: text.split('\r\n\r\n').slice(1).join('\r\n\r\n') }
  }
  try {
    const { status, headers, body } = await client.response()
    const isOwn = headers['weir-source'] === 'proxy'
    return { status, body: isOwn ? 'weir' : body.toString('latin1') }
  } catch {
    await client.closed()
    return 'cut'
  }
}

test.each(responseAttacks.map((entry) => [entry.attack, entry] as const))(
  'an upstream that answers with %s',
  async (_name, entry) => {
    const { method = 'GET', never = [] } = entry
    const upstream = kept(await RawUpstream.start(misbehaving(entry)))
    const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
    const client = kept(await RawClient.open(proxy.port))
    let received = ''
    client.socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
    })
    client.send(`${method} /api/first HTTP/1.1\r\nHost: weir.local\r\nUser-Agent: t\r\nTE: trailers\r\n\r\n`)
    expect(await readAnswer(client, method)).toEqual(entry.client)
    for (const name of never) expect(received.toLowerCase()).not.toContain(`${name}:`)

    // What is on its way to the proxy must be there: a connection that is about to end may still be used.
    if (entry.after !== undefined) await eventually(() => hasLet(upstream.connections[0]!))
    const next = entry.client === 'cut' || method === 'HEAD' ? kept(await RawClient.open(proxy.port)) : client
    await expectSentinel(next)
    // Neither here nor on a connection of its own does the next request get what was sent for the first.
    expect(next.text).toBe('')
    await expectAllClosed(proxy)
    const isFailure = entry.client === 'cut' || entry.client.status === 502
    expect(proxy.outcomes).toEqual([isFailure ? 'upstream-error' : 'passed', 'passed'])
    expect(proxy.core.settlements[0]).toMatchObject({
      kind: isFailure ? 'failure' : 'success',
      answered: !isFailure,
    })
  },
)

test('what an upstream says on an idle connection is for nobody', async () => {
  const upstream = kept(
    await RawUpstream.start(misbehaving({ attack: '', bytes: SENTINEL_ANSWER, client: 'cut' })),
  )
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  const client = kept(await RawClient.open(proxy.port))
  await expectSentinel(client)
  upstream.connections[0]!.send('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison')
  await eventually(() => hasLet(upstream.connections[0]!))
  await expectSentinel(client)
  expect(upstream.connections.length).toBe(2)
})

test.each(['', 'HTTP/1.1 200 OK\r\nx-a: b', 'HTTP/1.1 102 Processing\r\n\r\n'])(
  'an upstream that stalls after %j is a 504',
  async (bytes) => {
    const upstream = kept(await RawUpstream.start((connection) => connection.send(bytes)))
    const api = { url: upstream.url, firstByteTimeoutMs: 100 }
    const proxy = kept(await startProxy({ upstreams: { api } }))
    const client = kept(await RawClient.open(proxy.port))
    client.send('GET /api/first HTTP/1.1\r\nHost: weir.local\r\nUser-Agent: t\r\n\r\n')
    expect((await client.response()).status).toBe(504)
    await eventually(() => hasLet(upstream.connections[0]!))
    await expectAllClosed(proxy)
  },
)

test('a stall in the middle of an answer breaks it visibly', async () => {
  for (const framing of ['content-length: 9', 'transfer-encoding: chunked', 'connection: close']) {
    const upstream = kept(await RawUpstream.start(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n2\r\nok\r\n`))
    const api = { url: upstream.url, idleTimeoutMs: 100 }
    const proxy = kept(await startProxy({ upstreams: { api } }))
    const client = kept(await RawClient.open(proxy.port))
    client.send('GET /api/first HTTP/1.1\r\nHost: weir.local\r\n\r\n')
    expect(await readAnswer(client, 'GET')).toBe('cut')
    expect(client.text).not.toContain('\r\n0\r\n')
    await expectAllClosed(proxy)
    expect(proxy.outcomes).toEqual(['upstream-error'])
  }
})

test('an answer that overtakes its upload leaves no half request where the next one goes', async () => {
  const upstream = kept(
    await RawUpstream.start(
      misbehaving({ attack: '', bytes: 'HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno', client: 'cut' }),
    ),
  )
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  const client = kept(await RawClient.open(proxy.port))
  client.send(
    'POST /api/first HTTP/1.1\r\nHost: weir.local\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
  )
  expect(await client.response()).toMatchObject({ status: 401 })
  // The rest of the body has the shape of a request for a connection that is out of step.
  client.send(`2c\r\nGET /api/smuggled HTTP/1.1\r\nHost: weir.local\r\n\r\n`)
  const other = kept(await RawClient.open(proxy.port))
  await expectSentinel(other)
  const bytes = upstream.connections.map(({ text }) => text)
  expect(bytes.filter((text) => text.includes('/sentinel') && text.includes('/first'))).toEqual([])
  expect(bytes.join('')).not.toContain('smuggled')
})

test.each([
  ['without the proof of a WebSocket', 'upgrade: websocket\r\n'],
  ['to another protocol', 'upgrade: h2c\r\nsec-websocket-accept: x\r\n'],
  ['to nothing', 'sec-websocket-accept: x\r\n'],
])('a switch %s is a bad gateway, and what follows it goes nowhere', async (_what, fields) => {
  const upstream = kept(
    await RawUpstream.start(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n${fields}\r\n`),
  )
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  const client = kept(await RawClient.open(proxy.port))
  const handshake = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n'
  client.send(`GET /api/first HTTP/1.1\r\nHost: weir.local\r\n${handshake}\r\n${SENTINEL}`)
  expect(await client.response()).toMatchObject({ status: 502, headers: { 'weir-source': 'proxy' } })
  await client.closed()
  await expectAllClosed(proxy)
  expect(upstream.connections.map(({ text }) => text).join('')).not.toContain('sentinel')
  expect(proxy.proxy.stats.upgrades).toBe(0)
})
