import { describe, expect, it } from 'vitest'
import { ResetBudget } from './reset-budget.ts'

function resets(budget: ResetBudget, count: number, openedAt: number, now: number): number {
  let allowed = 0
  for (let n = 0; n < count; n++) if (budget.spend(openedAt, now)) allowed += 1
  return allowed
}

describe('the budget of resets', () => {
  it('is full again after an idle gap, and never fuller', () => {
    const budget = new ResetBudget(0)
    expect(resets(budget, 600, 0, 0)).toBe(500)
    expect(resets(budget, 600, 3_600_000, 3_600_000)).toBe(500)
  })

  it('bears a burst in one instant up to its size', () => {
    expect(resets(new ResetBudget(5), 10_000, 5, 5)).toBe(500)
  })

  it('gives 33 a second after that', () => {
    const budget = new ResetBudget(0)
    resets(budget, 500, 0, 0)
    expect(resets(budget, 100, 1000, 1000)).toBe(33)
  })

  it('does not count a stream that lived for a second: giving up is no attack', () => {
    expect(resets(new ResetBudget(0), 10_000, 0, 1000)).toBe(10_000)
  })
})
