import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecentKeys } from './recent-keys.ts'

const IDLE_MS = 100

describe('recent keys', () => {
  it('forgets a key after an idle gap, and says so when it comes back', () => {
    const evicted: number[] = []
    const keys = new RecentKeys(8, IDLE_MS, (slot) => evicted.push(slot))
    const slot = keys.claim(7, 0)
    expect(keys.find(7, IDLE_MS)).toBe(slot)
    expect(keys.find(7, IDLE_MS + 1)).toBe(-1)
    expect(keys.claim(7, IDLE_MS + 1)).toBe(slot)
    expect(evicted).toEqual([slot])
  })

  it('gives all keys of a burst in one instant slots of their own while there is room', () => {
    const keys = new RecentKeys(4, IDLE_MS, () => undefined)
    const slots = [1, 2, 3, 4].map((key) => keys.claim(key, 5))
    expect(new Set(slots).size).toBe(4)
  })

  it('gives the place of the key unseen for longest to a newcomer', () => {
    const evicted: number[] = []
    const keys = new RecentKeys(4, IDLE_MS, (slot) => evicted.push(slot))
    const first = keys.claim(1, 0)
    for (const key of [2, 3, 4]) keys.claim(key, key)
    keys.claim(1, 5)
    keys.claim(9, 6)
    expect(keys.find(1, 6)).toBe(first)
    expect(keys.find(2, 6)).toBe(-1)
    expect(evicted).toHaveLength(1)
  })

  it('stays within its size whatever keys come', () => {
    const keys = new RecentKeys(100, IDLE_MS, () => undefined)
    expect(keys.capacity).toBe(128)
    for (let key = 1; key < 10_000; key++) expect(keys.claim(key * 7919, key)).toBeLessThan(keys.capacity)
  })

  it('never gives two keys that are both known the same slot', () => {
    const step = fc.record({ key: fc.integer({ min: 1, max: 40 }), wait: fc.integer({ min: 0, max: 30 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const keys = new RecentKeys(16, IDLE_MS, () => undefined)
        let at = 0
        for (const { key, wait } of steps) {
          at += wait
          const slot = keys.claim(key, at)
          expect(keys.find(key, at)).toBe(slot)
          const owners = Array.from({ length: 40 }, (_, i) => keys.find(i + 1, at)).filter(
            (each) => each === slot,
          )
          expect(owners).toHaveLength(1)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('refuses a size that is none', () => {
    expect(() => new RecentKeys(0, IDLE_MS, () => undefined)).toThrow(RangeError)
  })
})
