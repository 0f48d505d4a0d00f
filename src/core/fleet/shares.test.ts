import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agentsOf, levelled, partsOf, placesOf, quotasOf, type Member } from './shares.ts'
import { hashName, keepSmallest } from './sketch.ts'

function member(replica: string, ...demands: number[]): Member {
  return { replica, demands, agents: 1 }
}

function sketchOf(...agents: string[]): number[] {
  const sketch: number[] = []
  for (const agent of agents) keepSmallest(sketch, hashName(agent))
  return sketch
}

const aDemand = fc.double({ min: 0, max: 50, noNaN: true })
const aWeight = fc.double({ min: 1 / 64, max: 100, noNaN: true })
const anyMembers = fc
  .array(fc.tuple(fc.array(aDemand, { minLength: 4, maxLength: 4 }), aWeight), {
    minLength: 1,
    maxLength: 40,
  })
  .map((all) => all.map(([demands, agents], index) => ({ replica: `r${index}`, demands, agents })))

describe('shares', () => {
  it('divide everything equally while nobody asks for anything', () => {
    expect(quotasOf(12, [member('a', 0, 0, 0, 0), member('b', 0, 0, 0, 0)])).toEqual([6, 6])
  })

  it('give an idle replica places to begin with, as long as there are any left', () => {
    const [busy = 0, idle = 0] = quotasOf(20, [member('a', 0, 0, 8, 0), member('b', 0, 0, 0, 0)])
    expect(idle).toBeGreaterThanOrEqual(2)
    expect(busy).toBeGreaterThan(idle)
  })

  it('serve the highest class first, wherever its calls are, save what lower ones are guaranteed', () => {
    const [critical = 0, batch = 0] = quotasOf(10, [member('a', 30, 0, 0, 0), member('b', 0, 0, 30, 0)])
    expect(critical).toBeCloseTo(9.8)
    expect(batch).toBeCloseTo(0.2)
  })

  it('give who asks for little all of it, whatever somebody else asks for', () => {
    const rogue = member('a', 0, 0, 70, 0)
    const polite = Array.from({ length: 7 }, (_, index) => member(`p${index}`, 0, 0, 2, 0))
    expect(quotasOf(20, [rogue, ...polite])).toEqual([6, 2, 2, 2, 2, 2, 2, 2])
  })

  it('are level among all who ask for more than an equal part', () => {
    const polite = Array.from({ length: 7 }, (_, index) => member(`p${index}`, 0, 0, 5, 0))
    for (const quota of quotasOf(20, [member('a', 0, 0, 70, 0), ...polite])) expect(quota).toBeCloseTo(2.5)
  })

  it('weigh a replica by the agents that call through it', () => {
    const many = { ...member('a', 0, 0, 40, 0), agents: 3 }
    expect(quotasOf(12, [many, member('b', 0, 0, 40, 0)])).toEqual([9, 3])
  })

  it('are max-min fair: who has less per weight than another has all that it asks for', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(aDemand, aWeight), { minLength: 1, maxLength: 30 }), (rows) => {
        const demands = rows.map(([demand]) => demand)
        const weights = rows.map(([, weight]) => weight)
        const total = demands.reduce((sum, demand) => sum + demand, 0) / 2
        const parts = levelled(total, demands, weights)
        expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(total, 6)
        const levels = parts.map((part, index) => part / weights[index]!)
        const lacking = levels.filter((_, index) => demands[index]! - parts[index]! > 1e-6)
        for (const level of lacking) expect(level / Math.max(...levels)).toBeCloseTo(1, 6)
      }),
    )
  })

  it('never add up to more, or less, than the whole, whoever looks', () => {
    fc.assert(
      fc.property(anyMembers, fc.integer({ min: 0, max: 300 }), fc.nat(1000), (members, total, round) => {
        const places = members.map(({ replica }) => placesOf(total, members, replica, round))
        expect(places.reduce((sum, own) => sum + own, 0)).toBe(total)
        for (const own of places) expect(own).toBeGreaterThanOrEqual(0)
        const shuffled = members.toReversed()
        expect(members.map(({ replica }) => placesOf(total, shuffled, replica, round))).toEqual(places)
      }),
    )
  })

  it('give each its quota rounded down or up, and up as often as its fraction says', () => {
    const members = Array.from({ length: 8 }, (_, index) => member(`r${index}`, 0, 0, 5, 0))
    const rounds = 800
    for (const { replica } of members) {
      let places = 0
      for (let round = 0; round < rounds; round++) {
        const own = placesOf(3, members, replica, round)
        expect([0, 1]).toContain(own)
        places += own
      }
      expect(places / rounds).toBeCloseTo(3 / 8, 1)
    }
  })

  it('have parts that add up to one', () => {
    fc.assert(
      fc.property(anyMembers, (members) => {
        expect(partsOf(members).reduce((sum, part) => sum + part, 0)).toBeCloseTo(1)
      }),
    )
  })
})

describe('the agents of replicas', () => {
  it('are counted where they call, and 1 where nobody is known to call', () => {
    expect(agentsOf([sketchOf('a', 'b', 'c'), sketchOf('d'), []])).toEqual([3, 1, 1])
  })

  it('count once together when they call through several replicas', () => {
    const behindBalancer = sketchOf('a', 'b')
    expect(agentsOf([behindBalancer, behindBalancer, sketchOf('c')])).toEqual([1, 1, 1])
  })

  it('are the same whoever looks', () => {
    const sketches = [sketchOf('a', 'b'), sketchOf('b', 'c', 'd'), sketchOf('a', 'd', 'e')]
    expect(agentsOf(sketches.toReversed()).toReversed()).toEqual(agentsOf(sketches))
  })

  it('stay a number, whatever a word says', () => {
    const absurd = Array.from({ length: 20 }, () => 0)
    const [agents = 0] = agentsOf([absurd, sketchOf('a')])
    expect(agents).toBeGreaterThan(0)
    expect(agents).toBeLessThan(Infinity)
  })
})
