/**
 * A Weir in a process of its own between checked callers and echoing upstreams, with a fault proxy on each wire: what
 * chaos runs, fault benches and tests of the process stand on. Times are short, so that every bound is met in seconds.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RedisServer } from '../redis-server.ts'
import { WeirProcess, type WeirProcessOptions } from '../weir-process.ts'
import { EchoUpstream, type Weather } from './echo-upstream.ts'
import { FaultProxy } from './fault-proxy.ts'

const WALL_CLOCK = new URL('./wall-clock.mjs', import.meta.url).href

/** What is configured here, in ms, and so what a call may have to wait for. */
export const TIMES = { connect: 1000, firstByte: 2000, idle: 2000, hold: 3000 } as const
/**
 * Until an answer begins: the hold and its backstop of a second, a connection (whose timer is as coarse as half a
 * second), the first byte, a tick of the sweep, and half a second for a busy machine.
 */
export const HEAD_BOUND_MS = TIMES.hold + 1000 + TIMES.connect + 500 + TIMES.firstByte + 250 + 500
/** Between two pieces of a body. */
export const GAP_BOUND_MS = TIMES.idle + 250 + 500

export const HOLDING_POLICY = `version: 1
upstreams:
  '*': { hold: { max: 3s } }
rules:
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`

export interface WorldOptions {
  readonly upstreams?: number
  readonly weather?: Weather
  readonly seed?: number
  readonly policy?: string
  /** In place of `TIMES.firstByte`. */
  readonly firstByteMs?: number
  /** A board on a real Redis. */
  readonly redis?: boolean
  /** More lines of weir.yaml. */
  readonly config?: string
  readonly process?: WeirProcessOptions
}

export interface WorldUpstream {
  readonly name: string
  readonly echo: EchoUpstream
  readonly wire: FaultProxy
}

export class WeirWorld {
  readonly upstreams: readonly WorldUpstream[]
  readonly redis: RedisServer | undefined
  readonly dir: string
  readonly #process: WeirProcessOptions
  weir: WeirProcess | undefined
  agents = ''
  operator = ''

  private constructor(
    upstreams: readonly WorldUpstream[],
    redis: RedisServer | undefined,
    dir: string,
    options: WeirProcessOptions,
  ) {
    this.upstreams = upstreams
    this.redis = redis
    this.dir = dir
    this.#process = options
  }

  static async start(options: WorldOptions = {}): Promise<WeirWorld> {
    const upstreams: WorldUpstream[] = []
    for (let n = 0; n < (options.upstreams ?? 1); n += 1) {
      const echo = await EchoUpstream.start(options.weather, (options.seed ?? 1) + n)
      upstreams.push({ name: `up${n}`, echo, wire: await FaultProxy.start(echo.port, n + 1) })
    }
    const redis = options.redis === true ? await RedisServer.startDurable() : undefined
    const dir = await mkdtemp(join(tmpdir(), 'weir-world-'))
    await writeFile(join(dir, 'shift'), '0')
    const world = new WeirWorld(upstreams, redis, dir, options.process ?? {})
    await world.policy(options.policy ?? HOLDING_POLICY)
    const [agents, operator] = [await freePort(), await freePort()]
    const times = `connectTimeout: ${TIMES.connect}ms, firstByteTimeout: ${options.firstByteMs ?? TIMES.firstByte}ms, idleTimeout: ${TIMES.idle}ms`
    const lines = upstreams.map(({ name, wire }) => `  ${name}: { url: '${wire.url.href}', ${times} }`)
    await writeFile(
      join(dir, 'weir.yaml'),
      `listen: 127.0.0.1:${agents}
operator: { listen: 127.0.0.1:${operator} }
upstreams:
${lines.join('\n')}
policies: [policy.yaml]
limits: { bodyIdle: 2s, slowReader: 3s }
drain: { max: 10s }
${redis === undefined ? '' : `board: { redis: '${redis.url}' }`}
${options.config ?? ''}
`,
    )
    await world.run()
    return world
  }

  async run(): Promise<void> {
    const { node = [], env = {} } = this.#process
    this.weir = new WeirProcess(['--config', join(this.dir, 'weir.yaml')], {
      ...this.#process,
      node: ['--import', WALL_CLOCK, ...node],
      env: { ...env, WALL_SHIFT_FILE: join(this.dir, 'shift') },
    })
    const { agents, operator } = await this.weir.ready()
    this.agents = agents
    this.operator = operator
  }

  get pid(): number {
    return this.weir!.pid
  }

  /** Writes the policy file; Weir notices by itself. */
  async policy(text: string): Promise<void> {
    await writeFile(join(this.dir, 'policy.yaml'), text)
  }

  /** Sets the wall clock of the process to so much from the real one. */
  async shiftWall(ms: number): Promise<void> {
    await writeFile(join(this.dir, 'shift'), String(ms))
    this.weir?.signal('SIGUSR2')
  }

  heal(): void {
    for (const { wire } of this.upstreams) wire.heal()
  }

  /** Series by their full name; throws when the operator's port does not answer within `withinMs`. */
  async metrics(withinMs = 5000): Promise<Metrics> {
    const page = await fetch(`${this.operator}/metrics`, { signal: AbortSignal.timeout(withinMs) })
    return new Metrics(await page.text())
  }

  /** The names of the operator's events so far. */
  async events(): Promise<string[]> {
    const abort = new AbortController()
    const page = await fetch(`${this.operator}/api/v1/events`, { signal: abort.signal })
    const names: string[] = []
    const timer = setTimeout(() => abort.abort(), 300)
    try {
      for await (const chunk of page.body!) {
        for (const match of Buffer.from(chunk as Uint8Array)
          .toString()
          .matchAll(/^event: (\S+)/gm))
          names.push(match[1]!)
      }
    } catch {
      // The stream never ends by itself.
    }
    clearTimeout(timer)
    return names
  }

  get residentBytes(): number {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, 'latin1'))?.[1]
    return Number(kib ?? 0) * 1024
  }

  get openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  async close(): Promise<void> {
    await this.weir?.kill()
    for (const { echo, wire } of this.upstreams) {
      await wire.close()
      await echo.close()
    }
    await this.redis?.close()
    await rm(this.dir, { recursive: true, force: true })
  }
}

export class Metrics {
  readonly #series = new Map<string, number>()

  constructor(page: string) {
    for (const line of page.split('\n')) {
      const space = line.lastIndexOf(' ')
      if (space > 0 && !line.startsWith('#'))
        this.#series.set(line.slice(0, space), Number(line.slice(space + 1)))
    }
  }

  /** The sum of all series of a family whose labels contain these texts, such as `outcome="passed"`. */
  sum(name: string, ...labels: readonly string[]): number {
    let sum = 0
    for (const [series, value] of this.#series) {
      const isOfFamily = series === name || series.startsWith(`${name}{`)
      if (isOfFamily && labels.every((label) => series.includes(label))) sum += value
    }
    return sum
  }

  get size(): number {
    return this.#series.size
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
