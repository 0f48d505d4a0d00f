import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Agenda } from './agenda.ts'

describe('Agenda', () => {
  it('has nothing to do in an idle hour', () => {
    const agenda = new Agenda()
    expect(agenda.nextAt()).toBe(Infinity)
    expect(agenda.take(3_600_000)).toBe(-1)
  })

  it('hands out each of many calls that are due in one instant once', () => {
    const agenda = new Agenda()
    for (let call = 0; call < 100; call++) agenda.add(call, 5)
    const taken = Array.from({ length: 100 }, () => agenda.take(5))
    expect(new Set(taken).size).toBe(100)
    expect(agenda.take(5)).toBe(-1)
  })

  it('brings an instant forward, and does not put it off', () => {
    const agenda = new Agenda()
    agenda.add(1, 10)
    agenda.addNoLater(1, 20)
    expect(agenda.nextAt()).toBe(10)
    agenda.addNoLater(1, 5)
    agenda.addNoLater(2, 7)
    expect([agenda.nextAt(), agenda.take(5), agenda.nextAt(), agenda.take(7)]).toEqual([5, 1, 7, 2])
  })

  it('keeps only the last instant of a call, and none of a removed one, like a plain map', () => {
    const step = fc.record({
      act: fc.constantFrom('add', 'remove', 'take'),
      call: fc.nat(9),
      at: fc.nat(100),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const agenda = new Agenda()
        const plain = new Map<number, number>()
        const seen: [number, number][] = []
        for (const { act, call, at } of steps) {
          if (act === 'add') {
            agenda.add(call, at)
            plain.set(call, at)
          } else if (act === 'remove') {
            agenda.remove(call)
            plain.delete(call)
          } else {
            const first = Math.min(...plain.values())
            const taken = agenda.take(at)
            seen.push([plain.get(taken) ?? Infinity, first <= at ? first : Infinity])
            plain.delete(taken)
          }
        }
        expect(seen.map(([taken]) => taken)).toEqual(seen.map(([, expected]) => expected))
      }),
    )
  })
})
