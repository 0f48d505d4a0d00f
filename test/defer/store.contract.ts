/** What every store of deferred calls must do; run by `stores.test.ts` against each of them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeferredFacts } from '../../src/defer/deferred-call.ts'
import type { DeferredStore, StoreBounds } from '../../src/defer/deferred-store.ts'

export interface StoreHarness {
  /** A store on the same data as every other one of this harness. */
  open(bounds?: Partial<StoreBounds>): Promise<DeferredStore>
  /** Ends a store as a crash would: nothing is told to it. */
  crash(store: DeferredStore): Promise<void>
  now(): number
  /** Lets time go by for the store. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}

export const BOUNDS: StoreBounds = {
  calls: 100,
  bytes: 1_000_000,
  perAgent: 50,
  keepMs: 60_000,
  attempts: 3,
}
const LEASE = 30_000
const UP = ['up']
let count = 0

export function call(harness: StoreHarness, changes: Partial<DeferredFacts> = {}): DeferredFacts {
  const at = harness.now()
  const id = `call-${(count += 1).toString().padStart(17, '0')}`
  return {
    id,
    upstream: 'up',
    agent: 'clerk',
    trust: 'claimed',
    workflow: '',
    parent: '',
    priority: 'normal',
    idempotent: false,
    acceptedAt: at,
    expiresAt: at + 60_000,
    bytes: 5,
    ...changes,
  }
}

const BYTES = Buffer.from([0, 255, 10, 13, 128])

export function describeStore(name: string, start: () => Promise<StoreHarness>): void {
  describe(`the ${name} store`, () => {
    let harness: StoreHarness
    let store: DeferredStore
    const accept = async (changes: Partial<DeferredFacts> = {}): Promise<string> => {
      const facts = call(harness, changes)
      expect(await store.accept(facts, BYTES)).toBe('accepted')
      return facts.id
    }
    const claim = async (on: DeferredStore = store, leaseMs = LEASE) => await on.claim(UP, 'me', leaseMs)
    const state = async (id: string): Promise<string> => (await store.view(id))?.state ?? 'none'

    beforeEach(async () => {
      harness = await start()
      store = await harness.open()
    })
    afterEach(async () => {
      await harness.close()
    })

    it('keeps a call byte for byte, and gives it to one', async () => {
      const id = await accept({ agent: 'naïve', priority: 'batch', idempotent: true })
      expect(await state(id)).toBe('waiting')
      const claimed = await claim()
      expect(claimed?.call).toEqual(BYTES)
      expect(claimed?.facts).toMatchObject({ id, agent: 'naïve', priority: 'batch', idempotent: true })
      expect(await claim()).toBeUndefined()
      expect(await state(id)).toBe('leased')
    })

    it('goes from started to done with its answer, and does not keep what was asked', async () => {
      const id = await accept()
      const { fence } = (await claim())!
      expect(await store.markStarted(id, fence, LEASE)).toBe(true)
      expect(await store.view(id)).toMatchObject({ state: 'started', attempts: 1 })
      const answer = Buffer.from('an answer')
      expect(await store.finish(id, fence, { ending: 'done', why: '', status: 201 }, answer)).toBe(true)
      expect(await store.view(id)).toMatchObject({ state: 'done', status: 201, why: '' })
      expect(await store.answer(id)).toEqual(answer)
      expect(await store.totals()).toMatchObject({ waiting: 0, running: 0, ended: 1, bytes: answer.length })
    })

    it('refuses a second mark of the same claim, and every move with an older fence', async () => {
      const id = await accept()
      const old = (await claim())!
      expect(await store.postpone(id, old.fence, 0)).toBe(true)
      const fresh = (await claim())!
      expect(fresh.fence).toBeGreaterThan(old.fence)
      expect(await store.markStarted(id, old.fence, LEASE)).toBe(false)
      expect(await store.renew(id, old.fence, LEASE)).toBe(false)
      expect(await store.postpone(id, old.fence, 0)).toBe(false)
      const end = { ending: 'done', why: '', status: 200 } as const
      expect(await store.finish(id, old.fence, end, BYTES)).toBe(false)
      expect(await store.markStarted(id, fresh.fence, LEASE)).toBe(true)
      expect(await store.markStarted(id, fresh.fence, LEASE)).toBe(false)
    })

    it('takes a lease back that ran out before the start, and the late owner cannot start', async () => {
      const id = await accept()
      const late = (await claim(store, 40))!
      await harness.pass(60)
      expect(await store.sweep()).toMatchObject({ requeued: 1, unknown: 0 })
      expect(await store.markStarted(id, late.fence, LEASE)).toBe(false)
      expect((await claim())?.facts.id).toBe(id)
    })

    it('never gives out again what was started and may not be sent twice', async () => {
      const id = await accept({ idempotent: false })
      const { fence } = (await claim())!
      await store.markStarted(id, fence, 40)
      await harness.pass(60)
      expect(await store.sweep()).toMatchObject({ requeued: 0, unknown: 1 })
      expect(await store.view(id)).toMatchObject({ state: 'unknown', why: 'owner-lost' })
      expect(await claim()).toBeUndefined()
      const end = { ending: 'done', why: '', status: 200 } as const
      expect(await store.finish(id, fence, end, BYTES)).toBe(false)
    })

    it('gives out again what was started and may be sent twice, as often as is allowed', async () => {
      const id = await accept({ idempotent: true })
      for (let attempts = 0; attempts < BOUNDS.attempts; attempts += 1) {
        const claimed = (await claim())!
        expect(claimed.attempts).toBe(attempts)
        await store.markStarted(id, claimed.fence, 20)
        await harness.pass(40)
        await store.sweep()
      }
      expect(await store.view(id)).toMatchObject({ state: 'unknown', attempts: BOUNDS.attempts })
    })

    it('a lease that is renewed does not run out', async () => {
      await accept()
      const { facts, fence } = (await claim(store, 60))!
      expect(await store.renew(facts.id, fence, LEASE)).toBe(true)
      await harness.pass(80)
      expect(await store.sweep()).toMatchObject({ requeued: 0 })
      expect(await store.markStarted(facts.id, fence, LEASE)).toBe(true)
    })

    it('does not give out before its time what was put back', async () => {
      const id = await accept()
      const { fence } = (await claim())!
      await store.postpone(id, fence, 60)
      expect(await claim()).toBeUndefined()
      await harness.pass(80)
      expect((await claim())?.facts.id).toBe(id)
    })

    it('gives out the urgent first, then in order; one of few goes before the tail of many', async () => {
      const first = await accept({ agent: 'many' })
      const second = await accept({ agent: 'many' })
      const single = await accept({ agent: 'single' })
      const urgent = await accept({ agent: 'other', priority: 'critical' })
      const order: string[] = []
      for (let left = await claim(); left !== undefined; left = await claim()) order.push(left.facts.id)
      expect(order).toEqual([urgent, first, single, second])
    })

    it('gives out only calls of the upstreams that are asked for', async () => {
      await accept({ upstream: 'down' })
      const id = await accept({ upstream: 'up' })
      expect((await claim())?.facts.id).toBe(id)
      expect(await claim()).toBeUndefined()
      expect(await store.claim(['down', 'up'], 'me', LEASE)).toBeDefined()
    })

    it('expires what waited too long, and not what runs', async () => {
      const waits = await accept({ expiresAt: harness.now() + 60 })
      await harness.pass(1)
      const runs = await accept({ upstream: 'other', expiresAt: harness.now() + 60 })
      const claimed = (await store.claim(['other'], 'me', LEASE))!
      await store.markStarted(runs, claimed.fence, LEASE)
      await harness.pass(90)
      expect(await store.sweep()).toMatchObject({ expired: 1 })
      expect([await state(waits), await state(runs)]).toEqual(['expired', 'started'])
      expect(await claim()).toBeUndefined()
      expect((await store.totals()).endings).toMatchObject({ expired: 1 })
    })

    it('removes ends that were kept long enough', async () => {
      await harness.crash(store)
      store = await harness.open({ keepMs: 30 })
      const id = await accept()
      expect(await store.cancel(id)).toBe('cancelled')
      await harness.pass(50)
      expect(await store.sweep()).toMatchObject({ removed: 1 })
      expect(await store.view(id)).toBeUndefined()
      expect(await store.totals()).toMatchObject({ waiting: 0, running: 0, ended: 0, bytes: 0 })
    })

    it('cancels what waits, not what runs, and removes what has ended', async () => {
      const waits = await accept()
      expect(await store.cancel(waits)).toBe('cancelled')
      expect(await store.view(waits)).toMatchObject({ state: 'failed', why: 'cancelled' })
      expect(await claim()).toBeUndefined()
      expect(await store.cancel(waits)).toBe('removed')
      expect(await store.cancel(waits)).toBe('none')
      const runs = await accept()
      await claim()
      expect(await store.cancel(runs)).toBe('running')
    })

    it('refuses more calls, more bytes, or more of one agent than it may have, and has room again', async () => {
      await harness.crash(store)
      store = await harness.open({ calls: 3, perAgent: 2, bytes: 100 })
      const first = await accept()
      await accept()
      expect(await store.accept(call(harness), BYTES)).toBe('full')
      const large = Buffer.alloc(200)
      expect(await store.accept(call(harness, { agent: 'b', bytes: 200 }), large)).toBe('full')
      await accept({ agent: 'b' })
      expect(await store.accept(call(harness, { agent: 'c' }), BYTES)).toBe('full')
      expect(await store.cancel(first)).toBe('cancelled')
      expect(await store.cancel(first)).toBe('removed')
      expect(await store.accept(call(harness), BYTES)).toBe('accepted')
      expect((await store.totals()).waiting).toBe(3)
    })

    it('has after a crash all that was accepted, in the same order, and what had ended', async () => {
      const ended = await accept()
      await store.finish(ended, (await claim())!.fence, { ending: 'done', why: '', status: 200 }, BYTES)
      const ids = [await accept(), await accept(), await accept({ agent: 'b' })]
      const before = await store.totals()
      await harness.crash(store)
      store = await harness.open()
      expect(await store.answer(ended)).toEqual(BYTES)
      expect(await store.totals()).toMatchObject({ waiting: before.waiting, ended: 1, bytes: before.bytes })
      const order: string[] = []
      for (let left = await claim(); left !== undefined; left = await claim()) {
        order.push(left.facts.id)
        expect(left.call).toEqual(BYTES)
      }
      expect(order).toEqual([ids[0], ids[2], ids[1]])
    })

    it('knows after a crash what was started: it may have been sent', async () => {
      const once = await accept({ idempotent: false })
      await store.markStarted(once, (await claim())!.fence, 30)
      const again = await accept({ idempotent: true })
      await store.markStarted(again, (await claim())!.fence, 30)
      await harness.crash(store)
      store = await harness.open()
      await harness.pass(50)
      await store.sweep()
      expect(await store.view(once)).toMatchObject({ state: 'unknown', why: 'owner-lost' })
      expect((await claim())?.facts.id).toBe(again)
      expect(await claim()).toBeUndefined()
    })

    it('counts what it has, at every step', async () => {
      const id = await accept()
      await accept()
      expect(await store.totals()).toMatchObject({ waiting: 2, running: 0, ended: 0, bytes: 10 })
      expect((await store.totals()).oldestAt).toBeGreaterThan(0)
      const { fence } = (await claim())!
      expect(await store.totals()).toMatchObject({ waiting: 1, running: 1 })
      await store.finish(id, fence, { ending: 'failed', why: 'refused', status: 403 }, BYTES)
      await store.cancel((await claim())?.facts.id ?? '')
      expect((await store.totals()).endings).toMatchObject({ done: 0, failed: 1, expired: 0, unknown: 0 })
    })

    it('is closed when it is closed, and says so', async () => {
      await store.close()
      expect(store.isOpen).toBe(false)
      expect(await store.accept(call(harness), BYTES)).toBe('closed')
      store = await harness.open()
      expect(store.durability.length).toBeGreaterThan(20)
    })
  })
}
