/** The journal of a whole Weir between real sockets: what it says, what it costs the calls, and what it is worth. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { MemoryBoard } from '../../src/board/memory-board.ts'
import type { Board } from '../../src/board/board.ts'
import { createApp, type App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createCoordinator } from '../../src/core/coordinator.ts'
import type { Policy } from '../../src/core/policy.ts'
import type { CallLine, JournalLine } from '../../src/journal/line.ts'
import { readJournal } from '../../src/journal/reader.ts'
import { replayJournal } from '../../src/journal/replay/replay-journal.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { decided, recordedDecisions } from '../kit/decisions.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { replay } from '../kit/plain-replay.ts'
import { policyOf } from '../kit/policy.ts'

const RULES = `version: 1
upstreams: { '*': { drift: { warmUp: 1s, warmUpSamples: 50 } } }
rules:
  - name: refused
    mode: enforce
    match: { path: /v1/refused }
    then: { do: shed, final: true }
  - name: watched
    mode: shadow
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: shed }
  - name: few
    mode: enforce
    match: { path: /v1/call }
    then: { do: hold, hold: { max: 500ms }, limits: [{ per: upstream, concurrency: 8 }, { per: agent, rate: 80/s, burst: 5 }] }
`
/** Limits that two replicas share by what each asks of them. */
const SHARED = `version: 1
rules:
  - name: shared
    mode: enforce
    match: { path: /v1/call }
    then: { do: hold, hold: { max: 200ms }, limits: [{ per: agent, concurrency: 6 }, { per: agent, rate: 60/s, burst: 5 }] }
`
const QUIET = { clock: () => performance.now(), level: 'silent', access: false } as const

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-journal-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

interface Started {
  readonly app: App
  readonly agents: string
  readonly operator: string
  readonly logged: string[]
  readonly journal: string
}

interface Setting {
  readonly rules?: string
  /** Its journal, below the test's directory. */
  readonly name?: string
  readonly board?: Board
}

async function start(
  upstreams: Record<string, URL>,
  { rules = RULES, name = 'journal', board }: Setting = {},
): Promise<Started> {
  const journal = join(directory, name)
  const policy = join(directory, `${name}-rules`, 'test.yaml')
  mkdirSync(dirname(policy))
  writeFileSync(policy, rules)
  const config = loadConfig({
    env: {},
    flags: {
      upstream: Object.entries(upstreams).map(([upstream, url]) => `${upstream}=${url.href}`),
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [policy],
      journal,
    },
  })
  const logged: string[] = []
  const log = createLog({ ...QUIET, level: 'info', sink: { write: (line) => void logged.push(line) } })
  const app = createApp(
    { ...config, proxy: { ...config.proxy, drainMs: 1500 } },
    { log, ...(board === undefined ? {} : { board }) },
  )
  kept({ close: () => app.stop() })
  const { proxy, operator } = await app.start()
  return {
    app,
    logged,
    journal,
    agents: `http://127.0.0.1:${proxy.port}`,
    operator: `http://127.0.0.1:${operator.port}`,
  }
}

async function linesOf(path: string): Promise<JournalLine[]> {
  const lines: JournalLine[] = []
  for await (const batch of readJournal(path)) lines.push(...batch)
  return lines
}

const calls = (lines: readonly JournalLine[]): CallLine[] => lines.filter((line) => line.kind === 'call')

/** What a fresh core decides that is told the lines, and what they say that was decided. */
function retold(lines: readonly JournalLine[], policy: Policy): { fresh: string[]; recorded: string[] } {
  const header = lines[0]
  if (header?.kind !== 'journal' || header.core === undefined) throw new Error('no header of a run')
  const { upstreams } = header
  const { seed, agents: maxAgents, workflows: maxWorkflows } = header.core
  const fresh = decided(
    createCoordinator({ policy, upstreams, seed, maxAgents, maxWorkflows }),
    upstreams,
    policy.rules,
  )
  replay(lines, fresh.core, upstreams)
  return { fresh: fresh.texts(), recorded: recordedDecisions(lines) }
}

async function metric(operator: string, name: string): Promise<number> {
  const page = await (await fetch(`${operator}/metrics`)).text()
  return Number(
    page
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  )
}

