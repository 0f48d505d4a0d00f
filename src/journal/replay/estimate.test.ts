import { describe, expect, it } from 'vitest'
import { Estimator } from './estimate.ts'

function ended(estimator: Estimator, route: string, kind: 'success' | 'dropped', endMs: number): void {
  const status = kind === 'success' ? 200 : 429
  estimator.seen(0, route, kind, status, true, false, endMs / 2, endMs)
}

describe('Estimator', () => {
  it('takes an upstream that it never saw for one that answers at once', () => {
    expect(new Estimator().guess(3, '/x')).toMatchObject({ kind: 'success', status: 200, endMs: 0 })
  })

  it('guesses the median of the ending that was usual', () => {
    const estimator = new Estimator()
    for (const endMs of [100, 300, 900]) ended(estimator, '/x', 'success', endMs)
    ended(estimator, '/x', 'dropped', 5)
    expect(estimator.guess(0, '/x')).toMatchObject({ kind: 'success', headMs: 150, endMs: 300 })
  })

  it('follows the upstream when it turns to refusals, and forgets what is fifteen calls ago', () => {
    const estimator = new Estimator()
    for (let n = 0; n < 100; n++) ended(estimator, '/x', 'success', 100)
    for (let n = 0; n < 15; n++) ended(estimator, '/x', 'dropped', 5)
    expect(estimator.guess(0, '/x')).toMatchObject({ kind: 'dropped', status: 429, endMs: 5 })
  })

  it('uses the other routes of the upstream for one that it does not know', () => {
    const estimator = new Estimator()
    ended(estimator, '/x', 'success', 100)
    expect(estimator.guess(0, '/new').endMs).toBe(100)
    expect(estimator.guess(1, '/x').endMs).toBe(0)
  })
})
