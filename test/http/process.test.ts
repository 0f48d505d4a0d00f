/** The process: exit codes and signals, as a shell or an orchestrator meets them. */
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createSandbox } from '../../src/demo/sandbox.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const running: ChildProcessWithoutNullStreams[] = []

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

interface Run {
  readonly child: ChildProcessWithoutNullStreams
  readonly output: () => string
  readonly errors: () => string
  readonly ended: Promise<number | null>
}

/** A module that makes the process throw where nobody catches, when it is told to. */
const FAULT = `data:text/javascript,process.on('SIGUSR2', () => { throw new Error('boom') })`

function weir(...words: string[]): Run {
  const child = spawn(process.execPath, ['--import', 'tsx', '--import', FAULT, MAIN, ...words], {
    env: { PATH: process.env['PATH'] },
  })
  running.push(child)
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { child, output: () => output, errors: () => errors, ended }
}

async function ready(run: Run): Promise<string> {
  for (let tries = 0; tries < 1000; tries += 1) {
    const line = run
      .output()
      .split('\n')
      .find((text) => text.includes('"msg":"ready"'))
    if (line !== undefined) return `http://${JSON.parse(line).agents}`
    if (run.child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`not ready: ${run.errors()}${run.output()}`)
}

let directory: string
let local: readonly string[]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-process-'))
  const policy = join(directory, 'quiet.yaml')
  await writeFile(policy, 'version: 1\nrules: []\n')
  local = ['--listen', '127.0.0.1:0', '--operator', '127.0.0.1:0', '--policies', policy]
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('the process', () => {
  it('shows its help and its version, and exits 0', async () => {
    const help = weir('--help')
    expect(await help.ended).toBe(0)
    expect(help.output()).toMatch(/run .*run the proxy/)
    const verb = weir('run', '--help')
    expect(await verb.ended).toBe(0)
    expect(verb.output()).toContain('--upstream <name=url>')
    const version = weir('--version')
    expect(await version.ended).toBe(0)
    expect(version.output()).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('exits 64 on a mistake in the command line or the config, and says it on stderr', async () => {
    const verb = weir('rnu')
    expect(await verb.ended).toBe(64)
    expect(verb.errors()).toContain('run')
    const flag = weir('run', '--lisen', 'x')
    expect(await flag.ended).toBe(64)
    expect(flag.errors()).toContain('--lis')
    const config = weir('run', '--upstream', 'up=ftp://x', ...local)
    expect(await config.ended).toBe(64)
    expect(config.errors()).toMatch(/^--upstream: .*http/)
    expect(config.output()).toBe('')
  })

  it('exits 0 after one SIGTERM, when what was in flight has its answer', async () => {
    const sandbox = createSandbox({ behaviour: { serviceMs: 400 } })
    const run = weir('run', '--upstream', `up=${await sandbox.listen()}`, ...local)
    const url = await ready(run)
    const slow = fetch(`${url}/up/x`)
    while (sandbox.ledger.inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    run.child.kill('SIGTERM')
    expect((await slow).status).toBe(200)
    expect(await run.ended).toBe(0)
    expect(run.output()).toContain('"msg":"stopped"')
    await sandbox.close()
  })

  it('exits 1 at once after a second signal', async () => {
    const sandbox = createSandbox({ behaviour: { phases: [{ from: 0, until: Infinity, hang: true }] } })
    const run = weir('run', '--upstream', `up=${await sandbox.listen()}`, ...local)
    const url = await ready(run)
    const hanging = fetch(`${url}/up/x`).catch((error: unknown) => error)
    while (sandbox.ledger.inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    run.child.kill('SIGTERM')
    while (!run.output().includes('"msg":"stopping"')) await new Promise((resolve) => setTimeout(resolve, 5))
    run.child.kill('SIGINT')
    expect(await run.ended).toBe(1)
    expect(run.output()).toContain('told twice')
    expect(await hanging).toBeInstanceOf(Error)
    await sandbox.close()
  })

  it('exits 1 with one line when the port is taken', async () => {
    const sandbox = createSandbox()
    const url = await sandbox.listen()
    const port = new URL(url).port
    const run = weir('run', '--upstream', `up=${url}`, ...local, '--listen', `127.0.0.1:${port}`)
    expect(await run.ended).toBe(1)
    expect(run.errors()).toMatch(/^weir: .*EADDRINUSE.*\n$/)
    await sandbox.close()
  })

  it('exits 1 with the stack in the log after an error that nobody caught', async () => {
    const sandbox = createSandbox()
    const run = weir('run', '--upstream', `up=${await sandbox.listen()}`, ...local)
    await ready(run)
    run.child.kill('SIGUSR2')
    expect(await run.ended).toBe(1)
    const line =
      run
        .output()
        .split('\n')
        .find((text) => text.includes('uncaught')) ?? '{}'
    expect(JSON.parse(line)).toMatchObject({ level: 'error', stack: expect.stringContaining('Error: boom') })
    await sandbox.close()
  })
})
