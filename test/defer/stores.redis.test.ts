/** The three stores of deferred calls against their one contract, and what only one of them can get wrong. */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DeferredStore, StoreBounds } from '../../src/defer/deferred-store.ts'
import { LmdbDisk } from '../../src/defer/lmdb-disk.ts'
import { MemoryDisk } from '../../src/defer/memory-disk.ts'
import { RedisStore } from '../../src/defer/redis-store.ts'
import { ShelfStore } from '../../src/defer/shelf-store.ts'
import { RedisServer } from '../kit/redis-server.ts'
import { BOUNDS, call, describeStore, type StoreHarness } from './store.contract.ts'

const BYTES = Buffer.from('bytes')

function virtual(): { now: () => number; pass: (ms: number) => Promise<void> } {
  let at = 1_800_000_000_000
  return {
    now: () => at,
    async pass(ms) {
      at += ms
      await Promise.resolve()
    },
  }
}

async function memoryHarness(): Promise<StoreHarness & { disk: MemoryDisk }> {
  const time = virtual()
  const disk = new MemoryDisk()
  return await Promise.resolve({
    ...time,
    disk,
    async open(bounds: Partial<StoreBounds> = {}) {
      const store = new ShelfStore(disk, { ...BOUNDS, ...bounds }, time.now)
      await store.open()
      return store
    },
    crash: async (store: DeferredStore) => await store.close(),
    close: async () => await Promise.resolve(),
  })
}

