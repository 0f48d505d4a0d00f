import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RetryBudget } from './retry-budget.ts'

const policy = { ratio: 0.1, perSecond: 1, cap: 100 }

function drained(at = 0): RetryBudget {
  const budget = new RetryBudget(policy, at)
  while (budget.take(at, false));
  return budget
}

describe('RetryBudget', () => {
  it('saves ten seconds of what time earns over an idle hour, not an hour', () => {
    const budget = drained()
    expect(budget.tokens(3_600_000)).toBe(10)
  })

  it('lets one retry go per ten successes in a burst at one instant', () => {
    const budget = drained()
    for (let i = 0; i < 200; i++) budget.success()
    let retries = 0
    while (budget.take(0, false)) retries += 1
    expect(retries).toBe(20)
  })

  it('lets a quiet upstream be retried once a second', () => {
    const budget = drained()
    expect(budget.take(999, false)).toBe(false)
    expect(budget.take(1000, false)).toBe(true)
    expect(budget.take(1001, false)).toBe(false)
  })

  it('holds no more than its cap', () => {
    const budget = new RetryBudget(policy, 0)
    for (let i = 0; i < 10_000; i++) budget.success()
    expect(budget.tokens(0)).toBe(100)
    budget.adopt({ ...policy, cap: 5 })
    expect(budget.tokens(0)).toBe(5)
  })

  it('lets critical calls overdraw by ten, which everyone then earns back', () => {
    const budget = drained()
    let critical = 0
    while (budget.take(0, true)) critical += 1
    expect(critical).toBe(10)
    expect(budget.take(5000, false)).toBe(false)
    expect(budget.take(11_000, false)).toBe(true)
  })

  it('charges a retry after a timeout double, and gives back what was not sent', () => {
    const budget = drained()
    for (let i = 0; i < 20; i++) budget.success()
    expect(budget.take(0, false, 2)).toBe(true)
    expect(budget.take(0, false, 1)).toBe(false)
    budget.giveBack(2)
    expect(budget.take(0, false, 2)).toBe(true)
  })

  it('never lets more retries go than start, successes and time have earned', () => {
    const event = fc.record({ gap: fc.nat(3000), success: fc.boolean() })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const budget = new RetryBudget(policy, 0)
        let at = 0
        let earned = 10
        let spent = 0
        for (const { gap, success } of events) {
          at += gap
          earned += gap / 1000
          if (success) {
            budget.success()
            earned += 0.1
          } else if (budget.take(at, false)) spent += 1
          expect(spent).toBeLessThanOrEqual(earned + 1e-6)
        }
      }),
    )
  })
})
