/** A whole Weir whose commons is in a Redis that goes away: a clear answer, nothing kept is lost, proxying goes on. */
import { afterEach, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { RedisServer } from '../kit/redis-server.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

interface Weir {
  readonly agents: string
  readonly operator: string
  readonly lines: string[]
}

async function startWeir(redis: string): Promise<Weir> {
  const upstream = await HttpUpstream.start({ body: 'answered' })
  closing.push(() => upstream.close())
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'info', access: false, clock: () => performance.now(), sink })
  const flags = { upstream: [`up=${upstream.url.href}`], listen: '127.0.0.1:0', operator: '127.0.0.1:0' }
  const config = loadConfig({ env: {}, flags })
  const store = { kind: 'redis' as const, url: redis, prefix: 'lost' }
  const app = createApp({ ...config, commons: { store, limits: {} } }, { log })
  const { proxy, operator } = await app.start()
  closing.push(() => app.stop())
  return { agents: `http://127.0.0.1:${proxy.port}`, operator: `http://127.0.0.1:${operator.port}`, lines }
}

async function eventually(isTrue: () => Promise<boolean>, mostMs = 20_000): Promise<void> {
  const by = performance.now() + mostMs
  while (performance.now() < by && !(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 100))
  expect(await isTrue()).toBe(true)
}

const get = (url: string): Promise<Response> => fetch(url, { signal: AbortSignal.timeout(10_000) })
const ask = (weir: Weir, method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(`${weir.agents}/weir/v1${path}`, {
    method,
    headers: { 'weir-agent': 'ann', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  })

it('a Redis that is killed costs the commons, and nothing of what it had', { timeout: 90_000 }, async () => {
  const redis = await RedisServer.startDurable()
  closing.push(() => redis.close())
  const weir = await startWeir(redis.url)
  expect((await ask(weir, 'PUT', '/state/plan', { step: 1 })).status).toBe(201)
  const task = (await (await ask(weir, 'POST', '/tasks', { kind: 'draft' })).json()) as { id: string }
  const claimed = (await (await ask(weir, 'POST', '/tasks/claim', { capabilities: ['draft'] })).json()) as {
    fence: number
  }

  await redis.kill()
  const lost = await ask(weir, 'GET', '/state/plan')
  expect([lost.status, lost.headers.get('retry-after')]).toEqual([503, '2'])
  expect(await lost.json()).toMatchObject({
    code: 'unavailable',
    detail: 'the store of the commons does not answer; proxying goes on',
  })
  expect((await ask(weir, 'POST', '/tasks', { kind: 'draft' })).status).toBe(503)
  for (let calls = 0; calls < 3; calls++)
    expect(await (await get(`${weir.agents}/up/x`)).text()).toBe('answered')
  expect((await get(`${weir.operator}/readyz`)).status).toBe(200)
  expect(await (await get(`${weir.operator}/metrics`)).text()).toContain('weir_commons_open 0\n')
  expect(weir.lines.join('')).toContain('the commons has trouble; proxying goes on')

  await redis.run()
  await eventually(async () => (await ask(weir, 'GET', '/state/plan')).status === 200)
  expect(await (await ask(weir, 'GET', '/state/plan')).json()).toMatchObject({ value: { step: 1 } })
  const done = await ask(weir, 'POST', `/tasks/${task.id}/complete`, { fence: claimed.fence, output: 'x' })
  expect([done.status, await done.json()]).toMatchObject([200, { state: 'done' }])
  await eventually(async () =>
    (await (await get(`${weir.operator}/metrics`)).text()).includes('weir_commons_open 1\n'),
  )
})

it('a Redis that is not there yet delays the commons, not the start', { timeout: 90_000 }, async () => {
  const redis = await RedisServer.startDurable()
  closing.push(() => redis.close())
  await redis.kill()
  const weir = await startWeir(redis.url)
  expect((await ask(weir, 'GET', '/agents')).status).toBe(503)
  expect(await (await get(`${weir.agents}/up/x`)).text()).toBe('answered')
  await redis.run()
  await eventually(async () => (await ask(weir, 'PUT', '/state/a', 1)).ok)
  const waiting = ask(weir, 'GET', '/events?type=note&after=0&waitMs=8000')
  const event = { specversion: '1.0', id: '1', source: '/me', type: 'note', data: 1 }
  const published = await fetch(`${weir.agents}/weir/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
  })
  expect(published.status).toBe(200)
  expect(await (await waiting).json()).toMatchObject({ events: [{ event: { type: 'note' } }] })
})
