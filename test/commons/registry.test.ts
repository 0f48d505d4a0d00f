import { beforeEach, describe, expect, it } from 'vitest'
import { registration } from '../../src/commons/registry/registration.ts'
import { FlowBook } from '../../src/commons/registry/flow-book.ts'
import { caller, memoryStore, refusal, testCommons, type TestCommons } from './kit.ts'

const ann = caller('ann')
const reviewer = registration.parse({ capabilities: [{ name: 'review', version: '2' }], ttlMs: 10_000 })
let commons: TestCommons

beforeEach(() => {
  commons = testCommons()
})

async function names(query: object): Promise<string[]> {
  const found = await commons.registry.find(ann, { after: '', most: 100, ...query })
  return found.map(({ agent }) => agent)
}

describe('the registry', () => {
  it('finds who can do something and is alive', async () => {
    await commons.registry.register(ann, 'ann', reviewer)
    await commons.registry.register(
      caller('bob'),
      'bob',
      registration.parse({ capabilities: [{ name: 'draft' }] }),
    )
    expect(await names({ capability: 'review', live: true })).toEqual(['ann'])
    expect(await names({ capability: 'review', version: '1' })).toEqual([])
    expect(await names({})).toEqual(['ann', 'bob'])
  })

  it('lets an agent go that gives no sign of life, and says so', async () => {
    await commons.registry.register(ann, 'ann', reviewer)
    commons.wall.pass(9999)
    await commons.registry.heartbeat(ann, 'ann')
    commons.wall.pass(9999)
    await commons.tick()
    expect(await names({ live: true })).toEqual(['ann'])
    commons.wall.pass(1)
    expect(await names({ live: true })).toEqual([])
    await commons.tick()
    expect(await commons.told()).toEqual(['weir.agent.joined ann', 'weir.agent.left ann'])
    expect(await refusal(commons.registry.heartbeat(ann, 'ann'))).toBe('unknown')
  })

  it('after an idle day has nobody, and takes whoever comes back', async () => {
    await commons.registry.register(ann, 'ann', reviewer)
    commons.wall.pass(86_400_000)
    await commons.tick()
    expect(await names({})).toEqual([])
    await commons.registry.register(ann, 'ann', reviewer)
    expect(await names({ capability: 'review' })).toEqual(['ann'])
  })

  it('lets nobody speak for another', async () => {
    expect(await refusal(commons.registry.register(ann, 'bob', reviewer))).toBe('forbidden')
    expect(await refusal(commons.registry.heartbeat(ann, 'bob'))).toBe('forbidden')
    expect(await refusal(commons.registry.leave(ann, 'bob'))).toBe('forbidden')
  })

  it('shows agents from their traffic alone, and joins traffic with what they said', async () => {
    const { at } = commons.wall
    commons.flows.ended('carl', 1, false, at)
    commons.flows.ended('ann', 0, true, at)
    commons.flows.ended('ann', 0, false, at)
    await commons.registry.register(ann, 'ann', reviewer)
    expect(await names({})).toEqual(['ann', 'carl'])
    expect(await commons.registry.get(ann, 'ann')).toMatchObject({
      registered: true,
      live: true,
      observed: { calls: 2, errorRatio: 0.5, flows: [{ upstream: 'api', condition: 'healthy' }] },
    })
    expect(await commons.registry.get(ann, 'carl')).toMatchObject({
      registered: false,
      live: true,
      capabilities: [],
    })
    commons.wall.pass(60_001)
    expect((await commons.registry.get(ann, 'carl')).live).toBe(false)
    expect(await refusal(commons.registry.get(ann, 'nobody'))).toBe('unknown')
  })

  it('does not take what an agent sent before it left for a sign of life', async () => {
    await commons.registry.register(ann, 'ann', reviewer)
    commons.flows.ended('ann', 0, false, commons.wall.at)
    await commons.registry.leave(ann, 'ann')
    expect(await commons.registry.get(ann, 'ann')).toMatchObject({ registered: false, live: false })
    expect(await commons.registry.count()).toEqual({ registered: 0, seen: 0 })
    commons.wall.pass(1)
    commons.flows.ended('ann', 0, false, commons.wall.at)
    expect(await commons.registry.get(ann, 'ann')).toMatchObject({ registered: false, live: true })
    expect(await commons.registry.count()).toEqual({ registered: 0, seen: 1 })
  })

  it('lists by name in pages, those it only saw among the others', async () => {
    for (let n = 0; n < 300; n++) await commons.registry.register(caller(`a${n}`), `a${n}`, reviewer)
    commons.flows.ended('a150x', 0, false, commons.wall.at)
    commons.flows.ended('zed', 0, false, commons.wall.at)
    const found: string[] = []
    for (
      let page = await names({ most: 50 });
      page.length > 0;
      page = await names({ most: 50, after: found.at(-1) })
    ) {
      found.push(...page)
    }
    const expected = [...Array.from({ length: 300 }, (_, n) => `a${n}`), 'a150x', 'zed'].toSorted()
    expect(found).toEqual(expected)
  })
})

