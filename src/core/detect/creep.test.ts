import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../random.ts'
import { LevelTrail, mannKendall, rises, theilSen } from './creep.ts'
import { LeadTime } from './lead-time.ts'

describe('trend', () => {
  it('finds the slope of a line, and shrugs off a third of wild points', () => {
    const line = Float64Array.from({ length: 30 }, (_, i) => 2 * i + 1)
    expect(theilSen(line, 30)).toBeCloseTo(2)
    for (let i = 0; i < 30; i += 4) line[i] = 1e6
    expect(theilSen(line, 30)).toBeCloseTo(2, 0)
  })

  it('scores Mann-Kendall between -z and z of the extremes, antisymmetric', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 4, maxLength: 30 }),
        (list) => {
          const values = Float64Array.from(list)
          const turned = Float64Array.from(list.toReversed())
          expect(mannKendall(values, list.length)).toBeCloseTo(-mannKendall(turned, list.length), 9)
        },
      ),
    )
    expect(mannKendall(new Float64Array(10), 10)).toBe(0)
    expect(
      mannKendall(
        Float64Array.from({ length: 10 }, (_, i) => i),
        10,
      ),
    ).toBeCloseTo(3.935, 2)
  })

  it('refuses more points than its scratch space holds', () => {
    expect(() => theilSen(new Float64Array(31), 31)).toThrow('at most 30')
  })

  it('sees a rise of 25 % in half an hour under noise, and none in noise alone', () => {
    const random = seeded(3)
    const trail = new LevelTrail()
    for (let i = 0; i < 300; i++) {
      trail.push((random() - 0.5) * 0.05)
      expect(rises(trail)).toBe(false)
    }
    for (let i = 0; i < 30; i++) trail.push(Math.log(1 + (0.25 * i) / 30) + (random() - 0.5) * 0.05)
    expect(rises(trail)).toBe(true)
  })
})

describe('lead time', () => {
  it('foretells when an exponential rise reaches six times', () => {
    const lead = new LeadTime(5_000)
    for (let i = 0; i < 12; i++) lead.push(1.1 ** i)
    const left = ((Math.log(6) - 11 * Math.log(1.1)) / Math.log(1.1)) * 5_000
    expect(lead.etaMs()).toBeCloseTo(left, 0)
  })

  it('is Infinity without a rise and 0 when it is there', () => {
    const lead = new LeadTime(5_000)
    expect(lead.etaMs()).toBe(Number.POSITIVE_INFINITY)
    for (let i = 0; i < 12; i++) lead.push(1 + (i % 2) * 0.01)
    expect(lead.etaMs()).toBe(Number.POSITIVE_INFINITY)
    lead.push(6.1)
    expect(lead.etaMs()).toBe(0)
  })
})
