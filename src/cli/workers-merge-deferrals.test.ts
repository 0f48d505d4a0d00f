import { describe, expect, it } from 'vitest'
import type { DeferralReading } from '../defer/deferral.ts'
import { endedDeferral, mergeDeferrals } from './workers-merge-deferrals.ts'

function reading(at: number, waiting: number, accepted: number): DeferralReading {
  return {
    open: true,
    durability: 'a sentence',
    totals: {
      waiting,
      running: 1,
      ended: 2,
      bytes: 300,
      oldestAt: 5,
      endings: { done: 4, failed: 0, expired: 0, unknown: 0 },
    },
    accepted,
    refused: { full: 1, closed: 2, unclear: 3 },
    withoutKey: 1,
    at,
  }
}

describe('deferred calls of several workers', () => {
  it('are those of the store as it was seen last, once', () => {
    const merged = mergeDeferrals([reading(10, 7, 3), reading(20, 9, 4)])
    expect(merged?.totals.waiting).toBe(9)
    expect(merged?.totals.endings.done).toBe(4)
    expect(merged?.at).toBe(20)
  })

  it('were accepted and refused by each for itself', () => {
    const merged = mergeDeferrals([reading(10, 7, 3), undefined, reading(20, 9, 4)])
    expect(merged).toMatchObject({
      accepted: 7,
      withoutKey: 2,
      refused: { full: 2, closed: 4, unclear: 6 },
    })
  })

  it('stay counted when a worker is gone, and its view of the store does not', () => {
    const gone = endedDeferral(reading(30, 99, 5))
    expect(mergeDeferrals([reading(10, 7, 3), gone])).toMatchObject({
      open: true,
      accepted: 8,
      totals: { waiting: 7 },
    })
    expect(mergeDeferrals([gone])?.open).toBe(false)
  })

  it('are none where nothing is deferred', () => {
    expect(mergeDeferrals([undefined, undefined])).toBeUndefined()
  })
})
