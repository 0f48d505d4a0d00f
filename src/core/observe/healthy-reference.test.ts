import { describe, expect, it } from 'vitest'
import { Baseline } from './baseline.ts'
import { HealthyReference } from './healthy-reference.ts'
import { latencyBucket } from './latency-histogram.ts'

/** A reference of one stratum. */
function known(): {
  reference: HealthyReference
  baseline: Baseline
  see: (calls: number, ms?: number) => void
} {
  const baseline = new Baseline()
  const reference = new HealthyReference((visit) => visit(baseline))
  const see = (calls: number, ms = 100): void => {
    for (let call = 0; call < calls; call++) baseline.record(latencyBucket(ms))
  }
  return { reference, baseline, see }
}

describe('a healthy reference', () => {
  it('is known by a hundred calls, and by no fewer while nobody else knows the upstream', () => {
    const { reference, see } = known()
    see(99)
    reference.absorb()
    expect([reference.known, reference.samples]).toEqual([false, 99])
    see(1)
    reference.absorb()
    expect([reference.known, reference.samples]).toEqual([true, 100])
  })

  it('is known by its part of a hundred where other replicas have seen the rest', () => {
    const { reference, see } = known()
    see(25)
    reference.back(74, 4)
    reference.absorb()
    expect(reference.known).toBe(false)
    reference.back(75, 4)
    reference.absorb()
    expect(reference.known).toBe(true)
  })

  it('takes the word of others for no more than if all had seen as much, and for eight times its own at most', () => {
    const { reference, see } = known()
    see(10)
    reference.back(1e6, 3)
    expect(reference.backing).toBe(3)
    reference.back(1e6, 100)
    expect(reference.backing).toBe(8)
    reference.absorb()
    expect(reference.known).toBe(false)
  })

  it('stands alone again when the others are gone, and without a call of its own', () => {
    const { reference, see } = known()
    reference.back(1e6, 4)
    expect(reference.backing).toBe(1)
    see(10)
    reference.back(0, 1)
    expect(reference.backing).toBe(1)
  })

  it('measures creep from the first hundred calls, not from the first dozen', () => {
    const { reference, see } = known()
    see(20, 50)
    reference.back(200, 8)
    reference.absorb()
    see(80)
    reference.absorb()
    expect(reference.level).toBe(0)
    see(10_000, 200)
    reference.absorb()
    expect(reference.level).toBeCloseTo(Math.log(2), 1)
  })
})
