/** A real Redis on a free port of the loopback, without files, for tests and benches. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'

const BINARY = '/usr/bin/redis-server'

export const hasRedis = existsSync(BINARY)

export class RedisServer {
  readonly port: number
  #child: ChildProcess | undefined
  readonly #file: string | undefined
  readonly #extra: readonly string[]

  private constructor(port: number, file: string | undefined, extra: readonly string[]) {
    this.port = port
    this.#file = file
    this.#extra = extra
  }

  static async start(...extra: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), undefined, extra)
    await server.begin()
    return server
  }

  /** With a file of settings, which a sentinel writes to. */
  static async startFrom(file: string, ...extra: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), file, extra)
    await server.begin()
    return server
  }

  /** On the same port as before, empty. */
  async begin(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    const file = this.#file === undefined ? [] : [this.#file]
    this.#child = spawn(BINARY, [...file, ...args, ...this.#extra], { stdio: 'ignore' })
    for (let tries = 0; tries < 200; tries++) {
      if (/^(\+PONG|-NOAUTH)/.test(await this.command('PING'))) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await this.kill()
    throw new Error(`redis-server does not answer on port ${this.port}`)
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
