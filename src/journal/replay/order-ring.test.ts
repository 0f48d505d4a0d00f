import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OrderRing } from './order-ring.ts'

function drain(ring: OrderRing): number[] {
  const orders: number[] = []
  while (ring.take()) orders.push(ring.order)
  return orders
}

describe('OrderRing', () => {
  it('gives nothing while it is empty, however often it is asked', () => {
    const ring = new OrderRing(0, 1 << 12)
    expect([ring.take(), ring.take(), ring.skip()]).toEqual([false, false, false])
    expect(ring.size).toBe(0)
  })

  it('keeps what came early until its turn, with what belongs to it', () => {
    const ring = new OrderRing(5, 1 << 12)
    ring.put(6, 60.5, 600)
    expect(ring.take()).toBe(false)
    ring.put(5, 50.5, 500)
    expect([ring.take(), ring.at, ring.ref]).toEqual([true, 50.5, 500])
    expect([ring.take(), ring.at, ring.ref]).toEqual([true, 60.5, 600])
    expect(ring.largestSpan).toBe(2)
  })

  it('refuses a number whose turn is over', () => {
    const ring = new OrderRing(0, 1 << 12)
    ring.put(0, 0, 1)
    drain(ring)
    expect(ring.put(0, 0, 2)).toBe('late')
  })

  it('says that it is full instead of growing on', () => {
    const ring = new OrderRing(0, 1 << 13)
    expect(ring.put((1 << 13) - 1, 0, 1)).toBe('placed')
    expect(ring.put(1 << 13, 0, 2)).toBe('full')
    ring.skip()
    expect(drain(ring)).toEqual([(1 << 13) - 1])
    expect(ring.put(1 << 13, 0, 2)).toBe('placed')
    expect(ring.skipped).toBe((1 << 13) - 1)
  })

  it('puts any order right, like a sort, and counts the holes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(5000), { maxLength: 300 }), fc.nat(10), (orders, first) => {
        const known = orders.filter((order) => order >= first)
        const ring = new OrderRing(first, 1 << 13)
        const got: number[] = []
        for (const order of known) {
          expect(ring.put(order, order / 2, order)).not.toBe('full')
          got.push(...drain(ring))
        }
        while (ring.skip()) got.push(...drain(ring))
        const sorted = known.toSorted((a, b) => a - b)
        expect(got).toEqual(sorted)
        const last = sorted.at(-1)
        expect(ring.skipped).toBe(last === undefined ? 0 : last - first + 1 - sorted.length)
        expect(ring.size).toBe(0)
      }),
    )
  })
})
