import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { distinct, hashName, keepSmallest, SKETCH_SIZE, union } from './sketch.ts'

function sketchOf(names: readonly string[]): number[] {
  const sketch: number[] = []
  for (const name of names) keepSmallest(sketch, hashName(name))
  return sketch
}

describe('a sketch of distinct agents', () => {
  it('is exact for few, however often and wherever they are seen', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 1, max: 14 }), { maxLength: 30 }), { maxLength: 8 }),
        (all) => {
          const merged = union(all.map((ids) => sketchOf(ids.map((id) => `agent-${id}`))))
          expect(distinct(merged)).toBe(new Set(all.flat()).size)
        },
      ),
    )
  })

  it('is the sketch of the union, whatever the order', () => {
    const names = Array.from({ length: 200 }, (_, index) => `agent-${index}`)
    const parts = [names.slice(0, 90), names.slice(60, 150), names.slice(140)]
    expect(union(parts.map(sketchOf))).toEqual(sketchOf(names.toReversed()))
  })

  it('is within a half of the truth for many', () => {
    for (const many of [40, 200, 1000, 10_000]) {
      const sketch = sketchOf(Array.from({ length: many }, (_, index) => `agent-${many}-${index}`))
      expect(sketch).toHaveLength(SKETCH_SIZE)
      expect(distinct(sketch) / many).toBeGreaterThan(0.5)
      expect(distinct(sketch) / many).toBeLessThan(2)
    }
  })
})
