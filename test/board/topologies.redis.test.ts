/** The board on a cluster, under sentinels, and behind TLS with a user of its own: all of them real. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { BoardLink } from '../../src/board/link.ts'
import { RedisBoard, type RedisTarget } from '../../src/board/redis-board.ts'
import { readSummary } from '../../src/board/summary-format.ts'
import type { FleetView, Outlook } from '../../src/core/fleet.ts'
import { TEST_CERT, TEST_KEY } from '../kit/tls-fixture.ts'
import { boardContract } from './board.contract.ts'
import { freePort, RedisServer } from '../kit/redis-server.ts'
import { targetOf } from './redis-target.ts'
import { RedisCluster, RedisSentinels } from './redis-topologies.ts'

const EMPTY = readSummary(Uint8Array.of(1, 0))!.summary
const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

interface Joined {
  readonly link: BoardLink
  readonly faults: string[]
  /** By upstream, what the core was last told. */
  readonly views: Map<number, FleetView>
  /** Per upstream: how often the board answered. */
  readonly rounds: number[]
}

function joined(target: RedisTarget, replica: string, upstreams: readonly string[] = ['api']): Joined {
  const board = new RedisBoard(target)
  const views = new Map<number, FleetView>()
  const rounds = upstreams.map(() => 0)
  const faults: string[] = []
  const outlook: Outlook = { restlessness: 'unwell', claims: true, stamp: 0 }
  const link = new BoardLink({
    board,
    core: {
      summary: () => EMPTY,
      outlook: () => outlook,
      learn(view) {
        views.set(view.upstream, view)
        if (view.linked) rounds[view.upstream]! += 1
      },
    },
    upstreams,
    replica,
    clock: () => performance.now(),
    seed: replica.length,
    onLearnt: () => {},
    onTrouble: (fault) => faults.push(fault),
    onBack: () => {},
  })
  link.start()
  closing.push(async () => {
    await Promise.race([link.stop(), new Promise((resolve) => setTimeout(resolve, 500))])
    await board.close()
  })
  return { link, faults, views, rounds }
}

async function until(isTrue: () => boolean, withinMs: number): Promise<number> {
  const from = performance.now()
  while (!isTrue()) {
    if (performance.now() - from > withinMs) throw new Error('never')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - from
}

function clusterTarget(cluster: RedisCluster, facts: Partial<RedisTarget> = {}): RedisTarget {
  const addresses = cluster.ports.map((port) => ({ host: '127.0.0.1', port }))
  return targetOf(0, { kind: 'cluster', addresses, ...facts })
}

describe('a cluster', () => {
  const names = Array.from({ length: 12 }, (_, index) => `upstream-${index}`)
  let cluster: RedisCluster
  let tests = 0
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster.close())

  boardContract('redis cluster', async () => {
    tests += 1
    const target = clusterTarget(cluster, { prefix: `contract${tests}` })
    return { another: () => new RedisBoard(target), close: async () => {} }
  })

  it('is found through any one of its nodes, and bears every topic on a node of its own choice', async () => {
    const [, , last = 0] = cluster.ports
    const target = targetOf(last, { kind: 'cluster', prefix: 'spread' })
    const one = joined(target, 'one', names)
    const two = joined(clusterTarget(cluster, { prefix: 'spread' }), 'two-', names)
    await until(() => names.every((_, topic) => one.views.get(topic)?.peers.length === 1), 20_000)
    expect(two.link.read().replicas).toBe(2)
    const keys = await Promise.all(cluster.nodes.map((node) => node.command('KEYS', 'spread:*')))
    const counts = keys.map((reply) => Number(/^\*(\d+)/.exec(reply)?.[1]))
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(3 * names.length)
    for (const count of counts) {
      expect(count).toBeGreaterThan(0)
      expect(count % 3).toBe(0)
    }
  })

  it('that loses a node keeps the topics of the others, and has all again when it is back', async () => {
    const one = joined(clusterTarget(cluster, { prefix: 'loss' }), 'one', names)
    await until(() => names.every((_, topic) => one.views.get(topic)?.linked === true), 20_000)
    const victim = cluster.nodes[1]!
    const lostKeys = await victim.command('KEYS', 'loss:*')
    const lost = names.map((name) => lostKeys.includes(`{${name}}`))
    expect(new Set(lost).size).toBe(2)
    await victim.kill()
    await until(
      () => names.every((_, topic) => !lost[topic] || one.views.get(topic)?.linked === false),
      15_000,
    )
    // The board is asked for the lost ones again and again; the others are heard of meanwhile, and so stay as they are.
    const faults = one.faults.length
    const rounds = [...one.rounds]
    const isHeard = (topic: number): boolean =>
      lost[topic] === true || one.rounds[topic]! >= rounds[topic]! + 10
    await until(() => one.faults.length >= faults + 10 && names.every((_, topic) => isHeard(topic)), 30_000)
    expect(names.map((_, topic) => one.views.get(topic)?.linked)).toEqual(lost.map((isLost) => !isLost))
    expect(lost.map((isLost, topic) => isLost && one.rounds[topic]! > rounds[topic]!)).not.toContain(true)
    expect(one.link.up).toBe(true)
    await victim.run()
    await until(() => names.every((_, topic) => one.views.get(topic)?.linked === true), 20_000)
  })
})

