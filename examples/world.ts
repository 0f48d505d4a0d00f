/** What the examples run against in their test: the sandbox upstream, and a Weir as its package is, with one policy. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSandbox } from '../src/demo/sandbox.ts'

const POLICY = `version: 1
rules:
  - name: one-step-at-a-time
    match: { upstream: idp }
    mode: enforce
    then: { do: hold, hold: { max: 10s }, limits: [{ per: upstream, concurrency: 1 }] }
  - name: nginx-no-files
    match: { agent: behind-nginx, path: /v1/files }
    mode: enforce
    then: { do: shed, final: true }
  - name: nginx
    match: { agent: behind-nginx }
    mode: enforce
    then: { do: hold, hold: { max: 300ms }, limits: [{ per: agent, rate: 5/s, burst: 2 }] }
`

export interface World {
  /** For a child: where everything is. */
  readonly environment: Readonly<Record<string, string>>
  /** Of the operator's listener. */
  read(path: string): Promise<any>
  metric(series: string): Promise<number>
  close(): Promise<void>
}

export async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'weir-examples-'))
  const sandbox = createSandbox()
  const upstream = await sandbox.listen()
  const ports = await freePorts(4)
  const [agents, operator, redisPort, nginx] = ports as [number, number, number, number]
  await writeFile(join(folder, 'policy.yaml'), POLICY)
  const names = ['openai', 'anthropic', 'tools', 'idp']
  const flags = names.flatMap((name) => ['--upstream', `${name}=${upstream}`])
  const weir = spawn(
    process.execPath,
    [
      join(import.meta.dirname, 'node_modules', 'weir-proxy', 'dist', 'main.js'),
      ...['run', '--listen', `127.0.0.1:${agents}`, '--operator', `127.0.0.1:${operator}`],
      ...['--policies', join(folder, 'policy.yaml'), ...flags],
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const redis = spawn(
    'redis-server',
    ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    { stdio: 'ignore' },
  )
  const operatorUrl = `http://127.0.0.1:${operator}`
  for (let tries = 0; tries < 200; tries += 1) {
    if (
      await fetch(`${operatorUrl}/readyz`).then(
        (response) => response.ok,
        () => false,
      )
    )
      break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    environment: {
      WEIR_URL: `http://127.0.0.1:${agents}`,
      UPSTREAM_URL: upstream,
      REDIS_URL: `redis://127.0.0.1:${redisPort}`,
      NGINX_PORT: String(nginx),
    },
    read: async (path) => await (await fetch(operatorUrl + path)).json(),
    async metric(series) {
      const page = await (await fetch(`${operatorUrl}/metrics`)).text()
      const line = page.split('\n').find((text) => text.startsWith(`${series} `))
      return Number(line?.slice(series.length + 1))
    },
    async close() {
      await Promise.all([ended(weir), ended(redis)])
      await sandbox.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const end = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await end
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
