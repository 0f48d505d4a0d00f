import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ErrorCusum } from './errors.ts'

describe('error channel', () => {
  it('has an empty share after an idle hour', () => {
    const errors = new ErrorCusum(11.5)
    for (let i = 0; i < 10; i++) errors.record(1, i)
    expect(errors.share(3_600_000)).toBe(0)
    errors.record(0, 3_600_001)
    expect(errors.calls(3_600_001)).toBe(1)
  })

  it('alarms at five straight failures, not at four, however fast they come', () => {
    for (const wait of [0, 1, 10_000]) {
      const errors = new ErrorCusum(11.5)
      for (let i = 0; i < 4; i++) errors.record(1, i * wait)
      expect(errors.sum).toBeLessThan(11.5)
      errors.record(1, 4 * wait)
      expect(errors.sum).toBeGreaterThan(11.5)
    }
  })

  it('weighs a client that left as half a failure: twice as many alarm', () => {
    const errors = new ErrorCusum(11.5)
    let left = 0
    while (errors.sum < 11.5) {
      errors.record(0.5, left)
      left++
    }
    expect(left).toBe(10)
  })

  it('equals the plain formula', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 0, 0, 0.5, 1), { maxLength: 300 }), (weights) => {
        const errors = new ErrorCusum(11.5)
        let sum = 0
        for (const [index, weight] of weights.entries()) {
          errors.record(weight, index)
          sum += weight * Math.log(0.055 / 0.005) + (1 - weight) * Math.log(0.945 / 0.995)
          sum = Math.min(Math.max(sum, 0), 23)
          expect(errors.sum).toBeCloseTo(sum, 9)
        }
      }),
    )
  })

  it('learns a usual share of 4 % in health and no longer alarms at it', () => {
    const errors = new ErrorCusum(11.5)
    for (let minute = 0; minute < 60; minute++) {
      for (let i = 0; i < 100; i++) errors.record(i % 25 === 0 ? 1 : 0, minute * 60_000)
      errors.absorb()
    }
    errors.rest()
    for (let i = 0; i < 5_000; i++) errors.record(i % 25 === 0 ? 1 : 0, 4e6)
    expect(errors.usual).toBeGreaterThan(0.035)
    expect(errors.sum).toBeLessThan(5)
  })

  it('accepts a share that lasts, but no outage', () => {
    const errors = new ErrorCusum(11.5)
    for (let i = 0; i < 100; i++) errors.record(1, 0)
    expect(errors.accept()).toBe(false)
    errors.discard()
    for (let i = 0; i < 100; i++) errors.record(i % 10 === 0 ? 1 : 0, 0)
    expect(errors.accept()).toBe(true)
    expect(errors.sum).toBe(0)
    expect(errors.usual).toBeCloseTo(0.1)
  })
})