describe('sentinels', () => {
  it('lead to the master, and to the next one when it dies', async () => {
    const group = await RedisSentinels.start()
    closing.push(() => group.close())
    const target = targetOf(0, {
      kind: 'sentinel',
      master: 'mymaster',
      addresses: group.sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    })
    const one = joined(target, 'one')
    const two = joined(target, 'two-')
    await until(() => one.views.get(0)?.peers.length === 1, 20_000)
    expect(await group.master.command('KEYS', '*')).toContain('weir:{api}:words')
    await group.master.kill()
    await until(() => one.views.get(0)?.linked === false && two.views.get(0)?.linked === false, 8000)
    await until(() => one.link.up && two.link.up && one.views.get(0)?.linked === true, 30_000)
    expect(await group.replica.command('ROLE')).toContain('master')
    await until(() => one.link.read().replicas === 2, 8000)
    // The epoch that both have seen goes on, whatever the new master knew of it.
    expect(one.views.get(0)?.epoch).toBeGreaterThan(1)
  })
})

describe('TLS', () => {
  let directory: string
  let server: RedisServer
  let port: number
  let target: RedisTarget
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'weir-redis-tls-'))
    const file = (name: string): string => join(directory, name)
    for (const [name, pem] of [
      ['ca.pem', TEST_CERT],
      ['cert.pem', TEST_CERT],
      ['key.pem', TEST_KEY],
    ] as const)
      await writeFile(file(name), pem)
    port = await freePort()
    const tls = ['--tls-port', String(port), '--tls-auth-clients', 'no']
    const files = ['--tls-ca-cert-file', file('ca.pem'), '--tls-cert-file', file('cert.pem')]
    server = await RedisServer.start(...tls, ...files, '--tls-key-file', file('key.pem'))
    const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'fleet.md'), 'utf8')
    const rules = /`(~weir:\* [^`]*)`/.exec(page)?.[1]?.split(' ') ?? []
    await server.command('ACL', 'SETUSER', 'weir', 'on', '>secret', ...rules)
    await server.command('ACL', 'SETUSER', 'default', 'resetpass')
    const addresses = [{ host: 'localhost', port }]
    target = targetOf(port, { addresses, username: 'weir', password: 'secret', tls: { ca: TEST_CERT } })
  })
  afterAll(async () => {
    await server.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('carries the words of a user that may do no more than it needs', async () => {
    const one = joined(target, 'one')
    const two = joined(target, 'two-')
    await until(() => one.views.get(0)?.peers.length === 1 && two.views.get(0)?.peers.length === 1, 20_000)
    expect(one.views.get(0)?.steward).toMatch(/one|two-/)
    expect([...one.faults, ...two.faults].filter((fault) => fault === 'refused')).toEqual([])
  })

  it('is not gone without when the server is not who it should be', async () => {
    const { faults, link, views } = joined({ ...target, tls: { ca: undefined } }, 'one')
    await until(() => faults.length >= 2, 8000)
    expect([link.up, views.size]).toEqual([false, 0])
  })

  it('refuses a wrong password', async () => {
    const { faults, link } = joined({ ...target, password: 'wrong' }, 'one')
    await until(() => faults.length >= 2, 8000)
    expect(link.up).toBe(false)
  })
})
