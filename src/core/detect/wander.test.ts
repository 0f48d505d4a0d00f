import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Wander } from './wander.ts'

const memory = { newest: 0.99, long: 0.9995, priorBatches: 10, prior: 0.2 }

describe('wander', () => {
  it('has the prior as its deviation before it learns', () => {
    expect(new Wander(memory).deviation).toBe(0.2)
  })

  it('finds the root mean square of what it is shown', () => {
    const wander = new Wander(memory)
    for (let batch = 0; batch < 2_000; batch++) wander.learn(batch % 2 === 0 ? 0.3 : -0.3, false)
    expect(wander.deviation).toBeCloseTo(0.3, 1)
  })

  it('is the same whichever way the level strays', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -5, max: 5, noNaN: true })), (levels) => {
        const up = new Wander(memory)
        const down = new Wander(memory)
        for (const level of levels) {
          up.learn(level, false)
          down.learn(-level, false)
        }
        expect(up.deviation).toBe(down.deviation)
      }),
    )
  })

  it('is moved little by an incident of ten minutes', () => {
    const wander = new Wander(memory)
    for (let batch = 0; batch < 1_000; batch++) wander.learn(0.1, false)
    const before = wander.deviation
    for (let batch = 0; batch < 20; batch++) wander.learn(3, true)
    expect(wander.deviation).toBeLessThan(1.2 * before)
  })

  it('gets used to a habit of a sixth of the time, though each time it alarms', () => {
    const wander = new Wander(memory)
    for (let batch = 0; batch < 1_000; batch++) wander.learn(0.05, false)
    const before = wander.deviation
    for (let batch = 0; batch < 8_000; batch++) wander.learn(batch % 6 === 0 ? 3 : 0.05, batch % 6 === 0)
    expect(wander.deviation).toBeGreaterThan(4 * before)
  })

  it('never gets used to what is rarer than a ninth of the time', () => {
    const wander = new Wander(memory)
    for (let batch = 0; batch < 20_000; batch++) wander.learn(batch % 20 === 0 ? 3 : 0.05, batch % 20 === 0)
    expect(wander.deviation).toBeLessThan(0.15)
  })
})
