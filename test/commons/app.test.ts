/** The whole of Weir with a commons: what it observes is on the bus, in the registry and at the gate of tasks. */
import { afterEach, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

function configured(upstream: string, commons: boolean): Parameters<typeof createApp>[0] {
  const read = readConfig({
    env: {},
    cwd: import.meta.dirname,
    flags: { upstream: [`api=${upstream}`], listen: '127.0.0.1:0', operator: '127.0.0.1:0' },
  })
  if (!read.ok) throw new Error(JSON.stringify(read.problems))
  const store = commons ? { store: { kind: 'memory' as const }, limits: {} } : undefined
  return { ...read.config, commons: store }
}

async function start(commons: boolean): Promise<string> {
  const upstream = await HttpUpstream.start()
  closing.push(() => upstream.close())
  const log = createLog({ level: 'silent', access: false, clock: () => performance.now() })
  const app = createApp(configured(upstream.url.href, commons), { log })
  const { proxy } = await app.start()
  closing.push(() => app.stop())
  return `http://127.0.0.1:${proxy.port}`
}

it('shows agents from their traffic, and upstreams as the core sees them', async () => {
  const origin = await start(true)
  for (let n = 0; n < 3; n++)
    await (await fetch(`${origin}/api/x`, { headers: { 'weir-agent': 'ann' } })).text()
  const found = await (await fetch(`${origin}/weir/v1/agents?live=true`)).json()
  expect(found).toMatchObject({
    agents: [
      {
        agent: 'ann',
        registered: false,
        observed: { calls: 3, errorRatio: 0, flows: [{ upstream: 'api', calls: 3 }] },
      },
    ],
  })
  const upstreams = await (await fetch(`${origin}/weir/v1/upstreams`)).json()
  expect(upstreams).toEqual({ upstreams: [{ upstream: 'api', canBear: 'yes', why: '' }] })
  const mcp = await fetch(`${origin}/weir/v1/mcp`)
  expect(mcp.status).toBe(405)
})

it('ends in order while somebody follows its events', async () => {
  const origin = await start(true)
  const stream = await fetch(`${origin}/weir/v1/events`, { headers: { accept: 'text/event-stream' } })
  const reading = stream.text()
  for (const close of closing.splice(0).toReversed()) await close()
  expect(await reading).toContain('retry:')
})

it('has nothing of it unless it is configured', async () => {
  const origin = await start(false)
  for (const path of ['agents', 'tasks', 'state', 'events', 'mcp', 'openapi.json']) {
    expect((await fetch(`${origin}/weir/v1/${path}`)).status).toBe(404)
  }
})
