/** The whole of Weir in one process, between the sandbox and real sockets. */
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import type { App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createSandbox } from '../../src/demo/sandbox.ts'
import type { Sandbox } from '../../src/demo/sandbox.ts'
import { keysFor } from '../kit/gated-weir.ts'
import { createLog } from '../../src/telemetry/log.ts'

const CANARY = 'canary-51c9'
const rule = (name: string): string =>
  `version: 1\nrules:\n  - name: ${name}\n    mode: shadow\n    then: { do: hold }\n`

let directory: string
let file: string
let sandbox: Sandbox
let app: App
let agents: string
let operator: string
let lines: string[]

function config(changes: Record<string, unknown> = {}): ReturnType<typeof loadConfig> {
  return loadConfig({
    env: {},
    flags: {
      upstream: [`up=${sandbox.url}`],
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [file],
      logLevel: 'debug',
      accessLog: true,
      ...changes,
    },
  })
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-app-'))
  file = join(directory, 'first.yaml')
  await writeFile(file, rule('one'))
  sandbox = createSandbox()
  await sandbox.listen()
  lines = []
  const log = createLog({
    level: 'debug',
    access: true,
    clock: () => performance.now(),
    sink: { write: (line: string) => void lines.push(line) },
  })
  const loaded = config()
  app = createApp({ ...loaded, proxy: { ...loaded.proxy, drainDelayMs: 150 } }, { log })
  const started = await app.start()
  agents = `http://127.0.0.1:${started.proxy.port}`
  operator = `http://127.0.0.1:${started.operator.port}`
})
afterEach(async () => {
  await app.stop()
  await sandbox.close()
  await rm(directory, { recursive: true, force: true })
})

const read = async (path: string): Promise<any> => JSON.parse(await (await fetch(operator + path)).text())
const metric = async (series: string): Promise<number> => {
  const page = await (await fetch(`${operator}/metrics`)).text()
  const line = page.split('\n').find((text) => text.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? Number.NaN)
}
async function eventually(truth: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200 && !(await truth()); tries += 1) await new Promise((r) => setTimeout(r, 20))
  expect(await truth()).toBe(true)
}