describe('the registry of several Weirs on one store', () => {
  let other: TestCommons

  beforeEach(() => {
    const store = memoryStore(commons.wall)
    commons = testCommons(commons.wall, store)
    other = testCommons(commons.wall, store)
  })

  /** Until what was seen is told, and what was read is old. */
  async function told(): Promise<void> {
    commons.wall.pass(5000)
    await commons.tick()
    await other.tick()
  }

  it('answers alike whichever is asked: sums of what each saw, and the latest of it', async () => {
    const { at } = commons.wall
    commons.flows.ended('carl', 0, true, at)
    commons.flows.ended('carl', 1, false, at)
    other.flows.ended('carl', 0, false, at + 1000)
    other.flows.ended('dora', 0, false, at)
    await told()
    expect(await names({})).toEqual(['carl', 'dora'])
    const carl = await commons.registry.get(ann, 'carl')
    expect(carl).toMatchObject({
      live: true,
      observed: { calls: 3, errorRatio: 1 / 3, lastSeenAt: at + 1000 },
    })
    expect(carl.observed?.flows.toSorted((a, b) => a.upstream.localeCompare(b.upstream))).toEqual([
      { upstream: 'api', calls: 2, errorRatio: 0.5, lastSeenAt: at + 1000, condition: 'healthy' },
      { upstream: 'tool', calls: 1, errorRatio: 0, lastSeenAt: at, condition: 'healthy' },
    ])
    expect(await other.registry.get(ann, 'carl')).toMatchObject({
      live: true,
      observed: { calls: 3, errorRatio: 1 / 3, lastSeenAt: at + 1000 },
    })
  })

  it('forgets what a Weir saw that is no longer there, and keeps what one saw that is idle', async () => {
    commons.flows.ended('carl', 0, false, commons.wall.at)
    other.flows.ended('dora', 0, false, commons.wall.at)
    await told()
    for (let passed = 0; passed < 60_000; passed += 5000) {
      commons.wall.pass(5000)
      await commons.tick()
    }
    expect(await names({})).toEqual(['carl'])
    expect((await other.registry.get(ann, 'carl')).observed?.calls).toBe(1)
    expect(await commons.store.scan('seen/', '', 10)).toHaveLength(1)
  })

  it('takes nobody for alive who left at another Weir, until the next call', async () => {
    other.flows.ended('ann', 0, false, commons.wall.at)
    await commons.registry.register(ann, 'ann', reviewer)
    await told()
    await commons.registry.leave(ann, 'ann')
    expect((await commons.registry.get(ann, 'ann')).live).toBe(false)
    await told()
    expect((await other.registry.get(ann, 'ann')).live).toBe(false)
    other.flows.ended('ann', 0, false, commons.wall.at)
    await told()
    expect((await commons.registry.get(ann, 'ann')).live).toBe(true)
  })

  it('tells the busiest of those that were there lately, and no more than 200', async () => {
    const { at } = commons.wall
    for (let n = 0; n < 3; n++) other.flows.ended('old', 0, false, at - 120_000)
    for (let n = 0; n < 300; n++) other.flows.ended(`a${n}`, 0, false, at)
    for (let n = 0; n < 2; n++) other.flows.ended('busy', 0, false, at)
    await told()
    const found = await names({ most: 1000 })
    expect(found).toHaveLength(200)
    expect(found).toContain('busy')
    expect(found).not.toContain('old')
  })
})

describe('the book of flows', () => {
  it('holds no more agents than it may, whatever their names', () => {
    const book = new FlowBook(100, {
      upstream: () => ({ name: 'api', condition: 'healthy' }),
      agent: () => 'ordinary',
    })
    for (let n = 0; n < 10_000; n++) book.ended(`agent-${n}`, 0, false, n)
    expect(book.names('')).toHaveLength(100)
    expect(book.of('agent-9999')).toMatchObject({ flows: [{ calls: 1 }] })
  })
})
