import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecentMap } from './recent-map.ts'

describe('the memory of recent keys', () => {
  it('keeps a key that is in use through any number of newcomers', () => {
    const map = new RecentMap<number>(8)
    map.set('busy', 1)
    for (let i = 0; i < 100; i++) {
      map.set(`new-${i}`, i)
      expect(map.get('busy')).toBe(1)
    }
  })

  it('forgets what was not asked for in two generations', () => {
    const map = new RecentMap<number>(8)
    map.set('idle', 1)
    for (let i = 0; i < 8; i++) map.set(`new-${i}`, i)
    expect(map.get('idle')).toBeUndefined()
  })

  it('never holds more than its size, and never a wrong value', () => {
    const step = fc.record({ key: fc.integer({ min: 0, max: 30 }), isSet: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const map = new RecentMap<number>(10)
        const last = new Map<string, number>()
        steps.forEach(({ key, isSet }, index) => {
          const name = `k${key}`
          if (isSet) {
            map.set(name, index)
            last.set(name, index)
          }
          expect([undefined, last.get(name)]).toContain(map.get(name))
          expect(map.size).toBeLessThanOrEqual(10)
        })
      }),
    )
  })
})