describe('the journal of a run', () => {
  it('gives a fresh core the same verdicts, call for call, releases and slots to the microsecond', async () => {
    let asked = 0
    const upstream = kept(
      await HttpUpstream.start(async (_, response) => {
        asked += 1
        await new Promise((resolve) => setTimeout(resolve, 2 + (asked % 7)))
        const isBad = asked > 250 && asked < 330
        response.writeHead(isBad ? 429 : 200, isBad ? { 'retry-after': '1' } : {})
        response.end('x'.repeat(asked % 90))
      }),
    )
    const { app, agents, journal } = await start({ api: upstream.url, other: upstream.url })
    const one = async (caller: number, n: number): Promise<void> => {
      const path = n % 50 === 7 ? '/v1/refused' : n % 11 === 3 ? '/v1/free' : '/v1/call'
      const leaves = n % 23 === 5
      await fetch(`${agents}/${n % 9 === 0 ? 'other' : 'api'}${path}`, {
        method: 'POST',
        body: `${n}`,
        headers: { 'weir-agent': `agent-${caller % 6}`, 'weir-workflow': `w-${n % 40}` },
        signal: leaves ? AbortSignal.timeout(3) : AbortSignal.timeout(20_000),
      }).then(
        (response) => response.arrayBuffer(),
        () => undefined,
      )
    }
    const caller = async (index: number): Promise<void> => {
      for (let n = 0; n < 35; n++) await one(index, index * 35 + n)
    }
    await Promise.all(Array.from({ length: 20 }, (_, index) => caller(index)))
    const stopping = Promise.all(Array.from({ length: 12 }, (_, n) => one(1, n)))
    await app.stop()
    await stopping

    const lines = await linesOf(journal)
    const { fresh, recorded } = retold(lines, policyOf(RULES, ['api', 'other']))
    expect(fresh).toEqual(recorded)

    // Enough of everything was there for that to mean something.
    expect(recorded.length).toBeGreaterThan(650)
    const verdicts = new Set(calls(lines).map(({ verdict }) => verdict.do))
    const ends = new Set(calls(lines).map(({ hold }) => hold?.do))
    const outcomes = new Set(calls(lines).map(({ outcome }) => outcome))
    expect([...verdicts].toSorted()).toEqual(['hold', 'pass', 'shed'])
    expect(ends).toContain('release')
    expect([...outcomes]).toEqual(
      expect.arrayContaining(['passed', 'passed-after-hold', 'client-gone', 'shed']),
    )
    expect(lines.filter(({ kind }) => kind === 'gap')).toEqual([])
  }, 60_000)

  it('holds what other replicas said: two that share their limits replay call for call, each by itself', async () => {
    const upstream = kept(
      await HttpUpstream.start(async (_, response) => {
        await new Promise((resolve) => setTimeout(resolve, 15))
        response.end('ok')
      }),
    )
    const board = new MemoryBoard(QUIET.clock)
    const setting = { rules: SHARED, board }
    const replicas = [
      await start({ api: upstream.url }, { ...setting, name: 'one' }),
      await start({ api: upstream.url }, { ...setting, name: 'two' }),
    ]
    const until = performance.now() + 4000
    const caller = async (index: number): Promise<void> => {
      for (let n = 0; performance.now() < until; n++) {
        const { agents } = replicas[(index + n) % 2]!
        const headers = { 'weir-agent': `agent-${index % 2}`, 'weir-workflow': `w-${n % 5}` }
        await (await fetch(`${agents}/api/v1/call`, { headers })).arrayBuffer()
      }
    }
    await Promise.all(Array.from({ length: 12 }, (_, index) => caller(index)))
    await Promise.all(replicas.map(({ app }) => app.stop()))

    for (const { journal } of replicas) {
      const lines = await linesOf(journal)
      const inputs = new Set(lines.map((line) => (line.kind === 'input' ? line.input : line.kind)))
      expect([...inputs]).toEqual(expect.arrayContaining(['summary', 'learn', 'callers', 'learn-callers']))
      const policy = policyOf(SHARED, ['api'])
      const { fresh, recorded } = retold(lines, policy)
      expect(recorded.length).toBeGreaterThan(100)
      expect(fresh).toEqual(recorded)
      const verified = await replayJournal(readJournal(journal), {
        policies: { name: 'then', compile: () => ({ policy }) },
        verify: true,
      })
      expect(verified.policies).toMatchObject({ same: recorded.length, different: 0 })
    }
  }, 60_000)

  it('tells of each call what its client got, upgrades and refusals by Weir too', async () => {
    const upstream = kept(await HttpUpstream.start({ status: 404, body: 'none' }))
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    kept({ close: () => server.close() })
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('no port')
    const live = new URL(`http://127.0.0.1:${address.port}`)
    const { app, agents, journal } = await start({
      api: upstream.url,
      live,
      gone: new URL('http://127.0.0.1:1'),
    })
    const answer = await fetch(`${agents}/api/v1/threads/9/runs?key=1`, { headers: { 'weir-agent': 'a' } })
    const id = answer.headers.get('weir-call-id')
    await answer.text()
    await (await fetch(`${agents}/gone/v1/x`)).text()
    const socket = new WebSocket(`${agents.replace('http', 'ws')}/live/v1/realtime`)
    await new Promise((resolve) => socket.once('open', resolve))
    socket.close()
    await eventually(() => app.proxy.stats.openCalls === 0)
    await app.stop()
    const all = calls(await linesOf(journal))
    expect(all).toMatchObject([
      { id, upstream: 'api', method: 'GET', route: '/v1/threads/*/runs', status: 404, settled: 'success' },
      { upstream: 'gone', status: 502, settled: 'failure', outcome: 'upstream-error' },
      {
        upstream: 'live',
        status: 101,
        settled: 'ignored',
        settledStatus: 101,
        answered: true,
        outcome: 'passed',
      },
    ])
    expect(all[1]).not.toHaveProperty('headMs')
  })

  it('holds all that was flushed after the process was killed', async () => {
    const upstream = kept(await HttpUpstream.start({ body: 'ok' }))
    const journal = join(directory, 'killed')
    const policy = join(directory, 'quiet.yaml')
    writeFileSync(policy, 'version: 1\nrules: []\n')
    const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
    const flags = ['--listen', '127.0.0.1:0', '--operator', '127.0.0.1:0', '--policies', policy]
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', main, 'run', `--upstream=api=${upstream.url.href}`, '--journal', journal, ...flags],
      { env: { PATH: process.env['PATH'] } },
    )
    kept({ close: () => void child.kill('SIGKILL') })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    await eventually(() => output.includes('"msg":"ready"'), 15_000)
    const agents = /"agents":"([^"]+)"/.exec(output)?.[1]
    for (let n = 0; n < 30; n++) await (await fetch(`http://${agents}/api/v1/x`)).text()
    const part = join(journal, readdirSync(journal)[0]!)
    await eventually(() => readFileSync(part, 'utf8').split('"kind":"call"').length === 31)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    expect(calls(await linesOf(journal))).toHaveLength(30)
  }, 30_000)

  it('costs no call anything when its directory is gone, counts what is lost, and comes back', async () => {
    const upstream = kept(await HttpUpstream.start({ body: 'ok' }))
    const { app, agents, operator, logged, journal } = await start({ api: upstream.url })
    const ask = async (): Promise<number> => (await fetch(`${agents}/api/v1/x`)).status
    expect(await ask()).toBe(200)
    await eventually(() => readdirSync(journal).length === 1)
    rmSync(journal, { recursive: true })
    writeFileSync(journal, 'in the way')
    const until = performance.now() + 1800
    while (performance.now() < until) expect(await ask()).toBe(200)
    await eventually(() => logged.some((line) => line.includes('the journal cannot be written')), 5000)
    expect(logged.filter((line) => line.includes('the journal cannot be written'))).toHaveLength(1)
    expect(await metric(operator, 'weir_journal_dropped_total')).toBeGreaterThan(0)
    rmSync(journal)
    mkdirSync(journal)
    await eventually(() => logged.some((line) => line.includes('the journal is written again')), 12_000)
    expect(await ask()).toBe(200)
    const dropped = await metric(operator, 'weir_journal_dropped_total')
    await app.stop()
    const lines = await linesOf(journal)
    const told = lines.reduce((sum, line) => sum + (line.kind === 'gap' ? line.dropped : 0), 0)
    expect(told).toBe(dropped)
    expect(calls(lines).length).toBeGreaterThan(1)
  }, 40_000)

  it('does not start when the journal can never be written, and leaves no port open', async () => {
    const upstream = kept(await HttpUpstream.start({ body: 'ok' }))
    writeFileSync(join(directory, 'journal'), 'in the way')
    await expect(start({ api: upstream.url })).rejects.toMatchObject({ code: 'EEXIST' })
  })
})
