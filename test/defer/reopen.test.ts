/** A store that cannot be opened closes deferral alone, and only for as long as it cannot. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Deferral } from '../../src/defer/deferral.ts'
import { lockDirectory } from '../../src/defer/directory-lock.ts'
import { MemoryDisk } from '../../src/defer/memory-disk.ts'
import { Keyring } from '../../src/defer/seal.ts'
import { ShelfStore } from '../../src/defer/shelf-store.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { startDeferringWeir } from '../kit/deferring-weir.ts'

const BOUNDS = { calls: 10, bytes: 100_000, perAgent: 10, keepMs: 60_000, attempts: 3 }

/** Cannot be opened while it has a fault; counts how often somebody asked, and what is left open. */
class FaultyDisk extends MemoryDisk {
  tries = 0
  opened = 0

  override async open(): ReturnType<MemoryDisk['open']> {
    this.tries += 1
    if (this.fault !== undefined) throw this.fault
    this.opened += 1
    return super.open()
  }

  override async close(): Promise<void> {
    this.opened -= 1
  }
}

let disk: FaultyDisk
let told: string[]
let opened: number

function deferral(): Deferral {
  return new Deferral(
    {
      callBytes: 1000,
      answerBytes: 1000,
      ttlMs: 60_000,
      concurrency: 1,
      credentials: {},
      bounds: BOUNDS,
    },
    {
      store: new ShelfStore(disk, BOUNDS, () => Date.now()),
      keyring: new Keyring(['one secret key of at least 32 characters']),
      upstreams: ['up'],
      clock: () => performance.now(),
      wall: () => Date.now(),
      onTrouble: (message) => told.push(message),
      onOpen: () => (opened += 1),
    },
  )
}

const carry = (): Promise<never> => new Promise<never>(() => {})

describe('a store that cannot be opened at the start', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    disk = new FaultyDisk()
    disk.fault = new Error('no space left')
    told = []
    opened = 0
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is tried again every two seconds, and then takes calls', async () => {
    const room = deferral()
    await room.start(carry)
    expect([room.isOpen, disk.tries, told]).toEqual([false, 1, ['no space left']])
    await vi.advanceTimersByTimeAsync(10_000)
    expect([room.isOpen, disk.tries, opened]).toEqual([false, 6, 0])
    disk.fault = undefined
    await vi.advanceTimersByTimeAsync(2000)
    expect([room.isOpen, disk.tries, opened]).toEqual([true, 7, 1])
    await vi.advanceTimersByTimeAsync(60_000)
    expect([disk.tries, opened]).toEqual([7, 1])
    await room.close()
  })

  it('is left alone after a drain', async () => {
    const room = deferral()
    await room.start(carry)
    room.drain()
    disk.fault = undefined
    await vi.advanceTimersByTimeAsync(60_000)
    expect([room.isOpen, disk.tries]).toEqual([false, 1])
    await room.close()
  })

  it('gives its disk back when what a lost owner had cannot be written', async () => {
    disk.fault = undefined
    const store = new ShelfStore(disk, BOUNDS, () => Date.now())
    await store.open()
    const at = Date.now()
    const facts = { upstream: 'up', agent: 'a', trust: 'claimed', workflow: '', parent: '' } as const
    const rest = { priority: 'normal', idempotent: true, acceptedAt: at, expiresAt: at + 60_000 } as const
    await store.accept({ id: 'x', ...facts, ...rest, bytes: 1 }, Buffer.from('x'))
    const claim = await store.claim(['up'], 'me', 1000)
    expect(await store.markStarted('x', claim!.fence, 1000)).toBe(true)
    await store.close()
    const write = vi.spyOn(disk, 'write').mockRejectedValue(new Error('no space left'))
    const room = deferral()
    await room.start(carry)
    expect([room.isOpen, disk.opened, told]).toEqual([false, 0, ['no space left']])
    write.mockRestore()
    await vi.advanceTimersByTimeAsync(2000)
    expect([room.isOpen, disk.opened]).toEqual([true, 1])
    await room.close()
  })
})

it('a directory that another process has for a while is taken when it is free', async () => {
  const upstream = await HttpUpstream.start({ body: 'now' }, { body: 'later' })
  const first = await startDeferringWeir({ upstream: upstream.url.href })
  await first.app.stop()
  const other = await lockDirectory(join(first.dir, 'spool'))
  const weir = await first.again()
  const ask = async (): Promise<number> =>
    (await fetch(`${weir.agents}/up/x`, { method: 'POST', headers: { prefer: 'respond-async' } })).status
  expect(await ask()).toBe(200)
  await other.release()
  await vi.waitFor(async () => expect(await ask()).toBe(202), { timeout: 10_000, interval: 100 })
  expect(weir.lines.some((line) => line.includes('"open":true'))).toBe(true)
  await weir.close()
  await upstream.close()
})
