/** `weir top` as a process, where nobody sits at the terminal, against an operator's listener that is one or not. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import type { App } from '../../src/app.ts'
import { parseStream } from '../../src/cli/top-source.ts'
import { loadConfig } from '../../src/config.ts'
import { createSandbox } from '../../src/demo/sandbox.ts'
import type { Sandbox } from '../../src/demo/sandbox.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

let sandbox: Sandbox
let app: App
let operator: string
let agents: string

beforeAll(async () => {
  sandbox = createSandbox()
  await sandbox.listen()
  const flags = {
    upstream: [`up=${sandbox.url}`],
    listen: '127.0.0.1:0',
    operator: '127.0.0.1:0',
    logLevel: 'silent',
  }
  app = createApp(loadConfig({ env: {}, flags }))
  const started = await app.start()
  operator = `http://127.0.0.1:${started.operator.port}`
  agents = `http://127.0.0.1:${started.proxy.port}`
  await fetch(`${agents}/@clerk/up/any`)
})
afterAll(async () => {
  await app.stop()
  await sandbox.close()
})

function top(...words: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'top', ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

describe('weir top', () => {
  it('prints once into a pipe, without a control character', async () => {
    const { code, out } = await top('--operator', operator)
    expect(code).toBe(0)
    expect(out).toMatch(/^UPSTREAM +CONDITION/m)
    expect(out).toMatch(/^up +○ healthy/m)
    expect(out).toMatch(/^clerk +○ ordinary/m)
    expect(out).not.toMatch(/(?!\n)\p{Cc}/u)
  })

  it('prints a frame as JSON', async () => {
    const { code, out } = await top('--operator', operator, '--json', '--once')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ state: 'ready', agents: [{ agent: 'clerk' }] })
  })

  it('says so when nothing is there, and when it is something else', async () => {
    const other = createServer((_request, response) => response.writeHead(404).end())
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const port = (other.address() as AddressInfo).port
    const foreign = await top('--operator', `127.0.0.1:${port}`)
    await new Promise((resolve) => other.close(resolve))
    const gone = await top('--operator', `127.0.0.1:${port}`)
    const agent = await top('--operator', agents)
    for (const { code, out } of [foreign, gone, agent]) expect([code, out]).toEqual([1, ''])
    expect(foreign.err).toMatch(
      /^weir top: http:\/\/127\.0\.0\.1:\d+ answers 404 at \/api\/v1\/live: name the operator/,
    )
    expect(gone.err).toMatch(/^weir top: nothing answers at .* \(ECONNREFUSED\): start Weir/)
    expect(gone.err.trim().split('\n')).toHaveLength(1)
    expect(agent.err).toContain('not that of its agents')
  })

  it('refuses an address that is none, with the usage code', async () => {
    const { code, err } = await top('--operator', 'http://')
    expect(code).toBe(64)
    expect(err).toContain('It must be like http://127.0.0.1:9090')
  })
})

async function* chunked(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield await Promise.resolve(text.slice(at, at + size))
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = []
  for await (const item of items) got.push(item)
  return got
}

describe('a stream of events', () => {
  it('is read whole, wherever it is cut', async () => {
    const text = 'retry: 2000\n\n: \n\nid: 7\nevent: frame\ndata: {"a":1}\n\ndata: {}\n\n'
    for (const size of [1, 2, 7, 1000]) {
      const got = await all(parseStream(chunked(text, size)))
      expect(got).toEqual([
        { event: 'frame', data: '{"a":1}' },
        { event: 'message', data: '{}' },
      ])
    }
  })

  it('ends at a message that never ends', async () => {
    await expect(all(parseStream(chunked('x'.repeat(5_000_000), 100_000)))).rejects.toThrow(
      'a message of more than',
    )
  })
})
