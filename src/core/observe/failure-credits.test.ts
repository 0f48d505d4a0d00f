import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FailureCredits, type RetryWindow } from './failure-credits.ts'

const window = (from: number, until: number): RetryWindow => ({
  from,
  until,
  outerUntil: 0,
  innerGoesOn: false,
})

describe('failure credits', () => {
  it('is empty again after an idle gap', () => {
    const credits = new FailureCredits(4, 2)
    credits.add(0, 1, window(10, 20), 0)
    expect(credits.spend(0, false, 10_000)).toBe(false)
    expect(credits.outstanding).toBe(0)
  })

  it('is good for one retry per failure of a burst in one instant', () => {
    const credits = new FailureCredits(8, 1)
    for (let i = 0; i < 3; i++) credits.add(0, 1, window(10, 20), 0)
    expect([15, 15, 15, 15].map((at) => credits.spend(0, false, at))).toEqual([true, true, true, false])
  })

  it('spends the oldest failure whose window is open and keeps an older one that is not due', () => {
    const credits = new FailureCredits(8, 1)
    credits.add(0, 3, window(1000, 2000), 0)
    credits.add(0, 1, window(100, 200), 1)
    expect(credits.spend(0, false, 150)).toBe(true)
    expect(credits.attempt).toBe(1)
    expect(credits.spend(0, false, 1500)).toBe(true)
    expect(credits.attempt).toBe(3)
  })

  it('forgets the oldest failure of all when the pool is full', () => {
    const credits = new FailureCredits(2, 3)
    for (const owner of [0, 1, 2]) credits.add(owner, 1, window(0, 100), owner)
    expect([0, 1, 2].map((owner) => credits.spend(owner, false, 50))).toEqual([false, true, true])
  })

  it('takes an outer layer only when the client has given up, or at once', () => {
    const goesOn: RetryWindow = { from: 400, until: 600, outerUntil: 30_000, innerGoesOn: true }
    const outcomes = [30, 200, 500, 700, 40_000].map((at) => {
      const credits = new FailureCredits(2, 1)
      credits.add(0, 1, goesOn, 0)
      return credits.spend(0, true, at)
    })
    expect(outcomes).toEqual([true, false, false, true, false])
    const spent = new FailureCredits(2, 1)
    spent.add(0, 3, { ...goesOn, innerGoesOn: false }, 0)
    expect(spent.spend(0, true, 200)).toBe(true)
  })

  it('spends as a plain list of failures does', () => {
    const step = fc.record({
      owner: fc.integer({ min: 0, max: 2 }),
      wait: fc.integer({ min: 0, max: 20 }),
      what: fc.constantFrom('add', 'spend', 'oldest', 'clear'),
      from: fc.integer({ min: 0, max: 30 }),
      width: fc.integer({ min: 0, max: 30 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const credits = new FailureCredits(256, 3)
        let model: { owner: number; from: number; until: number; attempt: number }[] = []
        let at = 0
        steps.forEach(({ owner, wait, what, from, width }, index) => {
          at += wait
          let spent = -1
          let expected: (typeof model)[number] | undefined
          if (what === 'add') {
            credits.add(owner, index, window(at + from, at + from + width), at)
            model.push({ owner, from: at + from, until: at + from + width, attempt: index })
          } else if (what === 'clear') {
            credits.clear(owner)
            model = model.filter((each) => each.owner !== owner)
          } else {
            const isDue = (each: { from: number; until: number }): boolean =>
              at >= each.from && at <= each.until
            expected = model.find((each) => each.owner === owner && (what === 'oldest' || isDue(each)))
            const got = what === 'oldest' ? credits.spendOldest(owner) : credits.spend(owner, false, at)
            if (got) spent = credits.attempt
            // The list forgets what is over only while it looks for something that is due.
            const seen = expected === undefined ? model.length : model.indexOf(expected)
            model = model.filter((each, i) => {
              const isForgotten = what === 'spend' && i < seen && each.owner === owner && each.until < at
              return each !== expected && !isForgotten
            })
          }
          expect(spent).toBe(expected?.attempt ?? -1)
          expect(credits.outstanding).toBe(model.length)
        })
      }),
    )
  })
})
