/** Several real servers as one: a cluster of three masters, and a master with a replica under three sentinels. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, RedisServer } from '../kit/redis-server.ts'

const SLOTS = 16_384
/** So long may a cluster take to agree, or a sentinel to notice: they gossip once a second. */
const AGREED_WITHIN_MS = 20_000

export class RedisCluster {
  readonly nodes: readonly RedisServer[]

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes
  }

  get ports(): number[] {
    return this.nodes.map(({ port }) => port)
  }

  static async start(): Promise<RedisCluster> {
    const nodes: RedisServer[] = []
    const cluster = new RedisCluster(nodes)
    try {
      const buses: number[] = []
      for (let node = 0; node < 3; node++) {
        const bus = await freePort()
        buses.push(bus)
        // A node that is lost takes its own topics along, not those of the others.
        const facts = ['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no']
        nodes.push(await RedisServer.start(...facts, '--cluster-port', String(bus)))
      }
      for (const [index, node] of nodes.entries()) {
        const from = Math.floor((index * SLOTS) / nodes.length)
        const until = Math.floor(((index + 1) * SLOTS) / nodes.length) - 1
        await node.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String(until))
      }
      for (const [index, { port }] of nodes.entries()) {
        if (index > 0)
          await nodes[0]!.command('CLUSTER', 'MEET', '127.0.0.1', String(port), String(buses[index]))
      }
      await agreed('a cluster', async () => {
        const said = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')))
        return said.every(
          (info) => info.includes('cluster_state:ok') && info.includes(`cluster_slots_assigned:${SLOTS}`),
        )
      })
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()))
  }
}

export class RedisSentinels {
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinels: readonly RedisServer[]
  readonly #directory: string

  private constructor(
    master: RedisServer,
    replica: RedisServer,
    sentinels: readonly RedisServer[],
    directory: string,
  ) {
    this.master = master
    this.replica = replica
    this.sentinels = sentinels
    this.#directory = directory
  }

  static async start(): Promise<RedisSentinels> {
    const directory = await mkdtemp(join(tmpdir(), 'weir-sentinel-'))
    const master = await RedisServer.start()
    const replica = await RedisServer.start('--replicaof', '127.0.0.1', String(master.port))
    const sentinels: RedisServer[] = []
    const group = new RedisSentinels(master, replica, sentinels, directory)
    try {
      for (let one = 0; one < 3; one++) {
        const file = join(directory, `sentinel-${one}.conf`)
        const facts = [
          `monitor mymaster 127.0.0.1 ${master.port} 2`,
          'down-after-milliseconds mymaster 1000',
          'failover-timeout mymaster 3000',
        ]
        await writeFile(file, facts.map((fact) => `sentinel ${fact}\n`).join(''))
        sentinels.push(await RedisServer.startFrom(file, '--sentinel'))
      }
      await agreed('sentinels', async () => {
        const said = await Promise.all(
          sentinels.map((one) => one.command('SENTINEL', 'CKQUORUM', 'mymaster')),
        )
        const known = await sentinels[0]!.command('SENTINEL', 'REPLICAS', 'mymaster')
        return said.every((line) => line.startsWith('+OK 3')) && known.includes(String(replica.port))
      })
      return group
    } catch (error) {
      await group.close()
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.sentinels, this.replica, this.master].map((server) => server.close()))
    await rm(this.#directory, { recursive: true, force: true })
  }
}

async function agreed(who: string, isTrue: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + AGREED_WITHIN_MS
  while (!(await isTrue())) {
    if (performance.now() > until) throw new Error(`${who} did not come to terms`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
