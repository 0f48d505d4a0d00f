/** A real redis-server on a free port of loopback, with files of its own, that a test may kill and start again. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BINARY = '/usr/bin/redis-server'
/** Tests of Redis need it; everything else does not. */
export const HAS_REDIS = existsSync(BINARY)

export class RedisServer {
  readonly port: number
  readonly #dir: string
  readonly #settings: readonly string[]
  #child: ChildProcess | undefined

  private constructor(port: number, dir: string, settings: readonly string[]) {
    this.port = port
    this.#dir = dir
    this.#settings = settings
  }

  static async start(
    settings: readonly string[] = ['--appendonly', 'yes', '--appendfsync', 'always'],
  ): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(join(tmpdir(), 'weir-redis-')), settings)
    await server.run()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts, or starts again, on the same port and files. */
  async run(): Promise<void> {
    const options = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#dir, '--save', '']
    this.#child = spawn(BINARY, [...options, ...this.#settings], { stdio: 'ignore' })
    for (let tries = 0; tries < 400; tries += 1) {
      if (await answers(this.port)) return
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    throw new Error('redis-server does not answer')
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal)
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  async close(): Promise<void> {
    await this.kill()
    await rm(this.#dir, { recursive: true, force: true })
  }

  get dir(): string {
    return this.#dir
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** It has read its files and takes commands. */
async function answers(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (said: boolean): void => {
      socket.destroy()
      resolve(said)
    }
    socket.once('error', () => end(false))
    socket.once('data', (data: Buffer) => end(data.toString().startsWith('+PONG')))
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.setTimeout(1000, () => end(false))
  })
}
