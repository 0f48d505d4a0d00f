import * as fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { type BusEvent, eventsOf } from '../../src/commons/events/cloud-event.ts'
import { eventFilter, fits } from '../../src/commons/events/event-filter.ts'
import { groupSettings } from '../../src/commons/events/groups.ts'
import { Refused } from '../../src/commons/refused.ts'
import { caller, memoryStore, neverGone, refusal, testCommons, type TestCommons } from './kit.ts'

const ann = caller('ann', 'run-7')
const bob = caller('bob')
let commons: TestCommons

beforeEach(() => {
  commons = testCommons()
})

let made = 0
function event(type: string, data: unknown = {}, id = `e${(made += 1)}`): BusEvent {
  const body = Buffer.from(JSON.stringify({ specversion: '1.0', id, source: '/test', type, data }))
  return eventsOf({ headers: { 'content-type': 'application/cloudevents+json' }, body }, ann, 0, 10_000)[0]!
}

function read(headers: Record<string, string>, body: string): BusEvent[] {
  return eventsOf({ headers, body: Buffer.from(body) }, ann, 0, 10_000)
}

describe('a message', () => {
  const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 'a.b' }

  it('in binary mode is read with its extensions, its sender and its correlation', () => {
    const headers = { ...binary, 'ce-mood': 'fine', 'ce-sender': 'eve', 'content-type': 'application/json' }
    expect(read(headers, '{"n":1}')).toEqual([
      {
        specversion: '1.0',
        id: '1',
        source: '/s',
        type: 'a.b',
        time: expect.any(String) as string,
        datacontenttype: 'application/json',
        mood: 'fine',
        sender: 'ann',
        correlationid: 'run-7',
        data: { n: 1 },
      },
    ])
  })

  it('in structured and in batched mode is read alike', () => {
    const one = { specversion: '1.0', id: '1', source: '/s', type: 'a.b', correlationid: 'mine', data: [1] }
    const structured = read(
      { 'content-type': 'application/cloudevents+json; charset=utf-8' },
      JSON.stringify(one),
    )
    expect(structured).toMatchObject([{ ...one, sender: 'ann' }])
    const batch = read({ 'content-type': 'application/cloudevents-batch+json' }, JSON.stringify([one, one]))
    expect(batch).toHaveLength(2)
  })

  it('of bytes is kept as bytes', () => {
    const [bytes] = eventsOf(
      { headers: { ...binary, 'content-type': 'application/octet-stream' }, body: Buffer.from([0, 255, 1]) },
      ann,
      0,
      10_000,
    )
    expect(bytes).toMatchObject({ data_base64: 'AP8B' })
  })

  it.each<[string, Record<string, string>, string, string]>([
    ['that is no event', { 'content-type': 'application/json' }, '{}', 'wrong-type'],
    [
      'without a type',
      { 'content-type': 'application/cloudevents+json' },
      '{"specversion":"1.0","id":"1","source":"/s"}',
      'malformed',
    ],
    ['that is no JSON', { 'content-type': 'application/cloudevents+json' }, '{', 'malformed'],
    ['of another format', { 'content-type': 'application/cloudevents+avro' }, 'x', 'malformed'],
    ['that says it is from Weir', { ...binary, 'ce-type': 'weir.drift.started' }, '', 'forbidden'],
    ['with a type that is no name', { ...binary, 'ce-type': 'a b\u0007' }, '', 'malformed'],
  ])('%s is refused', (_name, headers, body, why) => {
    expect(() => read(headers, body)).toThrow(expect.objectContaining({ why }))
  })

  it('never makes anything but events or refusals, whatever it holds', () => {
    const types = fc.constantFrom(
      'application/cloudevents+json',
      'application/cloudevents-batch+json',
      'application/json',
      'text/plain',
    )
    fc.assert(
      fc.property(
        types,
        fc.oneof(fc.json(), fc.string()),
        fc.dictionary(
          fc.constantFrom('ce-id', 'ce-type', 'ce-source', 'ce-specversion', 'ce-x'),
          fc.string(),
        ),
        (type, body, headers) => {
          let end: string[] = []
          try {
            end = read({ 'content-type': type, ...headers }, body).map(({ sender }) => sender)
          } catch (error) {
            end = [error instanceof Refused ? 'ann' : String(error)]
          }
          expect(end.filter((each) => each !== 'ann')).toEqual([])
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('a filter', () => {
  it.each([
    [{ types: ['a.*'] }, true],
    [{ types: ['a'] }, false],
    [{ types: ['z', 'a.b'] }, true],
    [{ sender: 'ann', correlationid: 'run-7' }, true],
    [{ sender: 'bob' }, false],
    [{ subject: 'x' }, false],
    [{}, true],
  ])('%j', (given, isFit) => {
    expect(fits(eventFilter.parse(given), event('a.b'))).toBe(isFit)
  })
})

describe('the bus', () => {
  it('keeps order, and gives what comes after a place', async () => {
    const published = await commons.bus.publish(ann, [event('a'), event('b'), event('a')])
    expect(published.map(({ offset }) => offset)).toEqual([1, 2, 3])
    const found = await commons.bus.find(bob, { types: ['a'] }, 1, 10)
    expect(found.entries.map(({ offset }) => offset)).toEqual([3])
    expect(found.next).toBe(3)
  })

  it('knows an event that is published again, until nobody repeats it any more', async () => {
    const one = event('a')
    const [first] = await commons.bus.publish(ann, [one])
    await commons.bus.publish(ann, [event('b')])
    expect(await commons.bus.publish(ann, [one])).toEqual([{ ...first, duplicate: true }])
    commons.wall.pass(600_000)
    await commons.bus.sweep()
    expect(await commons.bus.publish(ann, [one])).toMatchObject([{ offset: 3, duplicate: false }])
  })

  it('delivers what fits its schema, and says why the rest does not', async () => {
    await commons.schemas.put(ann, 'event', 'report', { type: 'object', required: ['title'] })
    await expect(commons.bus.publish(ann, [event('report', {})])).rejects.toMatchObject({
      why: 'contract',
      message: expect.stringContaining('title') as string,
    })
    expect(await commons.told()).toEqual([])
    await commons.bus.publish(ann, [event('report', { title: 'x' })])
    expect(await commons.told()).toHaveLength(1)
  })

  it('carries its own events, in order, and counts those that nobody can keep', async () => {
    for (let n = 0; n < 1500; n++)
      commons.bus.announce({ type: 'weir.test.n', subject: String(n), data: { n } })
    await commons.bus.settled()
    const kept = (await commons.bus.page(0, 5000)).entries
    expect(kept.length + commons.bus.lost).toBe(1500)
    expect(kept.map(({ item }) => Number(item['subject']))).toEqual(kept.map((_, n) => n))
  })
})

function storm(is: 'started' | 'ended'): Parameters<TestCommons['bus']['announce']> {
  return [
    { type: `weir.storm.${is}`, subject: 'api', data: { upstream: 'api' } },
    { about: 'storm/api', is },
  ]
}

function released(n: number): Parameters<TestCommons['bus']['announce']>[0] {
  return { type: 'weir.hold.released', subject: String(n), data: { n } }
}

describe('what several Weirs on one store conclude', () => {
  let weirs: readonly TestCommons[]

  beforeEach(() => {
    const store = memoryStore(commons.wall)
    weirs = Array.from({ length: 8 }, () => testCommons(commons.wall, store))
  })

  async function all(is: 'started' | 'ended'): Promise<void> {
    for (const { bus } of weirs) bus.announce(...storm(is))
    await Promise.all(weirs.map(({ bus }) => bus.settled()))
  }

  it('is one event of the first of them, which says its name', async () => {
    await all('started')
    await all('ended')
    await all('started')
    const { entries } = await weirs[0]!.bus.page(0, 100)
    expect(entries.map(({ item }) => item.type)).toEqual([
      'weir.storm.started',
      'weir.storm.ended',
      'weir.storm.started',
    ])
    const names = weirs.map(({ replica }) => replica)
    for (const { item } of entries) expect(names).toContain(item['replica'])
    expect(weirs.reduce((sum, { bus }) => sum + bus.counts.published.weir, 0)).toBe(3)
    expect(weirs.reduce((sum, { bus }) => sum + bus.lost, 0)).toBe(0)
  })

  it('is one piece of work for a consumer group', async () => {
    await weirs[0]!.groups.put(bob, 'g', groupSettings.parse({ from: 'oldest' }))
    await all('started')
    expect(await weirs[1]!.groups.receive(bob, 'g', 10, 0, neverGone)).toHaveLength(1)
  })

  it('is said again by the same Weir, and by another after the time in which they agree', async () => {
    const [one, other] = weirs
    for (const { bus } of [one!, one!, other!]) {
      bus.announce(...storm('started'))
      await bus.settled()
    }
    commons.wall.pass(30_000)
    other!.bus.announce(...storm('started'))
    await other!.bus.settled()
    const { entries } = await one!.bus.page(0, 100)
    expect(entries.map(({ item }) => item['replica'])).toEqual([one!.replica, one!.replica, other!.replica])
  })

  it('keeps its place among what one Weir alone has seen', async () => {
    const { bus } = weirs[0]!
    bus.announce(released(1))
    bus.announce(...storm('started'))
    bus.announce(released(2))
    bus.announce(released(3))
    expect(await weirs[0]!.told()).toEqual([
      'weir.hold.released 1',
      'weir.storm.started api',
      'weir.hold.released 2',
      'weir.hold.released 3',
    ])
  })
})

async function receive(most = 10): Promise<{ delivery: string; offset: number; attempt: number }[]> {
  return [...(await commons.groups.receive(bob, 'g', most, 0, neverGone))]
}

describe('a consumer group', () => {
  const settings = groupSettings.parse({
    filter: { types: ['job'] },
    from: 'oldest',
    leaseMs: 1000,
    deliveries: 2,
  })

  it('hands each event that fits to one member, once', async () => {
    await commons.groups.put(bob, 'g', settings)
    await commons.bus.publish(ann, [event('job'), event('other'), event('job'), event('job')])
    const parts = await Promise.all([receive(2), receive(2), receive(2)])
    expect(
      parts
        .flat()
        .map(({ offset }) => offset)
        .toSorted((one, other) => one - other),
    ).toEqual([1, 3, 4])
    expect(await receive()).toEqual([])
  })

  it('is done with what is acknowledged, and hands the rest out again when the lease ends', async () => {
    await commons.groups.put(bob, 'g', settings)
    await commons.bus.publish(ann, [event('job'), event('job')])
    const [one, two] = await receive()
    expect(await commons.groups.acknowledge(bob, 'g', [one!.delivery])).toEqual([])
    commons.wall.pass(999)
    expect(await receive()).toEqual([])
    commons.wall.pass(1)
    const [again] = await receive()
    expect(again).toMatchObject({ offset: two!.offset, attempt: 2 })
    expect(await commons.groups.acknowledge(bob, 'g', [two!.delivery])).toEqual([two!.delivery])
    expect(await commons.groups.acknowledge(bob, 'g', [again!.delivery])).toEqual([])
    expect(await commons.groups.get(bob, 'g')).toMatchObject({ open: 0, cursor: 2 })
  })

  it('announces what nobody acknowledges, and goes on', async () => {
    await commons.groups.put(bob, 'g', settings)
    await commons.bus.publish(ann, [event('job')])
    for (let n = 0; n < 3; n++) {
      await receive()
      commons.wall.pass(1000)
    }
    expect(await commons.told()).toContain('weir.delivery.exhausted g')
    expect((await commons.groups.get(bob, 'g')).open).toBe(0)
  })

  it('gives back at once, or later', async () => {
    await commons.groups.put(bob, 'g', settings)
    await commons.bus.publish(ann, [event('job')])
    const [one] = await receive()
    await commons.groups.giveBack(bob, 'g', one!.delivery, 100)
    expect(await receive()).toEqual([])
    commons.wall.pass(100)
    expect(await receive()).toMatchObject([{ attempt: 2 }])
    expect(await refusal(commons.groups.giveBack(bob, 'g', one!.delivery, 0))).toBe('gone')
  })

  it('that waits is woken by what is published', async () => {
    await commons.groups.put(bob, 'g', settings)
    const waiting = commons.groups.receive(bob, 'g', 1, 5000, neverGone)
    await commons.bus.publish(ann, [event('job')])
    expect(await waiting).toHaveLength(1)
  })

  it('that nobody made is unknown, and one that is removed keeps nothing', async () => {
    expect(await refusal(receive())).toBe('unknown')
    await commons.groups.put(bob, 'g', settings)
    await commons.bus.publish(ann, [event('job')])
    await receive()
    await commons.groups.remove(bob, 'g')
    expect(await commons.store.scan('delivery/', '', 10)).toEqual([])
  })

  it('sees each acknowledged event once, whatever members do and how long they take', async () => {
    const act = fc.oneof(
      fc.record({ do: fc.constant('publish' as const), n: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('receive' as const), most: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('ack' as const), which: fc.nat(5) }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 500, 1000) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
        commons = testCommons()
        await commons.groups.put(bob, 'g', { ...settings, deliveries: 100 })
        let open: { delivery: string; offset: number }[] = []
        const done = new Set<number>()
        const again: number[] = []
        let published = 0
        for (const each of acts) {
          if (each.do === 'publish') {
            for (let n = 0; n < each.n; n++) await commons.bus.publish(ann, [event('job')])
            published += each.n
          } else if (each.do === 'receive') {
            const got = await receive(each.most)
            again.push(...got.map(({ offset }) => offset).filter((offset) => done.has(offset)))
            open = [...open, ...got]
          } else if (each.do === 'ack' && open.length > 0) {
            const one = open[each.which % open.length]!
            const late = await commons.groups.acknowledge(bob, 'g', [one.delivery])
            if (late.length === 0) {
              if (done.has(one.offset)) again.push(one.offset)
              done.add(one.offset)
            }
          } else if (each.do === 'pass') commons.wall.pass(each.ms)
        }
        for (let n = 0; n < 60 && done.size < published; n++) {
          commons.wall.pass(1000)
          for (const { delivery, offset } of await receive(10)) {
            expect(await commons.groups.acknowledge(bob, 'g', [delivery])).toEqual([])
            done.add(offset)
          }
        }
        expect(again).toEqual([])
        expect(done.size).toBe(published)
      }),
      { numRuns: 60 },
    )
  })
})
