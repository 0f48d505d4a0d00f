import { describe, expect, it } from 'vitest'
import { Jam, piledUp, strayAfterMs } from './jam.ts'

describe('Jam', () => {
  it('is not crowded by an idle hour, nor by a burst that is answered in time', () => {
    const jam = new Jam()
    jam.look({ load: 0, overdue: 0, healthyPeak: 20 }, 3_600_000)
    jam.look({ load: 500, overdue: 40, healthyPeak: 20 }, 3_600_050)
    expect(jam.crowded).toBe(false)
  })

  it('is not crowded by slow calls that are no more than usual', () => {
    const jam = new Jam()
    jam.look({ load: 20, overdue: 20, healthyPeak: 20 }, 1000)
    expect(jam.crowded).toBe(false)
  })

  it('is crowded at once by more calls than ever of which many are overdue, until two seconds after', () => {
    const jam = new Jam()
    jam.look({ load: 30, overdue: 12, healthyPeak: 20 }, 1000)
    expect(jam.crowded).toBe(true)
    jam.look({ load: 10, overdue: 1, healthyPeak: 20 }, 2900)
    expect(jam.crowded).toBe(true)
    jam.look({ load: 10, overdue: 1, healthyPeak: 20 }, 3000)
    expect(jam.crowded).toBe(false)
  })

  it('doubts a growing number in flight of which clearly more are overdue than usually, whatever is usual', () => {
    const calm = { load: 20, overdue: 6, healthyPeak: 20 }
    const growing = { load: 22, overdue: 9, healthyPeak: 20 }
    const jam = new Jam()
    expect(jam.doubts(growing)).toBe(true)
    for (let at = 250; at <= 60_000; at += 250) jam.look(calm, at, 250)
    expect(jam.doubts(growing)).toBe(false)
    expect(jam.doubts({ ...growing, overdue: 12 })).toBe(true)
    expect(jam.doubts({ ...growing, load: 26 })).toBe(true)
  })

  it('calls it silence only after much longer than the slowest, with calls enough and nearly all overdue', () => {
    const jam = new Jam()
    jam.heard(1000)
    const all = { load: 8, overdue: 8, healthyPeak: 20 }
    expect(jam.silent(all, 1000, 3900)).toBe(false)
    expect(jam.silent(all, 1000, 4000)).toBe(true)
    expect(jam.silent({ ...all, overdue: 7 }, 1000, 4000)).toBe(false)
    expect(jam.silent({ ...all, load: 4, overdue: 4 }, 1000, 4000)).toBe(false)
    jam.heard(4000)
    expect(jam.silent(all, 1000, 4001)).toBe(false)
  })
})

describe('piledUp', () => {
  it('needs a peak to compare with, and more than a handful', () => {
    expect([piledUp(100, 0), piledUp(4, 1), piledUp(5, 1), piledUp(25, 20), piledUp(26, 20)]).toEqual([
      false,
      false,
      true,
      false,
      true,
    ])
  })
})

describe('strayAfterMs', () => {
  it('is never, while nothing is known of the slowest', () => {
    expect([strayAfterMs(0), strayAfterMs(20), strayAfterMs(60_000)]).toEqual([Infinity, 5000, 600_000])
  })
})
