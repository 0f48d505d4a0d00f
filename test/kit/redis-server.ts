/** A real Redis, or a real Valkey, on a free port of loopback, that a test may freeze, kill and start again. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BINARY = '/usr/bin/redis-server'
const VALKEY = join(import.meta.dirname, 'valkey-server.mjs')
/** Tests of Redis need it; everything else does not. */
export const HAS_REDIS = existsSync(BINARY)

/** Valkey comes as a package, compiled to WebAssembly: it has no disk, no replicas and no cluster. */
export const SERVERS = ['redis', 'valkey'] as const
export type ServerKind = (typeof SERVERS)[number]

const READY_WITHIN_MS = 10_000

interface Launch {
  readonly kind: ServerKind
  /** A file of settings, which a sentinel writes to. */
  readonly file?: string
  /** Words of the command line: `--name`, value. */
  readonly settings: readonly string[]
}

export class RedisServer {
  readonly port: number
  /** Its own files. */
  readonly dir: string
  readonly #launch: Launch
  #child: ChildProcess | undefined

  private constructor(port: number, dir: string, launch: Launch) {
    this.port = port
    this.dir = dir
    this.#launch = launch
  }

  /** Keeps nothing. */
  static async start(...settings: string[]): Promise<RedisServer> {
    return await RedisServer.#started({ kind: 'redis', settings: ['--appendonly', 'no', ...settings] })
  }

  /** Has on disk what it acknowledged. */
  static async startDurable(): Promise<RedisServer> {
    const settings = ['--appendonly', 'yes', '--appendfsync', 'always']
    return await RedisServer.#started({ kind: 'redis', settings })
  }

  static async startFrom(file: string, ...settings: string[]): Promise<RedisServer> {
    return await RedisServer.#started({ kind: 'redis', file, settings })
  }

  /** Of either kind; keeps nothing. */
  static async startKind(kind: ServerKind, ...settings: string[]): Promise<RedisServer> {
    return await RedisServer.#started({ kind, settings })
  }

  static async #started(launch: Launch): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(join(tmpdir(), 'weir-redis-')), launch)
    await server.run()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts, or starts again, on the same port and files. */
  async run(): Promise<void> {
    const { kind, settings } = this.#launch
    this.#child = kind === 'redis' ? this.#spawnRedis() : this.#spawnValkey()
    const until = performance.now() + READY_WITHIN_MS
    while (!/^(\+PONG|-NOAUTH)/.test(await this.command('PING'))) {
      if (performance.now() > until) {
        await this.close()
        throw new Error(`no ${kind} answers on port ${this.port}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    if (kind === 'redis') return
    for (let at = 0; at < settings.length; at += 2) {
      await this.command('CONFIG', 'SET', settings[at]!.slice(2), settings[at + 1]!)
    }
  }

  #spawnRedis(): ChildProcess {
    const { file, settings } = this.#launch
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir, '--save', '']
    const args = [...(file === undefined ? [] : [file]), ...own, ...settings]
    return spawn(BINARY, args, { stdio: 'ignore' })
  }

  #spawnValkey(): ChildProcess {
    return spawn(process.execPath, [VALKEY, String(this.port)], { stdio: 'ignore' })
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** At once, whatever it does. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async close(): Promise<void> {
    await this.kill()
    await rm(this.dir, { recursive: true, force: true })
  }

  /** One command by a connection of its own; the raw reply, '' when there is none. */
  command(...words: string[]): Promise<string> {
    const text = `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
    return new Promise((resolve) => {
      let reply = ''
      const socket = connect(this.port, '127.0.0.1')
      const timer = setTimeout(() => socket.destroy(), 1000)
      socket.once('connect', () => socket.write(text))
      socket.on('data', (chunk: Buffer) => {
        reply += chunk.toString()
        if (reply.endsWith('\r\n')) socket.end()
      })
      socket.once('error', () => {})
      socket.once('close', () => {
        clearTimeout(timer)
        resolve(reply)
      })
    })
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
