/** What every store of the commons does. An implementation passes by calling `storeContract`. */
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Change, Commit, Store, StoreBounds } from '../../src/commons/store.ts'
import { caller, FakeWall, testCommons } from './kit.ts'

export interface StoreUnderTest {
  readonly store: Store
  close(): Promise<void>
}

export const TEST_BOUNDS: StoreBounds = {
  rooms: { small: { records: 3, bytes: 1000 } },
  logs: { events: { entries: 100, bytes: 1_000_000 }, state: { entries: 1000, bytes: 500 } },
}

/** @param make opens an empty store within `TEST_BOUNDS` */
export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`the ${name} store`, () => {
    let under: StoreUnderTest
    let store: Store

    beforeEach(async () => {
      under = await make()
      store = under.store
    })
    afterEach(() => under.close())

    async function version(changes: readonly Change[]): Promise<number> {
      const commit = await store.commit(changes)
      if (!commit.ok) throw new Error(`refused: ${commit.why}`)
      return commit.version
    }

    it('has nothing where nothing was put', async () => {
      expect(await store.get('a')).toBeUndefined()
      expect(await store.scan('', '', 10)).toEqual([])
      expect(await store.marked('i', Infinity, 10)).toEqual([])
      expect(await store.read('events', 0, 10)).toEqual({ entries: [], first: 1, last: 0 })
    })

    it('gives back what was put, with the version of its commit', async () => {
      const text = 'ünïcode \u{1F600} "quoted"\nline'
      const at = await version([put('a/b', text)])
      expect(await store.get('a/b')).toEqual({ key: 'a/b', value: text, version: at })
    })

    it('grows its version with every commit, also over a deletion', async () => {
      const first = await version([put('a')])
      await store.commit([{ do: 'delete', key: 'a', expected: first }])
      const second = await version([{ do: 'put', key: 'a', value: 'y', expected: 'absent' }])
      expect(second).toBeGreaterThan(first)
    })

    it('does all of a step or nothing of it', async () => {
      const at = await version([put('a', '1', { due: 5 })])
      const refused = await store.commit([
        put('b'),
        { do: 'append', log: 'events', value: 'e' },
        { do: 'put', key: 'a', value: '2', expected: at - 1 },
      ])
      expect(refused).toEqual({ ok: false, why: 'conflict', key: 'a' })
      expect(await store.get('b')).toBeUndefined()
      expect((await store.read('events', 0, 10)).last).toBe(0)
      expect(keys(await store.marked('due', 5, 10))).toEqual(['a'])
    })

    it.each<[string, (at: number) => Change, boolean]>([
      ['put of an absent record that is there', () => ({ ...put('a'), expected: 'absent' }) as Change, false],
      ['put of the version that is there', (at) => ({ ...put('a'), expected: at }) as Change, true],
      ['check of the version that is there', (at) => ({ do: 'check', key: 'a', expected: at }), true],
      ['check of another version', (at) => ({ do: 'check', key: 'a', expected: at + 1 }), false],
      ['check of absence of what is there', () => ({ do: 'check', key: 'a', expected: 'absent' }), false],
      ['check of absence of what is not', () => ({ do: 'check', key: 'z', expected: 'absent' }), true],
      ['delete of another version', (at) => ({ do: 'delete', key: 'a', expected: at + 1 }), false],
      ['delete of whatever is there', () => ({ do: 'delete', key: 'z', expected: 'any' }), true],
      ['put of a version of what is not there', (at) => ({ ...put('z'), expected: at }) as Change, false],
    ])('judges a %s', async (_name, change, isFine) => {
      const at = await version([put('a')])
      expect((await store.commit([change(at)])).ok).toBe(isFine)
    })

    it('lets exactly one of many who write over the same version', async () => {
      const at = await version([put('a', '0')])
      const writes = Array.from({ length: 20 }, (_, n) =>
        store.commit([{ do: 'put', key: 'a', value: String(n), expected: at }]),
      )
      const done = await Promise.all(writes)
      expect(done.filter(({ ok }) => ok)).toHaveLength(1)
      const winner = done.findIndex(({ ok }) => ok)
      expect((await store.get('a'))?.value).toBe(String(winner))
    })

    it('scans by key from where one stopped', async () => {
      await store.commit(['a/1', 'a/2', 'a/3', 'b/1', 'a'].map((key) => put(key)))
      expect(keys(await store.scan('a/', '', 2))).toEqual(['a/1', 'a/2'])
      expect(keys(await store.scan('a/', 'a/2', 2))).toEqual(['a/3'])
      expect(keys(await store.scan('', '', 10))).toEqual(['a', 'a/1', 'a/2', 'a/3', 'b/1'])
    })

    it('finds marked records, the least first, and no later ones', async () => {
      await store.commit([put('c', '3', { due: 30 }), put('a', '1', { due: 10 }), put('b', '2', { due: 10 })])
      const found = await store.marked('due', 29, 10)
      expect(found.map(({ key, at, value }) => [key, at, value])).toEqual([
        ['a', 10, '1'],
        ['b', 10, '2'],
      ])
      expect(keys(await store.marked('due', Infinity, 1))).toEqual(['a'])
      expect(await store.count('due')).toBe(3)
      expect(await store.count('other')).toBe(0)
    })

    it('moves a record between indexes with each put, and out of all with its deletion', async () => {
      await store.commit([put('a', '1', { due: 10, owner: 1.5 })])
      await store.commit([put('a', '2', { due: 20 })])
      expect(await store.marked('owner', Infinity, 10)).toEqual([])
      expect((await store.marked('due', Infinity, 10)).map(({ at }) => at)).toEqual([20])
      await store.commit([{ do: 'delete', key: 'a', expected: 'any' }])
      expect(await store.marked('due', Infinity, 10)).toEqual([])
    })

    it('numbers what is appended, and reads it from where one stopped', async () => {
      const commit = await store.commit([
        { do: 'append', log: 'events', value: 'one' },
        put('a'),
        { do: 'append', log: 'events', value: 'two' },
      ])
      expect(commit).toMatchObject({ ok: true, offsets: [1, 2] })
      const { version: at } = (await store.get('a'))!
      const third = await version([{ do: 'append', log: 'events', value: 'three' }])
      expect((await store.read('events', 1, 1)).entries).toEqual([{ offset: 2, version: at, value: 'two' }])
      expect((await store.read('events', 2, 10)).entries).toEqual([
        { offset: 3, version: third, value: 'three' },
      ])
      expect((await store.read('events', 3, 10)).entries).toEqual([])
    })

    it('keeps as many entries as it may, and says where they begin', async () => {
      for (let n = 1; n <= 250; n += 50) {
        await store.commit(
          Array.from({ length: 50 }, (_, k): Change => ({
            do: 'append',
            log: 'events',
            value: String(n + k),
          })),
        )
      }
      const page = await store.read('events', 0, 1000)
      expect(page).toMatchObject({ first: 151, last: 250 })
      expect(page.entries).toHaveLength(100)
      expect(page.entries[0]).toMatchObject({ offset: 151, value: '151' })
    })

    it('keeps as many bytes of a log as it may', async () => {
      for (let n = 0; n < 10; n++)
        await store.commit([{ do: 'append', log: 'state', value: 'x'.repeat(100) }])
      expect(await store.read('state', 0, 100)).toMatchObject({ first: 6, last: 10 })
    })

    it('refuses a bounded record that a full room has no place for, and takes back none that is there', async () => {
      for (const key of ['small/1', 'small/2', 'small/3'])
        expect((await store.commit([bounded(key)])).ok).toBe(true)
      const full: Commit = { ok: false, why: 'full', room: 'small' }
      expect(await store.commit([bounded('small/4')])).toEqual(full)
      expect((await store.commit([bounded('small/1', 'yy')])).ok).toBe(true)
      expect((await store.commit([put('small/5')])).ok).toBe(true)
      await store.commit(['small/1', 'small/2'].map((key) => ({ do: 'delete', key, expected: 'any' })))
      expect(await store.commit([bounded('small/6', 'x'.repeat(1000))])).toEqual(full)
      expect((await store.commit([bounded('small/6')])).ok).toBe(true)
      expect((await store.usage())['small']).toMatchObject({ records: 3 })
    })

    it('tells whoever watches that a log has grown', async () => {
      const heard = new Promise<string>((resolve) => {
        store.watch(resolve)
      })
      await store.commit([{ do: 'append', log: 'state', value: 'x' }])
      expect(await heard).toBe('state')
    })

    it('makes several Weirs one: they conclude once, and answer alike of what each saw', async () => {
      const weirs = [1, 2, 3].map(() => testCommons(new FakeWall(), store))
      for (const { bus, flows } of weirs) {
        flows.ended('carl', 0, false, store.now())
        const event = { type: 'weir.storm.started', subject: 'api', data: {} } as const
        bus.announce(event, { about: 'storm/api', is: 'storm-started' })
      }
      await Promise.all(weirs.map((weir) => Promise.all([weir.bus.settled(), weir.tick()])))
      expect((await store.read('events', 0, 10)).last).toBe(1)
      for (const { registry, bus, changes, trouble } of weirs) {
        const [carl] = await registry.find(caller('ann'), { after: '', most: 10 })
        expect(carl).toMatchObject({ agent: 'carl', observed: { calls: 3 } })
        expect(trouble).toEqual([])
        bus.stop()
        changes.stop()
      }
    })

    it('agrees with a plain model, whatever the steps', { timeout: 60_000 }, async () => {
      const key = fc.constantFrom('m/a', 'm/b', 'm/c', 'm/d')
      const marks = fc.dictionary(fc.constantFrom('due', 'owner'), fc.integer({ min: -5, max: 5 }))
      const step = fc.oneof(
        fc.record({ do: fc.constant('put' as const), key, value: fc.string(), marks }),
        fc.record({ do: fc.constant('delete' as const), key }),
        fc.record({ do: fc.constant('append' as const), value: fc.string() }),
      )
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 12 }),
          async (commits) => {
            const own = await make()
            const model = new Map<string, { value: string; marks: Record<string, number> }>()
            const log: string[] = []
            try {
              for (const steps of commits) {
                const changes = steps.map((each): Change => {
                  if (each.do === 'append') return { do: 'append', log: 'events', value: each.value }
                  return { ...each, expected: 'any' }
                })
                await own.store.commit(changes)
                for (const each of steps) {
                  if (each.do === 'put') model.set(each.key, { value: each.value, marks: each.marks })
                  else if (each.do === 'delete') model.delete(each.key)
                  else log.push(each.value)
                }
              }
              const rows = [...model].toSorted(([one], [other]) => (one < other ? -1 : 1))
              const stored = await own.store.scan('m/', '', 100)
              expect(stored.map((row) => [row.key, row.value])).toEqual(
                rows.map(([at, row]) => [at, row.value]),
              )
              for (const index of ['due', 'owner']) {
                const marked = rows.filter(([, row]) => index in row.marks)
                const expected = marked
                  .map(([place, row]) => ({ key: place, at: row.marks[index]! }))
                  .toSorted((one, other) => one.at - other.at || (one.key < other.key ? -1 : 1))
                const found = await own.store.marked(index, 3, 100)
                expect(found.map((row) => ({ key: row.key, at: row.at }))).toEqual(
                  expected.filter(({ at }) => at <= 3),
                )
                expect(await own.store.count(index)).toBe(marked.length)
              }
              const page = await own.store.read('events', 0, 1000)
              expect(page.entries.map(({ value }) => value)).toEqual(log.slice(-100))
            } finally {
              await own.close()
            }
          },
        ),
        { numRuns: 40 },
      )
    })
  })
}

const put = (key: string, value = 'x', marks: Record<string, number> = {}): Change => ({
  do: 'put',
  key,
  value,
  expected: 'any',
  marks,
})

const keys = (rows: readonly { key: string }[]): string[] => rows.map(({ key }) => key)

const bounded = (key: string, value = 'x'): Change => ({
  do: 'put',
  key,
  value,
  expected: 'any',
  bounded: true,
})
