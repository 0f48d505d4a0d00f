import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Heaviest } from './heaviest.ts'

describe('heaviest', () => {
  it('lets an old weight fade away within an idle hour', () => {
    const heaviest = new Heaviest(3, 5000)
    for (let index = 0; index < 100; index++) heaviest.add(0, 1, 0)
    heaviest.add(1, 1, 3_600_000)
    expect(heaviest.leader).toBe(1)
    expect(heaviest.leaderShare).toBeCloseTo(1)
    expect(heaviest.leaderWeight(3_600_000)).toBeCloseTo(1)
  })

  it('counts a burst in one instant in full', () => {
    const heaviest = new Heaviest(3, 5000)
    for (let index = 0; index < 9; index++) heaviest.add(2, 1, 7)
    heaviest.add(0, 1, 7)
    expect(heaviest.leader).toBe(2)
    expect(heaviest.leaderShare).toBeCloseTo(0.9)
    expect(heaviest.leaderWeight(7)).toBeCloseTo(9)
  })

  it('agrees with a naive sum of fading weights, also when a member is forgotten', () => {
    const event = fc.record({ member: fc.nat(3), gap: fc.nat(30_000), forget: fc.boolean() })
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 80 }), (events) => {
        const heaviest = new Heaviest(4, 5000)
        let seen: { member: number; at: number }[] = []
        let at = 0
        for (const { member, gap, forget } of events) {
          at += gap
          if (forget && seen.length > 8) {
            heaviest.forget(member)
            seen = seen.filter((e) => e.member !== member)
          } else {
            heaviest.add(member, 1, at)
            seen.push({ member, at })
          }
          const weights = [0, 0, 0, 0]
          for (const e of seen) weights[e.member] = (weights[e.member] ?? 0) + Math.exp((e.at - at) / 5000)
          const total = weights.reduce((sum, weight) => sum + weight, 0)
          if (total < 1e-9) continue
          expect(heaviest.leaderShare).toBeCloseTo(Math.max(...weights) / total, 5)
        }
      }),
    )
  })
})
