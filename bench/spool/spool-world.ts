/**
 * A Weir that defers, on lmdb or on Redis, in a process of its own, and the upstream with its ledger in this one: the
 * ledger outlives every kill, and it alone says what was sent.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSandbox, type Sandbox } from '../../src/demo/sandbox.ts'
import { RedisServer } from '../../test/kit/redis-server.ts'
import { WeirProcess } from '../../test/kit/weir-process.ts'

export interface SpoolWorldOptions {
  readonly store: 'lmdb' | 'redis'
  /** Time that the upstream takes for a call, in ms. */
  readonly serviceMs: number
  readonly deferral?: string
}

export class SpoolWorld {
  readonly sandbox: Sandbox
  readonly redis: RedisServer | undefined
  readonly #dir: string
  #weir: WeirProcess | undefined
  agents = ''
  operator = ''

  private constructor(sandbox: Sandbox, redis: RedisServer | undefined, dir: string) {
    this.sandbox = sandbox
    this.redis = redis
    this.#dir = dir
  }

  static async start(options: SpoolWorldOptions): Promise<SpoolWorld> {
    const { store, serviceMs, deferral = '' } = options
    const sandbox = createSandbox({ behaviour: { serviceMs } })
    const url = await sandbox.listen()
    const redis = store === 'redis' ? await RedisServer.startDurable() : undefined
    const dir = await mkdtemp(join(tmpdir(), 'weir-spool-'))
    const [agents, operator] = [await freePort(), await freePort()]
    await writeFile(join(dir, 'key'), 'a key of the bench, of 32 characters or more')
    await writeFile(join(dir, 'policy.yaml'), 'version: 1\nrules: []\n')
    const where = redis === undefined ? 'store: lmdb\n  dir: spool' : `store: redis\n  redis: ${redis.url}`
    await writeFile(
      join(dir, 'weir.yaml'),
      `listen: 127.0.0.1:${agents}
operator: { listen: 127.0.0.1:${operator} }
upstreams: { up: ${url} }
policies: [policy.yaml]
deferral:
  ${where}
  keyFiles: [key]
  maxCalls: 1000000
  maxPerAgent: 1000000
  ${deferral}
`,
    )
    const world = new SpoolWorld(sandbox, redis, dir)
    await world.run()
    return world
  }

  async run(): Promise<void> {
    this.#weir = new WeirProcess(['--config', join(this.#dir, 'weir.yaml')])
    const { agents, operator } = await this.#weir.ready()
    this.agents = agents
    this.operator = operator
  }

  /** kill -9, and another one on the same files. */
  async restart(): Promise<void> {
    await this.#weir?.kill()
    await this.run()
  }

  async restartRedis(): Promise<void> {
    await this.redis?.kill()
    await this.redis?.run()
  }

  async close(): Promise<void> {
    await this.#weir?.kill()
    await this.redis?.close()
    await this.sandbox.close()
    await rm(this.#dir, { recursive: true, force: true })
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
