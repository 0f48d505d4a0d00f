import * as fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { everybodyMay } from '../../src/commons/caller.ts'
import { SchemaBook } from '../../src/commons/schemas/schema-book.ts'
import { Validators } from '../../src/commons/schemas/validator.ts'
import { State } from '../../src/commons/state/state.ts'
import type { Store } from '../../src/commons/store.ts'
import { MemoryStore } from '../../src/commons/stores/memory-store.ts'
import { caller, FakeWall, memoryStore, refusal } from './kit.ts'

const ann = caller('ann')
const bob = caller('bob')
let wall: FakeWall
let store: Store
let state: State
let schemas: SchemaBook

function over(made: Store, history = 3): State {
  store = made
  schemas = new SchemaBook(store, everybodyMay, new Validators())
  return new State(store, everybodyMay, schemas, { history, recordBytes: 10_000 })
}

beforeEach(() => {
  wall = new FakeWall()
  state = over(memoryStore(wall))
})

describe('a document', () => {
  it('is read as it was written, with who wrote it and when', async () => {
    const { version, created } = await state.write(ann, 'plan/a', { step: 1 }, {}, 0)
    expect(created).toBe(true)
    const document = { key: 'plan/a', version, value: { step: 1 }, by: 'ann', at: wall.at, expiresAt: 0 }
    expect(await state.read(bob, 'plan/a')).toEqual(document)
  })

  it('that nobody wrote is not there', async () => {
    expect(await refusal(state.read(ann, 'none'))).toBe('unknown')
    expect(await refusal(state.remove(ann, 'none', {}))).toBe('unknown')
  })

  it('is written over only by whom has seen its newest version', async () => {
    const first = await state.write(ann, 'a', 1, { noneMatch: '*' }, 0)
    expect(await refusal(state.write(bob, 'a', 2, { noneMatch: '*' }, 0))).toBe('changed')
    const second = await state.write(bob, 'a', 2, { match: [first.version] }, 0)
    expect(second.created).toBe(false)
    expect(await refusal(state.write(ann, 'a', 3, { match: [first.version] }, 0))).toBe('changed')
    expect((await state.read(ann, 'a')).value).toBe(2)
    expect(await refusal(state.remove(ann, 'a', { match: [first.version] }))).toBe('changed')
    await state.remove(ann, 'a', { match: [second.version] })
    expect(await refusal(state.write(ann, 'a', 3, { match: '*' }, 0))).toBe('changed')
  })

  it('lets one of a hundred concurrent writers through who all expect the same version', async () => {
    const { version } = await state.write(ann, 'a', 0, {}, 0)
    const writers = Array.from({ length: 100 }, (_, n) =>
      refusal(state.write(ann, 'a', n, { match: [version] }, 0)),
    )
    const ends = await Promise.all(writers)
    expect(ends.filter((end) => end === 'none')).toHaveLength(1)
    expect(ends.filter((end) => end === 'changed')).toHaveLength(99)
  })

  it('is gone at the instant its time is over, and may then be created anew', async () => {
    await state.write(ann, 'a', 1, {}, 1000)
    wall.pass(999)
    expect((await state.read(ann, 'a')).value).toBe(1)
    wall.pass(1)
    expect(await refusal(state.read(ann, 'a'))).toBe('unknown')
    expect(await state.list(ann, '', '', 10)).toEqual([])
    expect((await state.write(bob, 'a', 2, { noneMatch: '*' }, 0)).created).toBe(true)
    expect(await state.history(bob, 'a')).toHaveLength(1)
    expect(await state.sweep()).toBe(0)
  })

  it('that has expired is swept, with its history, and its watchers are told', async () => {
    await state.write(ann, 'a', 1, {}, 0)
    await state.write(ann, 'a', 2, {}, 1000)
    wall.pass(86_400_000)
    expect(await state.sweep()).toBe(1)
    expect(await store.scan('', '', 10)).toEqual([])
    const { entries } = await store.read('state', 0, 10)
    expect(JSON.parse(entries.at(-1)!.value)).toMatchObject({ key: 'a', change: 'expired', by: 'weir' })
  })

  it('keeps its last versions, and no more', async () => {
    for (let n = 1; n <= 6; n++) await state.write(ann, 'a', n, {}, 0)
    await state.write(ann, 'a/b', 'other', {}, 0)
    expect((await state.history(ann, 'a')).map(({ value }) => value)).toEqual([6, 5, 4, 3])
    await state.remove(ann, 'a', {})
    expect(await store.scan('state-history/a@', '', 10)).toEqual([])
  })

  it('is still written when there is no room for its history', async () => {
    const logs = { events: { entries: 9, bytes: 9999 }, state: { entries: 9, bytes: 9999 } }
    state = over(new MemoryStore({ rooms: { 'state-history': { records: 1, bytes: 1e6 } }, logs }, wall.now))
    for (let n = 1; n <= 4; n++) await state.write(ann, 'a', n, {}, 0)
    expect((await state.read(ann, 'a')).value).toBe(4)
  })

  it('that is too large, or does not fit the schema of its prefix, is refused with the reason', async () => {
    expect(await refusal(state.write(ann, 'a', 'x'.repeat(20_000), {}, 0))).toBe('too-large')
    const schema = { type: 'object', required: ['step'], properties: { step: { type: 'integer' } } }
    await schemas.put(ann, 'state', 'plan/', schema)
    await schemas.put(ann, 'state', 'plan/free/', true)
    await expect(state.write(ann, 'plan/a', { step: 'two' }, {}, 0)).rejects.toMatchObject({
      why: 'contract',
      faults: [{ where: '/step', found: expect.stringContaining('integer') as string }],
    })
    await state.write(ann, 'plan/a', { step: 2 }, {}, 0)
    await state.write(ann, 'plan/free/a', 'anything', {}, 0)
    await state.write(ann, 'planet', 'anything', {}, 0)
  })

  it('is listed by prefix, page by page', async () => {
    for (const key of ['a/1', 'a/2', 'a/3', 'b/1']) await state.write(ann, key, key, {}, 0)
    expect((await state.list(ann, 'a/', '', 2)).map(({ key }) => key)).toEqual(['a/1', 'a/2'])
    expect((await state.list(ann, 'a/', 'a/2', 2)).map(({ key }) => key)).toEqual(['a/3'])
  })

  it('agrees with a plain model, whatever is written, removed and waited for', async () => {
    const key = fc.constantFrom('a', 'b')
    const step = fc.oneof(
      fc.record({
        do: fc.constant('write' as const),
        key,
        value: fc.integer(),
        ttl: fc.constantFrom(0, 10, 50),
      }),
      fc.record({ do: fc.constant('remove' as const), key }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 9, 10, 60) }),
      fc.record({ do: fc.constant('sweep' as const) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const own = new FakeWall()
        const tested = over(memoryStore(own))
        const model = new Map<string, { value: number; until: number }>()
        for (const each of steps) {
          if (each.do === 'write') {
            await tested.write(ann, each.key, each.value, {}, each.ttl)
            model.set(each.key, { value: each.value, until: each.ttl === 0 ? Infinity : own.at + each.ttl })
          } else if (each.do === 'remove') {
            await refusal(tested.remove(ann, each.key, {}))
            model.delete(each.key)
          } else if (each.do === 'pass') own.pass(each.ms)
          else await tested.sweep()
          const alive = [...model]
            .filter(([, { until }]) => until > own.at)
            .toSorted(([one], [two]) => (one < two ? -1 : 1))
          const listed = await tested.list(ann, '', '', 10)
          expect(listed.map((row) => [row.key, row.value])).toEqual(
            alive.map(([name, row]) => [name, row.value]),
          )
        }
      }),
      { numRuns: 100 },
    )
  })
})
