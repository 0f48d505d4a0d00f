import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventHeap } from './event-heap.ts'

describe('EventHeap', () => {
  it('has nothing after an idle hour', () => {
    const heap = new EventHeap()
    expect([heap.nextAt(), heap.pop(), heap.size]).toEqual([Infinity, false, 0])
  })

  it('keeps a burst of one instant in its order', () => {
    const heap = new EventHeap()
    for (let ref = 0; ref < 1000; ref++) heap.push(7, ref)
    const refs = Array.from({ length: 1000 }, () => heap.pop() && heap.ref)
    expect(refs).toEqual(Array.from({ length: 1000 }, (_, ref) => ref))
  })

  it('gives events by time, as a stable sort would', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50)), (times) => {
        const heap = new EventHeap()
        for (const [ref, at] of times.entries()) heap.push(at, ref)
        const got: [number, number][] = []
        while (heap.pop()) got.push([heap.at, heap.ref])
        const sorted = times.map((at, ref): [number, number] => [at, ref]).toSorted(([a], [b]) => a - b)
        expect(got).toEqual(sorted)
      }),
    )
  })
})
