/** What one client may cost, and that nobody else pays for it (promises.md rows 1-7, 10, 15). */
import { expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createCoordinator } from '../../src/core/coordinator.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { policyOf } from '../kit/policy.ts'
import { startProxy, type TestProxy, type TestProxyOptions } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

const HOST = 'Host: weir.local\r\n'
const GET = `GET /api/x HTTP/1.1\r\n${HOST}\r\n`
const CROWD = 40

function headOf(bytes: number): string {
  return `GET /api/x HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(bytes)}\r\n\r\n`
}

/** 99 lines, the credential last, and some more. */
function linesOf(more: number): string {
  const lines = `${'X-A: 1\r\n'.repeat(97)}Authorization: Bearer t\r\n${'X-B: 1\r\n'.repeat(more)}`
  return `GET /api/x HTTP/1.1\r\n${HOST}${lines}\r\n`
}

function targetOf(bytes: number): string {
  return `GET /api/${'a'.repeat(bytes - '/api/'.length)} HTTP/1.1\r\n${HOST}\r\n`
}

async function inFrontOf(
  upstream: HttpUpstream,
  limits: TestProxyOptions['limits'] = {},
): Promise<TestProxy> {
  return kept(await startProxy({ upstreams: { api: upstream.url }, limits }))
}

async function clients(port: number, count: number): Promise<RawClient[]> {
  const opened = await Promise.all(Array.from({ length: count }, async () => RawClient.open(port)))
  return opened.map((client) => kept(client))
}

/** Whether somebody who does nothing wrong is served meanwhile. */
async function expectServed(proxy: TestProxy): Promise<void> {
  const response = await fetch(`${proxy.origin}/api/x`)
  expect(response.status).toBe(200)
  await response.arrayBuffer()
}

test('a head of 31 KiB passes, one of 33 KiB is 431, however often it is tried', async () => {
  // Node's own server takes no head above 16 KiB.
  const upstream = kept(await RawUpstream.start('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  const [fine] = await clients(proxy.port, 1)
  fine!.send(headOf(31 * 1024))
  expect((await fine!.response()).status).toBe(200)
  expect(upstream.connections[0]!.head).toContain(`X-A: ${'a'.repeat(31 * 1024)}`)
  for (const client of await clients(proxy.port, CROWD)) {
    client.send(headOf(33 * 1024))
    expect((await client.response()).status).toBe(431)
    await client.closed()
  }
  expect(proxy.proxy.stats).toMatchObject({ connections: 1, refused: { 431: CROWD } })
  expect(upstream.connections.length).toBe(1)
})

test('of 100 header lines none is lost, 101 are 431', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream)
  const [fine, over] = await clients(proxy.port, 2)
  fine!.send(linesOf(1))
  expect((await fine!.response()).status).toBe(200)
  // The 99th: what Node drops in silence beyond its own limit, and what a call without it would mean.
  expect(upstream.seen[0]?.headers.authorization).toBe('Bearer t')
  expect(proxy.core.arrivals[0]?.credential).not.toBe(0)
  over!.send(linesOf(2))
  expect((await over!.response()).status).toBe(431)
  await over!.closed()
  expect(upstream.seen.length).toBe(1)
})

test('a target of 8,192 bytes passes, one of 8,193 is 414', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream)
  const [fine, over] = await clients(proxy.port, 2)
  fine!.send(targetOf(8192))
  expect((await fine!.response()).status).toBe(200)
  expect(upstream.seen[0]?.url.length).toBe(8192 - '/api'.length)
  over!.send(targetOf(8193))
  expect((await over!.response()).status).toBe(414)
  await over!.closed()
})

test('heads that drip in are 408 within the bound, and others are served meanwhile', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream, { headTimeoutMs: 300 })
  const slow = await clients(proxy.port, CROWD)
  const from = performance.now()
  for (const client of slow) client.send('GET /api/x HTTP/1.1\r\n')
  const drip = setInterval(() => {
    for (const client of slow) if (!client.isClosed) client.send('X-A: 1\r\n')
  }, 20)
  await expectServed(proxy)
  for (const client of slow) {
    const text = await client.until((received) => received.includes('\r\n\r\n'))
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
    await client.closed()
  }
  clearInterval(drip)
  const tookMs = performance.now() - from
  expect(tookMs).toBeGreaterThanOrEqual(290)
  expect(tookMs).toBeLessThan(2000)
  await eventually(() => upstream.seen.length === 1)
  expect(proxy.proxy.stats.refused).toEqual({ 408: CROWD })
})

test('bodies that stop are 408 within the bound, and others are served meanwhile', async () => {
  const upstream = kept(await HttpUpstream.start())
  const proxy = await inFrontOf(upstream, { bodyIdleMs: 200 })
  const slow = await clients(proxy.port, CROWD)
  const from = performance.now()
  for (const client of slow) client.send(`POST /api/x HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\nabc`)
  await expectServed(proxy)
  for (const client of slow) {
    expect((await client.response()).status).toBe(408)
    await client.closed()
  }
  expect(performance.now() - from).toBeLessThan(2000)
  expect(proxy.proxy.stats).toMatchObject({ openCalls: 0, bodyTimeouts: CROWD })
  expect(proxy.core.open).toBe(0)
})