describe('a running Weir', () => {
  it('carries the real client to the upstream, and counts the call', async () => {
    const client = new OpenAI({ apiKey: 'none', baseURL: `${agents}/@clerk/up/v1`, maxRetries: 0 })
    const ask = { model: 'm', messages: [{ role: 'user' as const, content: 'hello' }] }
    const answer = await client.chat.completions.create(ask)
    expect(answer.choices[0]?.message.content?.split(' ')).toHaveLength(12)
    let chunks = 0
    for await (const _ of await client.chat.completions.create({ ...ask, stream: true })) chunks += 1
    expect(chunks).toBe(14)
    await eventually(async () => (await metric('weir_calls_total{upstream="up",outcome="passed"}')) === 2)
    expect(await metric('weir_agent_calls_total{agent="clerk"}')).toBe(2)
    expect(await metric('weir_in_flight{upstream="up"}')).toBe(0)
    expect((await read('/api/v1/upstreams')).upstreams[0]).toMatchObject({ name: 'up', arrivals: 2 })
    expect((await read('/api/v1/agents')).agents[0]).toMatchObject({ agent: 'clerk', calls: 2 })
  })

  it('answers the same bytes as the upstream itself', async () => {
    const body = 'x'.repeat(10_000)
    const bytes = async (origin: string): Promise<string> =>
      Buffer.from(
        await (await fetch(`${origin}/any?bytes=100000`, { method: 'POST', body })).arrayBuffer(),
      ).toString('hex')
    expect(await bytes(`${agents}/up`)).toBe(await bytes(sandbox.url))
  })

  it('shows no secret of a call in the log, the metrics or the state', async () => {
    const headers = {
      authorization: `Bearer ${CANARY}`,
      'x-api-key': CANARY,
      cookie: CANARY,
      'x-any': CANARY,
    }
    await fetch(`${agents}/up/v1/chat/completions?key=${CANARY}`, { method: 'POST', body: CANARY, headers })
    await fetch(`${agents}/up/v1/threads/${CANARY}/x`, { headers })
    await fetch(`${agents}/nowhere/${CANARY}?key=${CANARY}`, { headers })
    sandbox.behave({ phases: [{ from: 0, until: Infinity, stopped: true }] })
    await fetch(`${agents}/up/v1/models?key=${CANARY}`, { headers })
    await eventually(() => lines.filter((line) => line.includes('"msg":"call"')).length === 3)
    const pages = ['/metrics', '/api/v1/upstreams', '/api/v1/agents', '/api/v1/workflows', '/api/v1/config']
    const shown = await Promise.all(pages.map(async (path) => (await fetch(operator + path)).text()))
    expect(shown.join('\n')).not.toContain(CANARY)
    expect(lines.join('\n')).not.toContain(CANARY)
    const access = JSON.parse(lines.find((line) => line.includes('"msg":"call"')) ?? '{}')
    expect(access).toMatchObject({
      upstream: 'up',
      method: 'POST',
      status: 200,
      outcome: 'passed',
      verdict: 'pass',
    })
  })

  it('shows the config that is in force, what is joined to it and what is not', async () => {
    const shown = await read('/api/v1/config')
    expect(shown).toMatchObject({ workers: 1, tls: null, otlp: null, board: null, commons: null })
    expect(shown.admission).toMatchObject({})
  })

  it('keeps the operator apart: nothing of it is on the port of agents', async () => {
    for (const path of ['/metrics', '/api/v1/config', '/readyz']) {
      expect((await fetch(agents + path)).status).toBe(404)
    }
  })

  it('takes a changed policy without a restart, and keeps the last good one when the next is bad', async () => {
    const rules = async (): Promise<string[]> =>
      (await read('/api/v1/policies')).rules.map((row: any) => row.id)
    expect(await rules()).toEqual(['first/one'])
    await writeFile(file, rule('two'))
    await eventually(async () => (await rules()).includes('first/two'))
    await writeFile(file, 'version: 1\nrules: [{ nonsense: true }]\n')
    await eventually(async () => (await metric('weir_policy_reload_failed')) === 1)
    expect(await rules()).toEqual(['first/two'])
    const view = await read('/api/v1/policies')
    expect(view.reloadFailed).toBe(true)
    expect(view.problems.join('\n')).toContain('first.yaml:2')
    expect((await fetch(`${operator}/readyz`)).status).toBe(200)
    await writeFile(file, rule('three'))
    await eventually(async () => (await metric('weir_policy_reload_failed')) === 0)
    expect(await rules()).toEqual(['first/three'])
  })

  it('says that it drains before it stops accepting, and answers what is in flight', async () => {
    sandbox.behave({ serviceMs: 300 })
    const slow = fetch(`${agents}/up/slow`)
    await eventually(() => sandbox.ledger.inFlight === 1)
    const stopped = app.stop()
    const ready = await fetch(`${operator}/readyz`)
    expect(await ready.json()).toEqual({ ready: false, state: 'draining' })
    expect((await fetch(`${operator}/livez`)).status).toBe(200)
    const accepted = fetch(`${agents}/up/late`)
    expect((await slow).status).toBe(200)
    expect((await accepted).status).toBe(200)
    await stopped
    await expect(fetch(`${agents}/up/x`)).rejects.toThrow(/fetch failed/)
    await expect(fetch(`${operator}/livez`)).rejects.toThrow(/fetch failed/)
  })
})

/** Of this process; none where there is no /proc. */
async function openFiles(): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd').catch(() => [])
  return Promise.all(descriptors.map((one) => readlink(`/proc/self/fd/${one}`).catch(() => '')))
}

describe('a start that fails', () => {
  it('leaves no listener behind when the port of agents is taken', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const port = (taken.address() as AddressInfo).port
    const probe = createServer()
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
    const free = (probe.address() as AddressInfo).port
    await new Promise((resolve) => probe.close(resolve))
    const second = createApp(
      config({ listen: `127.0.0.1:${port}`, operator: `127.0.0.1:${free}`, logLevel: 'silent' }),
    )
    await expect(second.start()).rejects.toThrow(/EADDRINUSE/)
    await expect(fetch(`http://127.0.0.1:${free}/livez`)).rejects.toThrow(/fetch failed/)
    await new Promise((resolve) => taken.close(resolve))
  })

  it("lets go of the journal and of the files of identity when the operator's port is taken", async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const weir = join(directory, 'weir.yaml')
    const keys = join(directory, 'keys.yaml')
    await writeFile(keys, keysFor('kyc').file)
    await writeFile(weir, 'auth: { keys: keys.yaml }\njournal: { dir: journal }\n')
    const said: string[] = []
    const second = createApp(config({ config: weir, operator: `127.0.0.1:${port}` }), {
      log: createLog({
        level: 'debug',
        access: false,
        clock: () => performance.now(),
        sink: { write: (line: string) => void said.push(line) },
      }),
      lookEveryMs: 10,
    })
    await expect(second.start()).rejects.toThrow(/EADDRINUSE/)
    expect(said.some((line) => line.includes('callers are checked'))).toBe(true)
    const [part = ''] = await readdir(join(directory, 'journal'))
    expect(await openFiles()).not.toContain(join(directory, 'journal', part))
    await writeFile(keys, 'keys: nonsense')
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(said.filter((line) => line.includes('the last good state stays'))).toEqual([])
    await new Promise((resolve) => taken.close(resolve))
  })
})
