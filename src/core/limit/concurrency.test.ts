import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Concurrency } from './concurrency.ts'

describe('Concurrency', () => {
  it('lets as many in at one instant as the limit says, per slot', () => {
    const calls = new Concurrency({ slots: 2, limit: 2 })
    expect([calls.take(0), calls.take(0), calls.take(0), calls.take(1)]).toEqual([true, true, false, true])
    calls.give(0)
    expect(calls.take(0)).toBe(true)
  })

  it('stays at zero when more is given than was taken', () => {
    const calls = new Concurrency({ slots: 1, limit: 1 })
    calls.give(0)
    expect(calls.count(0)).toBe(0)
    expect([calls.take(0), calls.take(0)]).toEqual([true, false])
  })

  it('never passes its limit and returns to zero', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), fc.integer({ min: 1, max: 5 }), (takes, limit) => {
        const calls = new Concurrency({ slots: 1, limit })
        let open = 0
        for (const take of takes) {
          if (take) open += calls.take(0) ? 1 : 0
          else if (open > 0) {
            calls.give(0)
            open -= 1
          }
          expect(calls.count(0)).toBe(open)
          expect(open).toBeLessThanOrEqual(limit)
        }
        for (; open > 0; open--) calls.give(0)
        expect(calls.count(0)).toBe(0)
      }),
    )
  })

  it('names what is wrong with its limit', () => {
    expect(() => new Concurrency({ slots: 1, limit: 0 })).toThrow(/limit is 0/)
  })
})
