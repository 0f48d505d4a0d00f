import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyShares, MOST_KEYS, type KeyNews, type OthersLoads } from './key-shares.ts'

interface Made {
  readonly shares: KeyShares
  inUse: number
  readonly changes: [before: number, part: number][]
}

function made(limit: number, unit: 'per second' | 'at once', slots = 4): Made {
  const facts: Omit<Made, 'shares'> & { shares?: KeyShares } = { inUse: 0, changes: [] }
  facts.shares = new KeyShares({
    slots,
    limit,
    unit,
    idOf: (slot) => 100 + slot,
    inUse: () => facts.inUse,
    onPart: (_slot, before, part) => void facts.changes.push([before, part]),
  })
  return facts as Made
}

function news(at: number, replicas: number, others: OthersLoads = [], round = 0): KeyNews {
  return { at, replica: 'm', replicas, round, of: () => others }
}

function other(replica: string, load: number, inUse = 0): OthersLoads[number] {
  return { replica, load, inUse }
}

describe('parts of a limit by key', () => {
  it('are whole after an idle hour, whatever was before', () => {
    const { shares } = made(10, 'per second')
    shares.hear(news(0, 3))
    for (let n = 0; n < 40; n++) shares.ask(1, n * 10)
    shares.hear(news(500, 3, [other('a', 64)]))
    expect(shares.part(1)).toBeLessThan(1)
    expect(shares.tell(3_600_000)).toEqual([])
    expect(shares.part(1)).toBe(1)
  })

  it('are told after a burst in one instant, and divided at once by what is known of the others', () => {
    const { shares } = made(10, 'per second')
    shares.hear(news(0, 4, [other('a', 64), other('b', 64)]))
    expect(shares.part(1)).toBe(1)
    for (let n = 0; n < 20; n++) shares.ask(1, 1000)
    expect(shares.part(1)).toBeGreaterThan(1 / 8)
    expect(shares.part(1)).toBeLessThan(1 / 2)
    expect(shares.tell(1000).map(({ id }) => id)).toEqual([101])
  })

  it('cost nothing without others', () => {
    const { shares, changes } = made(10, 'per second')
    for (let n = 0; n < 100; n++) shares.ask(1, n)
    expect([shares.tell(100), shares.part(1), shares.places(1), changes]).toEqual([[], 1, 10, []])
    shares.hear(news(100, 1))
    expect([shares.tell(100), shares.part(1)]).toEqual([[], 1])
  })

  it('of all replicas add up to the limit, whatever they ask for, in every round', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 2, maxLength: 9 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat({ max: 1000 }),
        (loads, limit, round) => {
          const names = loads.map((_, index) => `r${index}`)
          const all = loads.map((load, index) => other(names[index]!, load))
          let sum = 0
          let parts = 0
          for (const name of names) {
            const facts = made(limit, 'at once')
            const { shares } = facts
            facts.inUse = limit
            const heard = all.filter(({ replica }) => replica !== name)
            shares.hear({ ...news(0, loads.length, heard, round), replica: name })
            shares.ask(1, 0)
            const [row] = shares.tell(0)
            expect(row?.slot).toBe(1)
            shares.said(1, all.find(({ replica }) => replica === name)!.load)
            shares.hear({ ...news(1, loads.length, heard, round), replica: name })
            sum += shares.places(1)
            parts += shares.part(1)
          }
          expect(sum).toBe(limit)
          expect(parts).toBeCloseTo(1, 4)
        },
      ),
    )
  })

  it('leave no place that somebody else has still a call in', () => {
    const { shares } = made(4, 'at once')
    shares.hear(news(0, 2))
    shares.ask(1, 0)
    shares.hear(news(500, 2, [other('a', 1, 4)]))
    expect(shares.places(1)).toBe(0)
    shares.hear(news(1000, 2, [other('a', 1, 1)]))
    expect(shares.places(1)).toBeGreaterThanOrEqual(1)
  })

  it('stay when the board is gone, are equal when it is for long, and begin anew when it is back', () => {
    const { shares, changes } = made(12, 'per second')
    shares.hear(news(0, 3))
    for (let n = 0; n < 60; n++) shares.ask(1, n * 10)
    shares.tell(600)
    shares.said(1, 64)
    shares.hear(news(600, 3, [other('a', 8), other('b', 8)]))
    const before = shares.part(1)
    expect(before).toBeGreaterThan(0.5)
    shares.gone()
    expect(shares.part(1)).toBe(before)
    shares.cut(30_600)
    expect(shares.part(1)).toBeCloseTo(1 / 3)
    // One that nobody asked for before gets what a key of this limit has on average.
    expect(shares.part(2)).toBeCloseTo(1 / 3)
    shares.hear(news(60_000, 3))
    expect(shares.part(1)).toBe(1)
    expect(changes.length).toBeGreaterThan(2)
  })

  it('are what a key gets on average for those that find no room', () => {
    const { shares } = made(1, 'per second', 2000)
    shares.hear(news(0, 2, [other('a', 64)]))
    for (let slot = 1; slot < 1500; slot++) shares.ask(slot, 0)
    expect(shares.tell(0)).toHaveLength(MOST_KEYS)
    expect(shares.part(1400)).toBeCloseTo(1 / 2)
  })

  it('are the whole again for a slot that belongs to somebody else', () => {
    const { shares } = made(10, 'per second')
    shares.hear(news(0, 2, [other('a', 64)]))
    for (let n = 0; n < 20; n++) shares.ask(1, 0)
    expect(shares.part(1)).toBeLessThan(1)
    shares.forget(1)
    expect([shares.part(1), shares.tell(0)]).toEqual([1, []])
  })
})
