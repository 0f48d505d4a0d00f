/** Histories of real stores under concurrency, two openers where the store allows it, judged by the checker. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seeded } from '../../../src/core/random.ts'
import { DEFAULT_LIMITS, storeBounds } from '../../../src/commons/limits.ts'
import { Refused } from '../../../src/commons/refused.ts'
import type { Store } from '../../../src/commons/store.ts'
import { LmdbStore } from '../../../src/commons/stores/lmdb-store.ts'
import { MemoryStore } from '../../../src/commons/stores/memory-store.ts'
import { RedisStore } from '../../../src/commons/stores/redis-store.ts'
import { caller, neverGone, testCommons } from '../kit.ts'
import { RedisServer } from '../../kit/redis-server.ts'
import {
  isLinearizable,
  ownershipFaults,
  REGISTER,
  type Operation,
  type Ownership,
  type RegisterInput,
} from './checker.ts'

let server: RedisServer
const closing: (() => Promise<void> | void)[] = []
const bounds = storeBounds(DEFAULT_LIMITS)
const wall = (): number => Date.now()
let made = 0

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(async () => {
  for (const close of closing.toReversed()) await close()
  await server.close()
})

/** The same store through as many openings as it allows. */
const STORES: Record<string, () => Promise<Store[]>> = {
  memory: async () => [new MemoryStore(bounds, wall)],
  lmdb: async () => {
    const directory = mkdtempSync(join(tmpdir(), 'weir-linear-'))
    const store = new LmdbStore(directory, bounds, wall)
    await store.open()
    closing.push(
      () => rmSync(directory, { recursive: true }),
      () => store.close(),
    )
    return [store]
  },
  redis: async () => {
    const prefix = `linear-${(made += 1)}`
    const stores = [1, 2].map(() => new RedisStore({ url: server.url, prefix }, bounds, wall))
    for (const store of stores) {
      await store.open()
      closing.push(() => store.close())
    }
    return stores
  },
}

describe.each(Object.keys(STORES))('on the %s store', (name) => {
  it('compare-and-set of a document is linearizable', { timeout: 60_000 }, async () => {
    const stores = await STORES[name]!()
    const rooms = stores.map((store) => testCommons(undefined, store).state)
    const random = seeded(7)
    for (let round = 0; round < 20; round++) {
      const key = `register/${round}`
      const history: Operation<RegisterInput, number>[] = []
      // What a client has read last, to swap from: value and version.
      const clients = Array.from({ length: 6 }, async (_, client) => {
        const state = rooms[client % rooms.length]!
        const who = caller(`c${client}`)
        let seen: { value: number; version: number } | undefined
        for (let turn = 0; turn < 6; turn++) {
          const calledAt = performance.now()
          const value = 1 + client * 100 + turn
          const chance = random()
          if (chance < 0.4 || seen === undefined) {
            const read = await state.read(who, key).catch((error: unknown) => absent(error))
            seen = read === undefined ? undefined : { value: Number(read.value), version: read.version }
            history.push({
              calledAt,
              answeredAt: performance.now(),
              input: { do: 'read' },
              output: seen?.value ?? 0,
            })
          }
          if (seen !== undefined && chance >= 0.6) {
            const from = seen
            const at = performance.now()
            const done = await state
              .write(who, key, value, { match: [from.version] }, 0)
              .then(isWritten, isChanged)
            history.push({
              calledAt: at,
              answeredAt: performance.now(),
              input: { do: 'swap', from: from.value, value },
              output: done,
            })
          } else if (chance < 0.15) {
            const at = performance.now()
            await state.write(who, key, value, {}, 0)
            history.push({
              calledAt: at,
              answeredAt: performance.now(),
              input: { do: 'write', value },
              output: 1,
            })
          }
        }
      })
      await Promise.all(clients)
      expect(history.length).toBeGreaterThan(6)
      expect({ history, isFine: isLinearizable(history, REGISTER) }).toMatchObject({ isFine: true })
    }
  })

  it('a task has one owner at a time, and is done once', { timeout: 60_000 }, async () => {
    const stores = await STORES[name]!()
    const replicas = stores.map((store) => testCommons(undefined, store))
    const tasks = 60
    const leaseMs = 150
    for (let n = 0; n < tasks; n++) {
      await replicas[0]!.tasks.create(caller('boss'), {
        kind: 'job',
        leaseMs,
        attempts: 100,
        retryDelayMs: 0,
      })
    }
    const random = seeded(11)
    const owned: Ownership[] = []
    const done = new Map<string, number>()
    const over = new AbortController()
    const ticking = replicas.map(async (replica) => {
      while (!over.signal.aborted) {
        await replica.tick()
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })
    const workers = Array.from({ length: 12 }, async (_, index) => {
      const { dispatcher, tasks: room, store } = replicas[index % replicas.length]!
      const who = caller(`w${index}`)
      while (done.size < tasks) {
        const askedAt = store.now()
        const task = await dispatcher.claim(who, ['job'], 100, neverGone)
        if (task === undefined || task.state.in !== 'running') continue
        const from = store.now()
        let until = task.state.leaseUntil
        const chance = random()
        if (chance < 0.3) {
          // Dies: says nothing more.
        } else {
          if (chance < 0.6) {
            const beaten = await room.heartbeat(who, task.id, task.fence).catch(refused)
            if (beaten?.state.in === 'running') until = beaten.state.leaseUntil
          }
          const beforeEnd = store.now()
          const end = await room.complete(who, task.id, task.fence, index).catch(refused)
          if (end !== undefined) {
            done.set(task.id, (done.get(task.id) ?? 0) + 1)
            until = Math.min(until, beforeEnd)
          }
        }
        owned.push({ task: task.id, owner: who.agent, fence: task.fence, askedAt, from, until })
      }
    })
    await Promise.all(workers)
    over.abort()
    await Promise.all(ticking)
    // Two replicas know the time of their store to a few milliseconds.
    expect(ownershipFaults(owned, replicas.length > 1 ? 10 : 0)).toEqual([])
    expect([...done.values()].every((times) => times === 1)).toBe(true)
    expect(owned.length).toBeGreaterThan(tasks)
  })
})

function absent(error: unknown): undefined {
  if (error instanceof Refused && error.why === 'unknown') return undefined
  throw error
}

function isWritten(): number {
  return 1
}

function isChanged(error: unknown): number {
  if (error instanceof Refused && error.why === 'changed') return 0
  throw error
}

function refused(error: unknown): undefined {
  if (error instanceof Refused) return undefined
  throw error
}
