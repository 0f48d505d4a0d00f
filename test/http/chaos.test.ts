/** Whatever clients and upstreams do to each other: every call ends once, and every counter returns to zero. */
import { expect, test } from 'vitest'
import { HttpUpstream, type Step } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'

const CALLS = 300
const AT_ONCE = 30

/** Lehmer's generator: the same chaos each time. */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

test('every call ends exactly once, in one of the outcomes, and nothing stays behind', async () => {
  const random = seeded(7)
  const behaviours: Step[] = [
    {},
    { body: Buffer.alloc(200_000, 'x') },
    { status: 503 },
    { hang: true },
    { reset: true },
    { reset: true, after: 'some of it' },
    { trickle: ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n'], gapMs: 5 },
    (request, response) => {
      // Answers before it has read the request.
      response.writeHead(413, { connection: 'close' })
      response.end('early')
      request.on('error', () => {})
    },
    (_request, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('short')
      setTimeout(() => response.destroy(), 5)
    },
  ]
  const upstream = kept(
    await HttpUpstream.start(
      ...Array.from({ length: CALLS * 2 }, () => behaviours[random(behaviours.length)]!),
    ),
  )
  const proxy = kept(
    await startProxy({
      upstreams: { api: { url: upstream.url, connections: 10, firstByteTimeoutMs: 150, idleTimeoutMs: 150 } },
      limits: { bodyIdleMs: 150 },
    }),
  )
  proxy.core.verdictFor = () => {
    const choice = random(10)
    if (choice === 0) return { do: 'hold', reason: 'drift', until: performance.now() + 60 }
    if (choice === 1) return { do: 'shed', reason: 'saturated', slotAt: performance.now() + 1000 }
    return {}
  }
  const requests = [
    'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
    'POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel',
    'POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    'POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n',
    `POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n${'x'.repeat(300_000)}`,
    'GET /api/x HTTP/1.0\r\n\r\n',
    'GET /api/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /api/2 HTTP/1.1\r\nHost: a\r\n\r\n',
  ]
  let left = CALLS
  async function callOn(): Promise<void> {
    while (left > 0) {
      left -= 1
      const client = await RawClient.open(proxy.port)
      client.send(requests[random(requests.length)]!)
      const staysMs = [0, 3, 20, 400][random(4)]!
      await Promise.race([
        client.closed(staysMs + 1).catch(() => {}),
        client.response(staysMs + 1).catch(() => {}),
      ])
      client.close()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, callOn))
  await eventually(() => proxy.proxy.stats.openCalls === 0 && proxy.proxy.stats.connections === 0, 5000)
  const { stats } = proxy.proxy
  expect(stats).toMatchObject({ held: 0, heldBytes: 0, upgrades: 0 })
  expect(proxy.core.open).toBe(0)
  expect(proxy.core.arrivals.length).toBeGreaterThan(CALLS / 2)
  expect(proxy.outcomes.length).toBe(proxy.core.arrivals.length)
  // The proxy goes on as if nothing had been.
  upstream.steps = [{}]
  proxy.core.verdictFor = () => ({})
  expect((await fetch(`${proxy.origin}/api/x`)).status).toBe(200)
})
