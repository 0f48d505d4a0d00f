import { connect } from 'node:net'
import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAdmin } from '../../src/admin/server.ts'
import type { Admin, Readiness } from '../../src/admin/server.ts'
import { isOwnHost } from '../../src/admin/host-check.ts'
import { configView, eventView, policiesView } from '../../src/admin/views.ts'
import type { EventView, ShownConfig } from '../../src/admin/views.ts'
import type { UpstreamOptions } from '../../src/proxy/options.ts'
import { EventFeed } from '../../src/telemetry/event-feed.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { agentReading, coreReading, upstreamReading } from '../kit/readings.ts'

const CANARY = 'canary-7f3a'
const upstream: UpstreamOptions = {
  name: 'openai',
  url: new URL(`https://user:${CANARY}@api.example/base?key=${CANARY}#${CANARY}`),
  dialect: 'openai',
  connectTimeoutMs: 5000,
  firstByteTimeoutMs: 300_000,
  idleTimeoutMs: 300_000,
  connections: 128,
  maxInFlight: 1024,
  websocket: false,
  client: 'wire',
  ca: `-----BEGIN ${CANARY}`,
}
const config: ShownConfig = {
  proxy: {
    listen: { host: '127.0.0.1', port: 8080 },
    upstreams: [upstream],
    identity: { hashKey: Buffer.from(CANARY), agentHeader: 'weir-agent' },
    limits: {
      headerBytes: 32_768,
      headerCount: 100,
      urlBytes: 8192,
      connections: 10_000,
      headTimeoutMs: 10_000,
      bodyIdleMs: 60_000,
      slowReaderMs: 60_000,
      keepAliveMs: 75_000,
      upgrades: 1000,
      upgradeIdleMs: 300_000,
    },
    hold: { bodyBytes: 1 << 20, totalBytes: 1 << 28, hopMs: 25_000 },
    drainMs: 55_000,
    drainDelayMs: 5000,
  },
  operator: { listen: { host: '127.0.0.1', port: 9090 } },
  policies: ['policies'],
  log: { level: 'info', access: false },
  metrics: { agentCap: 20 },
  tables: { agents: 10_000, workflows: 16_384 },
}

let admin: Admin
let url: string
let port: number
let readiness: Readiness
let feed: EventFeed<EventView>
let broken: boolean

beforeEach(async () => {
  readiness = 'ready'
  broken = false
  feed = new EventFeed()
  const agents = Array.from({ length: 300 }, (_, at) => agentReading(`a${at}`, 300 - at))
  admin = createAdmin(
    {
      core: {
        read: () =>
          coreReading({ upstreams: [upstreamReading({ inFlight: 2, etaMs: 4000 })], agentsKnown: 300 }),
        agents: (_now, most) => agents.slice(0, most),
        workflows: () => [],
      },
      clock: () => 1000,
      upstreams: [upstream],
      metrics: {
        contentType: 'text/plain; version=0.0.4',
        scrape: () => (broken ? Promise.reject(new Error(CANARY)) : Promise.resolve('weir_ready 1\n')),
      },
      feed,
      log: createLog({ level: 'silent', access: false, clock: () => 0 }),
      readiness: () => readiness,
      policies: () => ({ rules: [] }),
      config: () => configView(config),
    },
    { host: '127.0.0.1', port: 0 },
  )
  port = (await admin.listen()).port
  url = `http://127.0.0.1:${port}`
})
afterEach(() => admin.close())

const json = async (path: string): Promise<any> => JSON.parse(await (await fetch(url + path)).text())

/** fetch refuses to set Host. */
function statusFor(host: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
}

const event = (to: string): EventView =>
  eventView(
    { name: 'condition-changed', at: 500, upstream: 0, to, readings: { slowdown: 2.5, etaMs: Infinity } },
    ['openai'],
    1_700_000_000_000,
    1000,
  )

async function read(lines: number, headers: Record<string, string> = {}): Promise<string[]> {
  const left = new AbortController()
  const answer = await fetch(`${url}/api/v1/events`, { headers, signal: left.signal })
  const got: string[] = []
  for await (const chunk of answer.body ?? []) {
    for (const line of Buffer.from(chunk).toString().split('\n')) if (/^(id|data):/.test(line)) got.push(line)
    if (got.length >= lines) break
  }
  left.abort()
  return got
}

describe('probes', () => {
  it('are ready only between start and drain, and alive all the time', async () => {
    for (const state of ['starting', 'ready', 'draining'] as const) {
      readiness = state
      const ready = await fetch(`${url}/readyz`)
      expect(ready.status).toBe(state === 'ready' ? 200 : 503)
      expect(await ready.json()).toEqual({ ready: state === 'ready', state })
      expect((await fetch(`${url}/livez`)).status).toBe(200)
      expect((await fetch(`${url}/healthz`)).status).toBe(200)
    }
  })
})

