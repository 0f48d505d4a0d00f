/** A real Redis or Valkey that hangs, dies, comes back, is full, or only reads: what is said of it, and that nothing waits. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { BoardLink, type LinkedCore } from '../../src/board/link.ts'
import { RedisBoard, type RedisTarget } from '../../src/board/redis-board.ts'
import type { FleetView } from '../../src/core/fleet.ts'
import { readSummary } from '../../src/board/summary-format.ts'
import { RedisServer, SERVERS } from '../kit/redis-server.ts'
import { targetOf } from './redis-target.ts'

const EMPTY = readSummary(Uint8Array.of(1, 0))!.summary

/** A core that has something to say all the time, and remembers what it heard. */
class Listener implements LinkedCore {
  readonly views: FleetView[] = []
  summary = () => EMPTY
  outlook = () => ({ restlessness: 'unwell' as const, claims: true, stamp: 0 })
  learn(view: FleetView): void {
    this.views.push(view)
  }

  get last(): FleetView | undefined {
    return this.views.at(-1)
  }
}

interface Joined {
  readonly link: BoardLink
  readonly board: RedisBoard
  readonly core: Listener
  readonly faults: string[]
}

const open: Joined[] = []
let server: RedisServer | undefined

afterEach(async () => {
  for (const { link, board } of open.splice(0)) {
    void link.stop()
    await board.close()
  }
  server?.thaw()
  await server?.close()
  server = undefined
})

function joinTo(port: number, replica: string): Joined {
  return joinAs(targetOf(port), replica)
}

function joinAs(target: RedisTarget, replica: string): Joined {
  const board = new RedisBoard(target)
  const core = new Listener()
  const faults: string[] = []
  const link = new BoardLink({
    board,
    core,
    upstreams: ['api'],
    replica,
    clock: () => performance.now(),
    seed: replica.length,
    onLearnt: () => {},
    onTrouble: (fault) => faults.push(fault),
    onBack: () => {},
  })
  link.start()
  const joined = { link, board, core, faults }
  open.push(joined)
  return joined
}

async function until(isTrue: () => boolean, withinMs = 8000): Promise<number> {
  const from = performance.now()
  while (!isTrue()) {
    if (performance.now() - from > withinMs) throw new Error('never')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - from
}

describe.each(SERVERS)('a board on a real %s', (kind) => {
  it('makes replicas known to each other within a second, and forgets one that leaves at once', async () => {
    server = await RedisServer.startKind(kind)
    const one = joinTo(server.port, 'one')
    const two = joinTo(server.port, 'two-')
    expect(await until(() => one.link.read().replicas === 2 && two.link.read().replicas === 2)).toBeLessThan(
      2000,
    )
    expect(['one', 'two-']).toContain(one.core.last?.steward)
    await two.link.stop()
    expect(await until(() => one.link.read().replicas === 1)).toBeLessThan(2000)
  })

  it('tells the core that it is cut off when the server hangs, and that it is back when it answers', async () => {
    server = await RedisServer.startKind(kind)
    const { core, link } = joinTo(server.port, 'one')
    await until(() => core.last?.linked === true)
    server.freeze()
    expect(await until(() => core.last?.linked === false)).toBeLessThan(4000)
    expect(link.up).toBe(false)
    server.thaw()
    expect(await until(() => core.last?.linked === true)).toBeLessThan(6000)
    expect(link.up).toBe(true)
  })

  it('asks seldom while the server hangs, and leaves nothing behind', async () => {
    server = await RedisServer.startKind(kind)
    const { core, board, link } = joinTo(server.port, 'one')
    await until(() => core.last?.linked === true)
    server.freeze()
    await until(() => !link.up)
    const before = board.traffic.commands
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect(board.traffic.commands - before).toBeLessThanOrEqual(6)
  })

  it('joins again after the server died and came back empty, under a later epoch', async () => {
    server = await RedisServer.startKind(kind)
    const { core } = joinTo(server.port, 'one')
    await until(() => core.last?.steward === 'one')
    const epoch = core.last?.epoch ?? 0
    await server.kill()
    await until(() => core.last?.linked === false)
    await server.run()
    await until(() => core.last?.linked === true && core.last.steward === 'one')
    expect(core.last?.epoch).toBeGreaterThan(epoch)
  })

  it('begins without a server, and joins when there is one', async () => {
    server = await RedisServer.startKind(kind)
    await server.kill()
    const { core, link } = joinTo(server.port, 'one')
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect([link.up, core.views.length]).toEqual([false, 0])
    await server.run()
    expect(await until(() => core.last?.linked === true)).toBeLessThan(6000)
  })

  it('says that the server is full, and goes on when it is not', async () => {
    server = await RedisServer.startKind(kind, '--maxmemory-policy', 'noeviction')
    const { core, faults, link } = joinTo(server.port, 'one')
    await until(() => core.last?.linked === true)
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await until(() => faults.includes('full'))
    await until(() => !link.up)
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    expect(await until(() => link.up)).toBeLessThan(6000)
  })

  it('says that the server only reads, and goes on when it writes again', async () => {
    server = await RedisServer.startKind(kind)
    const { core, faults, link } = joinTo(server.port, 'one')
    await until(() => core.last?.linked === true)
    await server.command('REPLICAOF', '127.0.0.1', '1')
    await until(() => faults.includes('read-only'))
    await server.command('REPLICAOF', 'NO', 'ONE')
    expect(await until(() => link.up && core.last?.linked === true)).toBeLessThan(6000)
  })

  it('says that it was refused, with a wrong password', async () => {
    server = await RedisServer.startKind(kind, '--requirepass', 'right')
    const { faults, link } = joinTo(server.port, 'one')
    await until(() => faults.length > 0)
    expect(link.up).toBe(false)
  })

  it('needs no more of an ACL user than docs/fleet.md says', async () => {
    server = await RedisServer.startKind(kind)
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'fleet.md'), 'utf8')
    const rules = /`(~weir:\* [^`]*)`/.exec(page)?.[1]?.split(' ') ?? []
    const made = await server.command('ACL', 'SETUSER', 'weir', 'on', '>secret', ...rules)
    expect(made).toBe('+OK\r\n')
    const { core } = joinAs(targetOf(server.port, { username: 'weir', password: 'secret' }), 'one')
    await until(() => core.last?.steward === 'one')
    expect(core.last?.linked).toBe(true)
  })

  it('keeps every key for a bounded time', async () => {
    server = await RedisServer.startKind(kind)
    const { core } = joinTo(server.port, 'one')
    await until(() => core.last?.steward === 'one')
    const keys = (await server.command('KEYS', '*')).split('\r\n').filter((line) => line.startsWith('weir:'))
    expect(keys.toSorted()).toEqual(['weir:{api}:epoch', 'weir:{api}:steward', 'weir:{api}:words'])
    for (const key of keys) expect(Number((await server.command('PTTL', key)).slice(1))).toBeGreaterThan(0)
  })
})