test('clients that do not read are cut, their upstream with them, and others are served meanwhile', async () => {
  const endless = Buffer.alloc(64 * 1024)
  const upstream = kept(
    await HttpUpstream.start((request, response) => {
      if (request.url === '/x') {
        response.end('ok')
        return
      }
      const more = (): void => {
        while (!response.destroyed && response.write(endless));
      }
      response.on('drain', more)
      more()
    }),
  )
  const proxy = await inFrontOf(upstream, { slowReaderMs: 200 })
  const slow = await clients(proxy.port, 4)
  for (const client of slow) {
    client.socket.pause()
    client.send(`GET /api/endless HTTP/1.1\r\n${HOST}\r\n`)
  }
  await expectServed(proxy)
  await eventually(() => proxy.proxy.stats.slowReaders === 4)
  await eventually(() => upstream.seen.filter(({ aborted }) => aborted).length === 4)
  expect(proxy.proxy.stats.openCalls).toBe(0)
})

test('requests that are pipelined deeper than any client does end the connection', async () => {
  const upstream = kept(await HttpUpstream.start({ hang: true }))
  const proxy = await inFrontOf(upstream)
  const [client] = await clients(proxy.port, 1)
  client!.send(GET.repeat(200))
  await client!.closed()
  expect(upstream.seen.length).toBeLessThanOrEqual(1)
  await eventually(() => proxy.proxy.stats.openCalls === 0)
})

test('connections over the cap are closed at once; those below it and the operator are served', async () => {
  const upstream = kept(await HttpUpstream.start())
  const config = loadConfig({
    env: {},
    flags: { upstream: [`api=${upstream.url.href}`], listen: '127.0.0.1:0', operator: '127.0.0.1:0' },
  })
  const log = createLog({ level: 'silent', access: false, clock: () => performance.now() })
  const limits = { ...config.proxy.limits, connections: 8 }
  const app = createApp({ ...config, proxy: { ...config.proxy, limits, drainMs: 100 } }, { log })
  const started = await app.start()
  kept({ close: async () => app.stop() })
  const inside = await clients(started.proxy.port, 8)
  await eventually(() => app.proxy.stats.connections === 8)
  const outside = await clients(started.proxy.port, 8)
  for (const client of outside) {
    await client.closed(500)
    expect(client.text).toBe('')
  }
  expect(app.proxy.stats).toMatchObject({ connections: 8, connectionsDropped: 8 })
  const operator = `http://127.0.0.1:${started.operator.port}`
  expect((await fetch(`${operator}/readyz`)).status).toBe(200)
  expect(await (await fetch(`${operator}/metrics`)).text()).toContain('weir_')
  for (const [index, client] of inside.entries()) {
    client.send(GET)
    const { status, headers } = await client.response()
    // Where all places are taken, an answer ends its connection: somebody else may come.
    expect([status, headers['connection']]).toEqual([200, index === 0 ? 'close' : 'keep-alive'])
    if (index === 0) await eventually(() => app.proxy.stats.connections === 7)
  }
  const [next] = await clients(started.proxy.port, 1)
  next!.send(GET)
  expect((await next!.response()).status).toBe(200)
})

test('of 2,000 calls that must wait 1,024 do, the rest is refused at once, and all that leave are forgotten', async () => {
  const policy = policyOf(
    'version: 1\nrules:\n  - name: one\n    mode: enforce\n    then:\n      do: hold\n      limits: [{ per: upstream, concurrency: 1 }]\n',
  )
  const core = createCoordinator({ policy, upstreams: ['api'], seed: 1 })
  const upstream = kept(await HttpUpstream.start({ hang: true }))
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, core }))
  const crowd = await clients(proxy.port, 2000)
  crowd.forEach((client, n) => {
    client.send(`POST /@agent-${n}/api/x HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`)
  })
  await eventually(
    () => proxy.proxy.stats.held + crowd.filter(({ text }) => text !== '').length === 1999,
    10_000,
  )
  expect(proxy.proxy.stats).toMatchObject({ held: 1024, heldBytes: 3 * 1024 })
  const refused = crowd.filter(({ text }) => text !== '')
  expect(refused.length).toBe(975)
  const insideMs: number[] = []
  for (const client of refused) {
    const { status, headers } = await client.response()
    expect([status, headers['weir-reason']]).toEqual([429, 'concurrency-limit'])
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    insideMs.push(Number(/weir;dur=([\d.]+)/.exec(headers['server-timing'] ?? '')?.[1]))
  }
  // Not the slowest of all: the machine may have paused.
  expect(insideMs.toSorted((a, b) => a - b)[Math.floor(refused.length * 0.99)]).toBeLessThan(50)
  for (const client of crowd) client.close()
  await eventually(() => proxy.proxy.stats.openCalls === 0, 10_000)
  expect(proxy.proxy.stats).toMatchObject({ held: 0, heldBytes: 0 })
  expect(core.read(performance.now()).open).toBe(0)
  expect(upstream.seen.length).toBe(1)
})
