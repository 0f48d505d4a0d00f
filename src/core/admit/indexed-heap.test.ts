import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IndexedHeap } from './indexed-heap.ts'

describe('IndexedHeap', () => {
  it('is empty at first and after its last member left', () => {
    const heap = new IndexedHeap()
    expect([heap.top, heap.topKey, heap.size, heap.remove(3)]).toEqual([-1, Infinity, 0, false])
    heap.set(3, 1)
    heap.remove(3)
    expect([heap.top, heap.topKey, heap.size, heap.has(3)]).toEqual([-1, Infinity, 0, false])
  })

  it('answers as a sorted list does, whatever is put in, moved and taken out', () => {
    const step = fc.record({ id: fc.nat(60), key: fc.integer({ min: -20, max: 20 }), remove: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const heap = new IndexedHeap()
        const naive = new Map<number, number>()
        for (const { id, key, remove } of steps) {
          const [was, is] = remove ? [naive.delete(id), heap.remove(id)] : [true, true]
          expect(is).toBe(was)
          if (!remove) {
            heap.set(id, key)
            naive.set(id, key)
          }
          expect(heap.size).toBe(naive.size)
          expect(heap.topKey).toBe(Math.min(Infinity, ...naive.values()))
          expect(naive.get(heap.top) ?? Infinity).toBe(heap.topKey)
        }
        const drained: number[] = []
        for (; heap.size > 0; heap.remove(heap.top)) drained.push(heap.topKey)
        expect(drained).toEqual([...naive.values()].toSorted((a, b) => a - b))
      }),
    )
  })
})
