/** A request that was sent before its connection is closed is answered, even when nobody had time to read it. */
import { expect, test } from 'vitest'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { kept } from '../kit/kept.ts'
import { startProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'

const GET = 'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n'

test('a process that stood still reads what had come before it closes idle connections', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, drainDelayMs: 400, drainMs: 5000 }))
  const clients = await Promise.all(
    Array.from({ length: 20 }, async () => kept(await RawClient.open(proxy.port))),
  )
  for (const client of clients) {
    client.send(GET)
    expect((await client.response()).status).toBe(200)
  }
  const drained = proxy.proxy.drain()
  // In the second half of the delay, after which connections that are idle are closed.
  await new Promise((resolve) => setTimeout(resolve, 300))
  for (const client of clients) client.send(GET)
  // All that waits for the end of the delay is due at once, before any socket is read.
  const until = performance.now() + 250
  while (performance.now() < until);
  for (const client of clients) {
    const { status, headers } = await client.response()
    expect([status, headers.connection]).toEqual([200, 'close'])
  }
  await drained
})
