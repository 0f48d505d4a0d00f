/** Several processes on one port, as a shell meets them. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { journalFiles } from '../../src/journal/journal-files.ts'
import { keysFor } from '../kit/gated-weir.ts'
import { createSandbox, type Sandbox } from '../../src/demo/sandbox.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
/** Over the whole of a rolling replacement, however long that takes. */
const LEAST_CALLS = 400
const running: ChildProcessWithoutNullStreams[] = []
let directory: string
let sandbox: Sandbox
let upstream: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-workers-'))
  await writeFile(join(directory, 'quiet.yaml'), 'version: 1\nrules: []\n')
  sandbox = createSandbox({ behaviour: { serviceMs: 20 } })
  upstream = await sandbox.listen()
})
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})
afterAll(async () => {
  await sandbox.close()
  await rm(directory, { recursive: true, force: true })
})

interface Weir {
  readonly child: ChildProcessWithoutNullStreams
  readonly agents: string
  readonly operator: string
  readonly output: () => string
  readonly ended: Promise<number | null>
}

async function weir(...words: string[]): Promise<Weir> {
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      MAIN,
      'run',
      `--upstream=up=${upstream}`,
      '--listen=127.0.0.1:0',
      '--operator=127.0.0.1:0',
    ]
      .concat([`--policies=${join(directory, 'quiet.yaml')}`])
      .concat(words),
    { env: { PATH: process.env['PATH'] } },
  )
  running.push(child)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const line = await until(
    () => output.split('\n').find((text) => text.includes('"msg":"ready"')),
    () => output,
  )
  const { agents, operator } = JSON.parse(line) as { agents: string; operator: string }
  return { child, agents: `http://${agents}`, operator: `http://${operator}`, output: () => output, ended }
}

async function until<T>(find: () => T | undefined | false, say: () => string = () => ''): Promise<T> {
  for (let tries = 0; tries < 1500; tries++) {
    const found = find()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`never: ${say()}`)
}

async function call(base: string, agent = new Agent()): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(`${base}/up/x`, { agent }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
      response.once('error', () => resolve(0))
    })
    sent.once('error', () => resolve(0))
    sent.end()
  })
}

async function page(url: string): Promise<string> {
  return (await fetch(url)).text()
}

function workerPids(of: Weir): Promise<number[]> {
  return page(`http://127.0.0.1:${new URL(of.operator).port}/api/v1/board`).then((body) =>
    (JSON.parse(body) as { workers: { replica: string }[] }).workers.map(({ replica }) =>
      Number(replica.split('-').at(-2)),
    ),
  )
}

describe('workers', () => {
  it('share a port, and one operator speaks for all', async () => {
    const run = await weir('--workers=2')
    const answers = await Promise.all(Array.from({ length: 40 }, () => call(run.agents)))
    expect(answers.every((status) => status === 200)).toBe(true)
    const metrics = await until2(async () => {
      const body = await page(`${run.operator}/metrics`)
      const isWhole =
        body.includes('weir_arrivals_total{upstream="up"} 40') && body.includes('weir_board_replicas 2')
      return isWhole ? body : undefined
    })
    expect(metrics).toContain('weir_board_replicas 2')
    expect(metrics.match(/^weir_calls_total\{upstream="up",outcome="passed"\} 40$/m)).not.toBeNull()
    const view = JSON.parse(await page(`${run.operator}/api/v1/upstreams`)) as {
      upstreams: { arrivals: number }[]
    }
    expect(view.upstreams[0]?.arrivals).toBe(40)
    expect(new Set(await workerPids(run)).size).toBe(2)
    run.child.kill('SIGTERM')
    expect(await run.ended).toBe(0)
  })

  it('are started again when they die, and what they counted stays counted', async () => {
    const run = await weir('--workers=2')
    for (let n = 0; n < 10; n++) expect(await call(run.agents)).toBe(200)
    await until2(
      async () =>
        (await page(`${run.operator}/metrics`)).includes('arrivals_total{upstream="up"} 10') || undefined,
    )
    const [victim = 0] = await workerPids(run)
    process.kill(victim, 'SIGKILL')
    const pids = await until2(async () => {
      const now = await workerPids(run)
      return now.length === 2 && !now.includes(victim) ? now : undefined
    })
    expect(new Set(pids).size).toBe(2)
    expect(run.output()).toContain('a worker died')
    expect(await page(`${run.operator}/metrics`)).toContain('weir_arrivals_total{upstream="up"} 10')
    expect(await call(run.agents)).toBe(200)
  })

  it('tell the operator of callers that each of them refused, and write one journal', async () => {
    await writeFile(join(directory, 'keys.yaml'), keysFor('kyc').file)
    await writeFile(join(directory, 'weir.yaml'), 'auth: { keys: keys.yaml }\n')
    const journal = join(directory, 'journal')
    const run = await weir('--workers=2', `--config=${join(directory, 'weir.yaml')}`, `--journal=${journal}`)
    const statuses = await Promise.all(Array.from({ length: 6 }, () => call(run.agents)))
    expect(new Set(statuses)).toEqual(new Set([401]))
    const events = await fetch(`${run.operator}/api/v1/events`)
    let said = ''
    for await (const text of events.body!.pipeThrough(new TextDecoderStream())) {
      said += text
      if (said.includes('callers-refused')) break
    }
    expect(said).toContain('"name":"callers-refused"')
    run.child.kill('SIGTERM')
    expect(await run.ended).toBe(0)
    expect(journalFiles(journal).map((file) => file.slice(journal.length + 1).split('/')[0])).toEqual([
      'worker-1',
      'worker-2',
    ])
  }, 30_000)

  it('are replaced one by one on SIGHUP without a failed call', async () => {
    const run = await weir('--workers=2')
    const before = await workerPids(run)
    const load = { over: false }
    const failed: number[] = []
    let calls = 0
    const clients = Array.from({ length: 4 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      while (!load.over || calls < LEAST_CALLS) {
        const status = await call(run.agents, agent)
        calls += 1
        if (status !== 200) failed.push(status)
      }
      agent.destroy()
    })
    run.child.kill('SIGHUP')
    await until(() => run.output().includes('workers replaced'), run.output)
    load.over = true
    await Promise.all(clients)
    expect(calls).toBeGreaterThanOrEqual(LEAST_CALLS)
    expect(failed).toEqual([])
    const after = await until2(async () => {
      const now = await workerPids(run)
      return now.length === 2 ? now : undefined
    })
    expect(after.some((pid) => before.includes(pid))).toBe(false)
  })
})

async function until2<T>(find: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    const found = await find()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  throw new Error('never')
}
