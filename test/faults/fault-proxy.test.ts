/** The kit itself: a fault that does nothing would prove anything. */
import { expect, test } from 'vitest'
import { FaultProxy } from '../kit/faults/fault-proxy.ts'
import { eventually, kept } from '../kit/kept.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

async function between(
  answer: string,
): Promise<{ proxy: FaultProxy; client: RawClient; upstream: RawUpstream }> {
  const upstream = kept(
    await RawUpstream.start((connection) => {
      connection.socket.on('data', () => connection.send(answer))
      connection.socket.on('end', () => connection.socket.end())
    }),
  )
  const proxy = kept(await FaultProxy.start(upstream.port))
  const client = kept(await RawClient.open(proxy.port))
  return { proxy, client, upstream }
}

async function took(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

test('without a fault bytes pass both ways, and the end of either side is told', async () => {
  const { proxy, client, upstream } = await between('pong')
  client.send('ping')
  await client.until((text) => text === 'pong')
  client.close()
  await (await upstream.connection()).untilClosed()
  await eventually(() => proxy.connections === 0)
  expect(proxy.accepted).toBe(1)
})

test('latency delays each piece, and ends when it is healed', async () => {
  const { proxy, client } = await between('pong')
  proxy.set('up', { latencyMs: 40 }).set('down', { latencyMs: 40 })
  expect(await took(async () => client.send('1').until((text) => text === 'pong'))).toBeGreaterThan(75)
  proxy.heal()
  expect(await took(async () => client.send('2').until((text) => text === 'pongpong'))).toBeLessThan(75)
})

test('bandwidth stretches a body', async () => {
  const { proxy, client } = await between('x'.repeat(20_000))
  proxy.set('down', { bytesPerSecond: 100_000 })
  const ms = await took(async () => client.send('1').until((text) => text.length === 20_000))
  expect(ms).toBeGreaterThan(180)
})

test('slices arrive one after the other, unchanged', async () => {
  const answer = Array.from({ length: 26 }, (_, n) => String.fromCharCode(97 + n)).join('')
  const { proxy, client } = await between(answer)
  proxy.set('down', { sliceBytes: 5, sliceGapMs: 10 })
  const ms = await took(async () => client.send('1').until((text) => text.length === 26))
  expect(client.text).toBe(answer)
  expect(ms).toBeGreaterThan(45)
})

test('a limit ends the stream cleanly after its bytes, a reset does not', async () => {
  const limited = await between('0123456789')
  limited.proxy.set('down', { limitBytes: 4 })
  limited.client.send('1')
  await limited.client.closed()
  expect([limited.client.text, limited.client.error]).toEqual(['0123', undefined])

  const broken = await between('0123456789')
  broken.proxy.set('down', { resetAfterBytes: 4 })
  broken.client.send('1')
  await broken.client.closed()
  expect(broken.client.text).toBe('0123')
  expect(broken.client.error).toMatchObject({ code: 'ECONNRESET' })
})

test('a slow close tells the end late', async () => {
  const upstream = kept(await RawUpstream.start((connection) => void connection.socket.end('bye')))
  const proxy = kept(await FaultProxy.start(upstream.port))
  proxy.set('down', { closeDelayMs: 80 })
  const client = kept(await RawClient.open(proxy.port))
  await client.until((text) => text === 'bye')
  expect(await took(async () => client.closed())).toBeGreaterThan(60)
})

test('a black hole swallows everything and tells nobody, until it is healed', async () => {
  const { proxy, client } = await between('pong')
  proxy.set('down', { blackhole: true })
  client.send('1')
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect([client.text, client.isClosed]).toEqual(['', false])
  proxy.heal()
  await client.until((text) => text === 'pong')
})

test('a door that is shut resets who comes, and a reset cuts who is inside', async () => {
  const { proxy, client, upstream } = await between('pong')
  client.send('1')
  await client.until((text) => text === 'pong')
  proxy.reset()
  await client.closed()
  expect((await upstream.connection()).isClosed || client.error !== undefined).toBe(true)
  proxy.isShut = true
  // The reset may be faster than the news of the connection.
  await RawClient.open(proxy.port).then(
    async (next) => next.closed(),
    () => {},
  )
  expect(proxy.accepted).toBe(2)
})
