import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CounterWindow } from './counter-window.ts'

const make = (): CounterWindow => new CounterWindow({ slots: 3, kinds: 2, bucketMs: 100, buckets: 5 })

describe('counter window', () => {
  it('is empty after an idle hour', () => {
    const window = make()
    window.add(1, 0, 50, 7)
    expect(window.sum(1, 0, 3_600_050)).toBe(0)
    window.add(1, 0, 3_600_050)
    expect(window.sum(1, 0, 3_600_050)).toBe(1)
  })

  it('counts a burst in one instant in full', () => {
    const window = make()
    for (let index = 0; index < 1000; index++) window.add(0, 1, 42)
    expect(window.sum(0, 1, 42)).toBe(1000)
  })

  it('agrees with a naive list of events', () => {
    const event = fc.record({
      slot: fc.nat(2),
      kind: fc.nat(1),
      gap: fc.nat(900),
      n: fc.integer({ min: 1, max: 3 }),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const window = make()
        const seen: { slot: number; kind: number; tick: number; n: number }[] = []
        let at = 0
        for (const { slot, kind, gap, n } of events) {
          at += gap
          window.add(slot, kind, at, n)
          seen.push({ slot, kind, tick: Math.floor(at / 100), n })
          const tick = Math.floor(at / 100)
          const naive = seen.filter((e) => e.slot === slot && e.kind === kind && tick - e.tick < 5)
          expect(window.sum(slot, kind, at)).toBe(naive.reduce((sum, e) => sum + e.n, 0))
        }
      }),
    )
  })

  it('keeps slots and kinds apart', () => {
    const window = make()
    window.add(0, 0, 10)
    expect(window.sum(0, 1, 10)).toBe(0)
    expect(window.sum(1, 0, 10)).toBe(0)
  })

  it('sums the newest buckets only when asked to', () => {
    const window = make()
    for (const at of [0, 100, 200, 300, 400]) window.add(0, 0, at)
    expect(window.sum(0, 0, 400)).toBe(5)
    expect(window.sum(0, 0, 400, 2)).toBe(2)
  })

  it('forgets one slot without touching its neighbours', () => {
    const window = make()
    for (const slot of [0, 1, 2]) window.add(slot, 0, 10)
    window.clear(1)
    expect([0, 1, 2].map((slot) => window.sum(slot, 0, 10))).toEqual([1, 0, 1])
  })

  it('stays at the largest count that a bucket holds', () => {
    const window = make()
    window.add(0, 0, 0, 60_000)
    window.add(0, 0, 0, 60_000)
    expect(window.sum(0, 0, 0)).toBe(65_535)
  })

  it('drops an event that is older than its bucket', () => {
    const window = make()
    window.add(0, 0, 500)
    window.add(0, 0, 0)
    expect(window.sum(0, 0, 500)).toBe(1)
  })
})
