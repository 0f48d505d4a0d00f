import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../random.ts'
import { Pace } from './pace.ts'

describe('Pace', () => {
  it('lets two go at most together after an idle hour', () => {
    const pace = new Pace(seeded(1), 0)
    pace.take(0, 10)
    const at = 3_600_000
    expect(pace.take(at, 10)).toBe(true)
    expect(pace.take(at, 10)).toBe(false)
    expect(pace.nextAt).toBeGreaterThanOrEqual(at + 50)
  })

  it('gives the whole rate to who asks in time, and leaves half a spacing at the least', () => {
    const pace = new Pace(seeded(2), 0)
    const times: number[] = []
    for (let at = 0; at <= 10_000; at += 1) if (pace.take(at, 50)) times.push(at)
    expect(times.length).toBeGreaterThanOrEqual(495)
    expect(times.length).toBeLessThanOrEqual(502)
    for (let i = 1; i < times.length; i++)
      expect((times[i] ?? 0) - (times[i - 1] ?? 0)).toBeGreaterThanOrEqual(9)
  })

  it('never lets more go in any stretch of time than the rate, a cell and the lag of a timer allow', () => {
    const gaps = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { maxLength: 200 })
    fc.assert(
      fc.property(fc.constantFrom(1, 10, 50, 400, 2000), gaps, fc.nat(1000), (rate, list, seed) => {
        const pace = new Pace(seeded(seed), 0)
        const interval = 1000 / rate
        const times: number[] = []
        let at = 0
        for (const gap of list) {
          at += gap
          while (pace.take(at, rate)) times.push(at)
        }
        for (let from = 0; from < times.length; from++) {
          for (let to = from; to < times.length; to++) {
            const stretch = (times[to] ?? 0) - (times[from] ?? 0)
            const most = 1 + (stretch + Math.max(interval / 2, 5)) / interval
            expect(to - from + 1).toBeLessThanOrEqual(most + 1e-6)
          }
        }
      }),
    )
  })

  it('makes those who ask wait for calls that went without asking, though for no more than a second', () => {
    const pace = new Pace(seeded(1), 0)
    for (let call = 0; call < 5; call++) pace.spend(0, 10)
    expect(pace.take(400, 10)).toBe(false)
    for (let call = 0; call < 500; call++) pace.spend(0, 10)
    expect(pace.take(1060, 10)).toBe(true)
  })
})
