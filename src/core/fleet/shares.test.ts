import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partsOf, placesOf, quotasOf, type Member } from './shares.ts'

function member(replica: string, ...demands: number[]): Member {
  return { replica, demands }
}

const anyMembers = fc
  .array(fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { minLength: 4, maxLength: 4 }), {
    minLength: 1,
    maxLength: 40,
  })
  .map((all) => all.map((demands, index) => ({ replica: `r${index}`, demands })))

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