describe('reading the state', () => {
  it('shows upstreams by name, without the credentials of their URLs', async () => {
    const { upstreams } = await json('/api/v1/upstreams')
    expect(upstreams).toHaveLength(1)
    expect(upstreams[0]).toMatchObject({
      name: 'openai',
      url: 'https://api.example/base',
      inFlight: 2,
      limit: null,
      etaMs: 4000,
      conditionForMs: 0,
    })
  })

  it('shows as many agents as asked, within bounds, and says the bounds', async () => {
    expect((await json('/api/v1/agents')).agents).toHaveLength(100)
    const two = await json('/api/v1/agents?limit=2')
    expect(two).toMatchObject({ known: 300, agents: [{ agent: 'a0', calls: 300 }, { agent: 'a1' }] })
    for (const bad of ['0', '1001', '-1', '1.5', 'x', '']) {
      const refused = await fetch(`${url}/api/v1/agents?limit=${bad}`)
      expect(refused.status).toBe(400)
      expect(await refused.json()).toMatchObject({ detail: 'limit must be a whole number from 1 to 1000' })
    }
    expect(await json('/api/v1/workflows')).toEqual({ known: 0, workflows: [] })
  })

  it('shows the config by an allow-list: no key, certificate or credential', async () => {
    const text = await (await fetch(`${url}/api/v1/config`)).text()
    expect(text).not.toContain(CANARY)
    expect(text).not.toContain(Buffer.from(CANARY).toString('base64'))
    expect(JSON.parse(text)).toMatchObject({
      upstreams: [{ url: 'https://api.example/base', ownAuthority: true }],
      limits: { headerCount: 100 },
      drainMs: 55_000,
    })
  })

  it('shows rules as they are written, and why a reload was refused', () => {
    const view = policiesView({
      files: ['kyc.yaml'],
      notes: [
        {
          id: 'kyc/hold',
          place: { file: 'kyc.yaml', line: 3, column: 5 },
          description: 'why',
          // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy files
          rule: { name: 'hold', mode: 'shadow', match: { upstream: ['b'] }, then: { do: 'hold' } },
        },
      ],
      loadedAt: 0,
      problems: ['kyc.yaml:3:5: ...'],
    })
    expect(view).toMatchObject({
      loadedAt: '1970-01-01T00:00:00.000Z',
      reloadFailed: true,
      problems: ['kyc.yaml:3:5: ...'],
      rules: [{ id: 'kyc/hold', place: 'kyc.yaml:3', mode: 'shadow', match: { upstream: ['b'] }, when: {} }],
    })
  })

  it('serves the metrics, and a problem without details when they fail', async () => {
    const page = await fetch(`${url}/metrics`)
    expect(page.headers.get('content-type')).toContain('text/plain')
    expect(await page.text()).toBe('weir_ready 1\n')
    broken = true
    const failed = await fetch(`${url}/metrics`)
    expect(failed.status).toBe(500)
    expect(await failed.text()).not.toContain(CANARY)
  })
})

describe('what is refused', () => {
  it('a path that is not there, with the ones that are', async () => {
    const missing = await fetch(`${url}/api/v2/agents`)
    expect(missing.status).toBe(404)
    expect(missing.headers.get('content-type')).toBe('application/problem+json')
    expect(await missing.json()).toMatchObject({
      status: 404,
      detail: expect.stringContaining('/api/v1/agents'),
    })
  })

  it('every method that could change something', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const refused = await fetch(`${url}/api/v1/agents`, { method })
      expect(refused.status).toBe(405)
      expect(refused.headers.get('allow')).toBe('GET, HEAD')
    }
  })

  it('a foreign Host, as DNS rebinding sends it, except for probes', async () => {
    expect(await statusFor('evil.example', '/api/v1/config')).toBe(403)
    expect(await statusFor(`evil.example:${port}`, '/metrics')).toBe(403)
    expect(await statusFor('evil.example', '/livez')).toBe(200)
    expect(await statusFor(`localhost:${port}`, '/api/v1/config')).toBe(200)
    expect(await statusFor('weir.default.svc', '/metrics')).toBe(200)
  })

  it('hosts are judged by name, port aside', () => {
    const good = [
      '127.0.0.1',
      '[::1]:9090',
      'localhost',
      'weir',
      '10.1.2.3:9090',
      'ops.example',
      'a.localhost.',
    ]
    const bad = [
      undefined,
      '',
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'a b',
      'x@y.z',
      '[::1',
    ]
    for (const host of good) expect([host, isOwnHost(host, ['ops.example'])]).toEqual([host, true])
    for (const host of bad) expect([host, isOwnHost(host, ['ops.example'])]).toEqual([host, false])
  })

  it('other origins: no answer carries a CORS permission', async () => {
    const answer = await fetch(`${url}/api/v1/config`, { headers: { origin: 'http://evil.example' } })
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })
})

describe('the stream of events', () => {
  it('tells what happened lately, then what happens', async () => {
    feed.publish(event('watch'))
    const reading = read(4)
    while (feed.listeners === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    feed.publish(event('drifting'))
    const lines = await reading
    expect(lines.filter((line) => line.startsWith('id'))).toEqual(['id: 1', 'id: 2'])
    expect(JSON.parse(lines[1]?.slice(6) ?? '')).toEqual({
      name: 'condition-changed',
      time: '2023-11-14T22:13:19.500Z',
      upstream: 'openai',
      to: 'watch',
      readings: { slowdown: 2.5, etaMs: null },
    })
  })

  it('goes on where a reader left', async () => {
    for (const to of ['watch', 'drifting', 'down']) feed.publish(event(to))
    expect((await read(2, { 'last-event-id': '2' }))[0]).toBe('id: 3')
  })

  it('forgets a reader that left', async () => {
    feed.publish(event('watch'))
    await read(2)
    while (feed.listeners > 0) await new Promise((resolve) => setTimeout(resolve, 2))
    expect(feed.listeners).toBe(0)
  })

  it('cuts a reader that does not read, and keeps no more than its backlog', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
    socket.pause()
    while (feed.listeners === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    const long = { ...event('x'), to: 'x'.repeat(50_000) }
    for (let n = 0; n < 2000 && feed.listeners > 0; n += 1) {
      feed.publish(long)
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(feed.listeners).toBe(0)
    socket.destroy()
  })

  it('is for 32 readers at once', async () => {
    const stops = Array.from({ length: 32 }, () => feed.subscribe(() => {}))
    expect((await fetch(`${url}/api/v1/events`)).status).toBe(503)
    for (const stop of stops) stop()
  })
})
