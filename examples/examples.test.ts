/** Runs each example as its reader would, against the sandbox and a Weir, and reads what it prints. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer, request as ask } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { startWorld, type World } from './world.ts'

const run = promisify(execFile)
let world: World
beforeAll(async () => (world = await startWorld()))
afterAll(async () => await world.close())

async function output(
  command: string,
  given: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await run(command, [given], {
    cwd: import.meta.dirname,
    env: { ...process.env, ...world.environment, ...environment },
    timeout: 50_000,
  })
  return stdout
}
const example = (name: string, environment?: Readonly<Record<string, string>>): Promise<string> =>
  output(join('node_modules', '.bin', 'tsx'), `${name}.ts`, environment)

/** The sandbox, by way of somebody who notes the names of the headers that come to it. */
async function watchedUpstream(): Promise<{ url: string; seen: Set<string>; close: () => void }> {
  const seen = new Set<string>()
  const server = createServer(({ headers, method, url }, response) => {
    for (const name of Object.keys(headers)) seen.add(name)
    const onward = ask(world.environment['UPSTREAM_URL'] + url!, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    response.req.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, seen, close: () => server.close() }
}
const agents = async (): Promise<string[]> =>
  ((await world.read('/api/v1/agents')).agents as { agent: string }[]).map(({ agent }) => agent)

describe('the examples', () => {
  it('openai', async () => {
    expect(await example('openai')).toMatch(/^answer: \S.*\ncall: [0-9a-f-]{36}\nstreamed chunks: 14\n$/)
    expect(await agents()).toContain('researcher')
  })
  it('openai, with the core in its own process', async () => {
    expect(await example('openai-in-process')).toBe('answers: 3\nrefused: policy/no-files\n')
  })
  it('anthropic', async () => {
    expect(await example('anthropic')).toMatch(/^answer: \S.*\nstreamed: true\n$/)
    expect(await agents()).toContain('writer')
  })
  it('python by base URL alone', async () => {
    expect(await output('python3', 'python_openai.py')).toMatch(/^client: (openai|urllib)\nanswer: \S.*\n$/)
    expect(await agents()).toContain('pythonist')
  })
  it('langchain', async () => {
    expect(await example('langchain')).toMatch(/^answer: \S/)
    expect(await agents()).toContain('chainer')
  })
  it('vercel ai', async () => {
    expect(await example('vercel-ai')).toMatch(/^answer: \S.*\nstreamed chunks: \d+\n$/)
    expect(await agents()).toContain('vercel')
  })
  it('mcp client', async () => {
    expect(await example('mcp-client')).toMatch(/^tools: \S.*\nresult: \[/)
    expect(await agents()).toContain('toolsmith')
  })
  it('undici', async () => {
    expect(await example('undici')).toBe('models: 200 2\nfiles: 403 forbidden\n')
  })
  it('temporal', async () => {
    const lines = (await example('temporal')).split('\n')
    expect(lines.slice(0, 4)).toEqual([
      'results: verified 1 verified 2',
      'deferred: WeirDeferred true false',
      'results: slow one done',
      'refused: true',
    ])
  })
  it('bullmq', async () => {
    const printed = await example('bullmq')
    expect(printed).toContain('results: verified 1, verified 2, verified 3, verified 4\n')
    expect(printed).toContain('delayed: true attempts: 1 1 1 1\n')
  })
  it('nginx', async () => {
    const upstream = await watchedUpstream()
    const printed = await example('nginx', { UPSTREAM_URL: upstream.url }).finally(upstream.close)
    expect(printed.split('\n')).toEqual([
      'allowed: 200 chat.completion',
      'refused: 429 rate-limit true true',
      'for good: 403 false null',
      '',
    ])
    expect([...upstream.seen]).toContain('content-type')
    expect([...upstream.seen].filter((name) => name.startsWith('weir'))).toEqual([])
    expect(await agents()).toContain('behind-nginx')
    // nginx said how its calls ended: none is left open, and none was given up.
    expect(await world.metric('weir_in_flight{upstream="openai"}')).toBe(0)
    expect(await world.metric('weir_settlements_total{upstream="openai",kind="ignored"}')).toBe(0)
    expect(await world.metric('weir_settlements_total{upstream="openai",kind="success"}')).toBeGreaterThan(3)
    expect(await world.metric('weir_calls_total{upstream="openai",outcome="client-gone"}')).toBe(0)
  })
  it('envoy and the sidecar are YAML that says what it should', async () => {
    const read = async (file: string): Promise<any[]> =>
      parseAllDocuments(await readFile(join(import.meta.dirname, file), 'utf8')).map((document) =>
        document.toJS(),
      )
    const [envoy] = await read('envoy/envoy.yaml')
    const [authz] = envoy.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters
    expect(authz.typed_config.failure_mode_allow).toBe(true)
    expect(authz.typed_config.http_service.path_prefix).toBe('/weir/v1/authz/openai')
    const [, deployment] = await read('sidecar/agent.yaml')
    expect(deployment.spec.template.spec.initContainers[0].restartPolicy).toBe('Always')
  })
})
