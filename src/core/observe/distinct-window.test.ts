import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DistinctWindow } from './distinct-window.ts'

const make = (): DistinctWindow => new DistinctWindow({ groups: 2, members: 6, bucketMs: 100, buckets: 5 })

describe('distinct window', () => {
  it('is empty after an idle hour', () => {
    const window = make()
    window.add(0, 3, 50)
    expect(window.count(0, 3_600_050)).toBe(0)
    expect(window.has(0, 3, 3_600_050)).toBe(false)
    window.add(0, 3, 3_600_050)
    expect(window.count(0, 3_600_050)).toBe(1)
  })

  it('counts a member once, however often it acts in one instant', () => {
    const window = make()
    for (let index = 0; index < 1000; index++) window.add(0, index % 4, 42)
    expect(window.count(0, 42)).toBe(4)
  })

  it('agrees with a naive set of members', () => {
    const event = fc.record({
      group: fc.nat(1),
      member: fc.nat(5),
      gap: fc.nat(700),
      kind: fc.constantFrom('add', 'add', 'add', 'forget'),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 150 }), (events) => {
        const window = make()
        let seen: { group: number; member: number; tick: number }[] = []
        let at = 0
        for (const { group, member, gap, kind } of events) {
          at += gap
          const tick = Math.floor(at / 100)
          if (kind === 'add') {
            window.add(group, member, at)
            seen.push({ group, member, tick })
          } else {
            window.forget(group, member)
            seen = seen.filter((e) => e.group !== group || e.member !== member)
          }
          const live = seen.filter((e) => e.group === group && tick - e.tick < 5)
          expect(window.count(group, at)).toBe(new Set(live.map((e) => e.member)).size)
          expect(window.has(group, member, at)).toBe(live.some((e) => e.member === member))
        }
      }),
    )
  })

  it('moves a member that acts again to the present', () => {
    const window = make()
    window.add(0, 1, 0)
    window.add(0, 1, 400)
    expect(window.count(0, 700)).toBe(1)
    expect(window.latest(0, 1)).toBe(400)
  })

  it('empties one group only', () => {
    const window = make()
    window.add(0, 1, 0)
    window.add(1, 1, 0)
    window.clear(0)
    expect([window.count(0, 0), window.count(1, 0)]).toEqual([0, 1])
    expect(window.latest(0, 1)).toBe(-1)
  })
})
