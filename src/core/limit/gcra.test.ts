import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Gcra } from './gcra.ts'

describe('Gcra', () => {
  it('gives exactly one burst after an idle day', () => {
    const gcra = new Gcra({ slots: 1, ratePerSecond: 10, burst: 3 })
    const at = 86_400_000
    expect([1, 2, 3].map(() => gcra.take(0, at))).toEqual([0, 0, 0])
    expect(gcra.take(0, at)).toBeCloseTo(100, 3)
  })

  it('takes nothing when it refuses', () => {
    const gcra = new Gcra({ slots: 1, ratePerSecond: 1, burst: 1 })
    gcra.take(0, 0)
    for (let at = 0; at < 1000; at++) expect(gcra.take(0, at)).toBeGreaterThan(0)
    expect(gcra.take(0, 1000)).toBe(0)
  })

  it('keeps keys apart, gives back, and forgets a slot that changes hands', () => {
    const gcra = new Gcra({ slots: 2, ratePerSecond: 1, burst: 1 })
    expect(gcra.take(0, 5)).toBe(0)
    expect(gcra.take(1, 5)).toBe(0)
    gcra.giveBack(0)
    expect(gcra.peek(0, 5)).toBe(0)
    expect(gcra.take(0, 5)).toBe(0)
    gcra.reset(1)
    expect(gcra.take(1, 5)).toBe(0)
  })

  it('is always satisfied by the wait that it asked for', () => {
    const waits = fc.array(fc.double({ min: 0, max: 500, noNaN: true }), { maxLength: 100 })
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 5000, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        waits,
        (rate, burst, gaps) => {
          const gcra = new Gcra({ slots: 1, ratePerSecond: rate, burst })
          let at = 1e9
          for (const gap of gaps) {
            at += gap
            const wait = gcra.take(0, at)
            expect(gcra.peek(0, at + wait) === 0 || wait === 0).toBe(true)
          }
        },
      ),
    )
  })

  it('answers as a token bucket does', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 })
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 5, 10, 100),
        fc.integer({ min: 1, max: 10 }),
        gaps,
        (rate, burst, list) => {
          const gcra = new Gcra({ slots: 1, ratePerSecond: rate, burst })
          let tokens = burst
          let at = 0
          for (const gap of list) {
            at += gap
            tokens = Math.min(burst, tokens + (gap * rate) / 1000)
            const taken = tokens >= 1 - 1e-9
            if (taken) tokens -= 1
            expect(gcra.take(0, at) === 0).toBe(taken)
          }
        },
      ),
    )
  })

  it.each([
    [{ slots: 0, ratePerSecond: 1, burst: 1 }, /slots is 0/],
    [{ slots: 1, ratePerSecond: 0, burst: 1 }, /ratePerSecond is 0/],
    [{ slots: 1, ratePerSecond: 1, burst: 0 }, /burst is 0/],
  ])('names what is wrong with %o', (options, message) => {
    expect(() => new Gcra(options)).toThrow(message)
  })

  it('keeps to a part of its rate and burst, and parts of several tables add up to it', () => {
    const parts = [0.5, 0.3, 0.2]
    const tables = parts.map(() => new Gcra({ slots: 1, ratePerSecond: 100, burst: 20 }))
    let taken = 0
    for (let at = 0; at < 10_000; at++) {
      for (const [index, table] of tables.entries()) {
        if (table.take(0, at, parts[index]) === 0) taken += 1
      }
    }
    expect(taken).toBeGreaterThanOrEqual(1000)
    expect(taken).toBeLessThanOrEqual(1000 + 20 + 3)
  })

  it('owes as many calls as before when its part changes', () => {
    const table = new Gcra({ slots: 1, ratePerSecond: 1, burst: 1 })
    expect(table.take(0, 0, 0.1)).toBe(0)
    expect(table.take(0, 0, 0.1)).toBeCloseTo(10_000)
    table.rescale(0, 0, 0.1, 1)
    expect(table.take(0, 0)).toBeCloseTo(1000)
    table.rescale(0, 5000, 1, 0.1)
    expect(table.take(0, 5000, 0.1)).toBe(0)
  })
})