async function lmdbHarness(): Promise<StoreHarness & { dir: string }> {
  const time = virtual()
  const dir = await mkdtemp(join(tmpdir(), 'weir-lmdb-'))
  const opened = new Set<DeferredStore>()
  return {
    ...time,
    dir,
    async open(bounds = {}) {
      const all = { ...BOUNDS, ...bounds }
      const store = new ShelfStore(new LmdbDisk({ dir, bytes: all.bytes, calls: all.calls }), all, time.now)
      await store.open()
      opened.add(store)
      return store
    },
    // A process that is killed is `kill.test.ts`; here what was acknowledged is read by another store.
    async crash(store) {
      opened.delete(store)
      await store.close()
    },
    async close() {
      for (const store of opened) await store.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

describeStore('memory', memoryHarness)
describeStore('lmdb', lmdbHarness)

describe('a store on a disk', () => {
  it('that fails accepts nothing, loses nothing, and works again when the disk does', async () => {
    const harness = await memoryHarness()
    const store = await harness.open()
    const kept = call(harness)
    await store.accept(kept, BYTES)
    harness.disk.fault = new Error('ENOSPC')
    expect(await store.accept(call(harness), BYTES)).toBe('closed')
    await expect(store.cancel(kept.id)).rejects.toThrow('ENOSPC')
    expect(await store.view(kept.id)).toMatchObject({ state: 'waiting' })
    harness.disk.fault = undefined
    expect((await store.claim(['up'], 'me', 1000))?.facts.id).toBe(kept.id)
    expect(await store.accept(call(harness), BYTES)).toBe('accepted')
  })

  it('does not start a call whose mark cannot be written', async () => {
    const harness = await memoryHarness()
    const store = await harness.open()
    const { id } = call(harness)
    await store.accept({ ...call(harness), id }, BYTES)
    const { fence } = (await store.claim(['up'], 'me', 1000))!
    harness.disk.fault = new Error('EIO')
    await expect(store.markStarted(id, fence, 1000)).rejects.toThrow('EIO')
    harness.disk.fault = undefined
    expect(await store.view(id)).toMatchObject({ state: 'leased', attempts: 0 })
  })

  it('ends a call whose bytes are gone as failed, and goes on to the next', async () => {
    const harness = await memoryHarness()
    const store = await harness.open()
    const torn = call(harness)
    const whole = call(harness)
    await store.accept(torn, BYTES)
    await store.accept(whole, BYTES)
    harness.disk.calls.delete(torn.id)
    expect((await store.claim(['up'], 'me', 1000))?.facts.id).toBe(whole.id)
    expect(await store.view(torn.id)).toMatchObject({ state: 'failed', why: 'damaged' })
  })

  it('keeps no trace of calls that were cancelled while nobody claimed', async () => {
    const harness = await memoryHarness()
    const store = await harness.open()
    for (let times = 0; times < 3000; times += 1) {
      const facts = call(harness)
      await store.accept(facts, BYTES)
      await store.cancel(facts.id)
      await store.cancel(facts.id)
    }
    expect(await store.totals()).toMatchObject({ waiting: 0, ended: 0, bytes: 0 })
    expect(await store.claim(['up'], 'me', 1000)).toBeUndefined()
  })
})

describe('a directory of LMDB', () => {
  it('has one writer: the second is told who it is, and gets it when the first is gone', async () => {
    const harness = await lmdbHarness()
    const first = await harness.open()
    await expect(harness.open()).rejects.toThrow(`in use by process ${process.pid}`)
    await harness.crash(first)
    const second = await harness.open()
    expect(second.isOpen).toBe(true)
    await harness.close()
  })

  it('is taken over from a process that died, even if its number is used again', async () => {
    const harness = await lmdbHarness()
    const dead = { host: (await import('node:os')).hostname(), pid: process.pid, started: '1', token: 'x' }
    await writeFile(join(harness.dir, 'lock'), JSON.stringify(dead))
    const store = await harness.open()
    expect(store.isOpen).toBe(true)
    await harness.close()
  })

  it('leaves a record alone that is not what was written, and gives the others', async () => {
    const harness = await lmdbHarness()
    const store = await harness.open()
    const torn = call(harness)
    const whole = call(harness)
    await store.accept(torn, BYTES)
    await store.accept(whole, BYTES)
    await harness.crash(store)
    const path = join(harness.dir, 'calls.mdb')
    const bytes = await readFile(path)
    let flipped = 0
    for (
      let at = bytes.indexOf(`"id":"${torn.id}"`);
      at !== -1;
      at = bytes.indexOf(`"id":"${torn.id}"`, at + 1)
    ) {
      bytes[at + 7] = bytes[at + 7]! ^ 1
      flipped += 1
    }
    expect(flipped).toBeGreaterThan(0)
    await copyFile(path, `${path}.was`)
    await writeFile(path, bytes)
    const again = await harness.open()
    expect((await again.claim(['up'], 'me', 1000))?.facts.id).toBe(whole.id)
    expect(await again.claim(['up'], 'me', 1000)).toBeUndefined()
    await harness.close()
  })

  it('is for its owner only', async () => {
    const harness = await lmdbHarness()
    await (await harness.open()).accept(call(harness), BYTES)
    const { stat } = await import('node:fs/promises')
    expect((await stat(harness.dir)).mode & 0o77).toBe(0)
    for (const name of await readdir(harness.dir)) {
      expect([name, (await stat(join(harness.dir, name))).mode & 0o77]).toEqual([name, 0])
    }
    await harness.close()
  })
})

describe('with a real Redis', () => {
  let server: RedisServer
  let prefixes = 0
  beforeAll(async () => {
    server = await RedisServer.startDurable()
  })
  afterAll(async () => await server.close())

  async function redisHarness(): Promise<StoreHarness> {
    const prefix = `t${(prefixes += 1)}`
    const opened = new Set<DeferredStore>()
    return await Promise.resolve({
      now: () => Date.now(),
      pass: async (ms: number) => await new Promise<void>((resolve) => setTimeout(resolve, ms + 5)),
      async open(bounds: Partial<StoreBounds> = {}) {
        const store = new RedisStore({ url: server.url, prefix }, { ...BOUNDS, ...bounds })
        await store.open()
        opened.add(store)
        return store
      },
      async crash(store: DeferredStore) {
        opened.delete(store)
        await store.close()
      },
      async close() {
        for (const store of opened) await store.close()
      },
    })
  }
  describeStore('redis', redisHarness)

  it('two stores never have the same call, however they hurry', async () => {
    const harness = await redisHarness()
    const [one, other] = [await harness.open(), await harness.open()]
    const ids: string[] = []
    for (let calls = 0; calls < 40; calls += 1) {
      const facts = call(harness)
      ids.push(facts.id)
      await one.accept(facts, BYTES)
    }
    const taken: string[] = []
    await Promise.all(
      [one, other, one, other].map(async (store) => {
        for (
          let got = await store.claim(['up'], 'me', 5000);
          got;
          got = await store.claim(['up'], 'me', 5000)
        )
          taken.push(got.facts.id)
      }),
    )
    expect(taken.toSorted()).toEqual(ids.toSorted())
    await harness.close()
  })

  it('all keys are in one slot and none stays when all has ended', async () => {
    const harness = await redisHarness()
    const store = await harness.open({ keepMs: 10 })
    const facts = call(harness)
    await store.accept(facts, BYTES)
    await store.cancel(facts.id)
    await harness.pass(20)
    await store.sweep()
    const { Redis } = await import('ioredis')
    const redis = new Redis(server.url)
    const keys = (await redis.keys('*')).filter((key) => key.includes(`t${prefixes}}`))
    redis.disconnect()
    expect(keys).toEqual([`{t${prefixes}}:totals`])
    await harness.close()
  })

  it('an accept whose receipt is lost is found out: it is in the store, or it never will be', async () => {
    const harness = await redisHarness()
    const store = await harness.open()
    const facts = call(harness)
    server.freeze()
    const said = store.accept(facts, BYTES)
    // Longer than a command may take, so that its receipt is given up.
    await new Promise((resolve) => setTimeout(resolve, 2200))
    server.thaw()
    const acceptance = await said
    const isThere = (await store.view(facts.id)) !== undefined
    expect([acceptance, isThere]).toEqual(isThere ? ['accepted', true] : ['closed', false])
    await harness.close()
  })

  it('a Redis that is killed and comes back has all that was accepted; meanwhile nothing is promised', async () => {
    const own = await RedisServer.startDurable()
    const store = new RedisStore({ url: own.url, prefix: 'k' }, BOUNDS)
    await store.open()
    const time = { now: () => Date.now() }
    const facts = call({ ...time } as StoreHarness)
    expect(await store.accept(facts, BYTES)).toBe('accepted')
    await own.kill()
    for (let tries = 0; tries < 100 && store.isOpen; tries += 1) await new Promise((r) => setTimeout(r, 10))
    expect(store.isOpen).toBe(false)
    expect(await store.accept(call({ ...time } as StoreHarness), BYTES)).toBe('closed')
    await expect(store.view(facts.id)).rejects.toThrow('Redis')
    await own.run()
    for (let tries = 0; tries < 800 && !store.isOpen; tries += 1) await new Promise((r) => setTimeout(r, 10))
    expect((await store.claim(['up'], 'me', 1000))?.facts.id).toBe(facts.id)
    await store.close()
    await own.close()
  })

  it('a Redis that keeps nothing is not promised on', async () => {
    const own = await RedisServer.start()
    const told: string[] = []
    const store = new RedisStore({ url: own.url, prefix: 'v', onTrouble: (text) => told.push(text) }, BOUNDS)
    await store.open()
    expect(store.isOpen).toBe(false)
    expect(told.join()).toContain('appendonly yes')
    await store.close()
    await own.close()
  })
})
