import { beforeEach, describe, expect, it } from 'vitest'
import { registration } from '../../src/commons/registry/registration.ts'
import { FlowBook } from '../../src/commons/registry/flow-book.ts'
import { caller, refusal, testCommons, type TestCommons } from './kit.ts'

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

describe('the book of flows', () => {
  it('holds no more agents than it may, whatever their names', () => {
    const book = new FlowBook(100, {
      upstream: () => ({ name: 'api', condition: 'healthy' }),
      agent: () => 'ordinary',
    })
    for (let n = 0; n < 10_000; n++) book.ended(`agent-${n}`, 0, false, n)
    expect(book.names('')).toHaveLength(100)
    expect(book.of('agent-9999')).toMatchObject({ calls: 1 })
  })
})
