import { array, assert, integer, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { call } from '../../../test/kit/report-journal.ts'
import { CallOrder } from './call-order.ts'

const recording = (most?: number): { order: CallOrder; seen: string[]; times: number[] } => {
  const seen: string[] = []
  const times: number[] = []
  const order = new CallOrder(
    {
      arrived: ({ line }, at) => void (seen.push(`+${line.id}`), times.push(at)),
      ended: ({ line }, at) => void (seen.push(`-${line.id}`), times.push(at)),
    },
    most,
  )
  return { order, seen, times }
}

describe('calls in order', () => {
  test('are told by the time of their arrivals and ends, not by the order of their lines', () => {
    const { order, seen } = recording()
    order.add(call({ id: 'short', at: 100, endMs: 50 }))
    order.add(call({ id: 'long', at: 0, endMs: 1000 }))
    order.flush()
    expect(seen).toEqual(['+long', '+short', '-short', '-long'])
  })

  test('of one instant keep the order that the core was told them in', () => {
    const { order, seen } = recording()
    order.add(call({ id: 'b', at: 5, endMs: 0, order: [3, 4] }))
    order.add(call({ id: 'a', at: 5, endMs: 0, order: [1, 2] }))
    order.flush()
    expect(seen).toEqual(['+a', '-a', '+b', '-b'])
  })

  test('go out when an idle gap is longer than any call', () => {
    const { order, seen } = recording()
    order.add(call({ id: 'early', at: 0, endMs: 10 }))
    expect(seen).toEqual([])
    order.add(call({ id: 'late', at: 3_600_000, endMs: 10 }))
    expect(seen).toEqual(['+early', '-early'])
  })

  test('are all told, each once, in an order that never goes back', () => {
    const one = record({
      at: integer({ min: 0, max: 500_000 }),
      endMs: integer({ min: 0, max: 90_000 }),
    })
    assert(
      property(array(one, { maxLength: 80 }), integer({ min: 1, max: 20 }), (drawn, most) => {
        const { order, seen, times } = recording(most)
        for (const [index, changes] of drawn.entries()) order.add(call({ id: String(index), ...changes }))
        order.flush()
        expect(times).toEqual(times.toSorted((a, b) => a - b))
        const naive = drawn.flatMap((_, index) => [`+${index}`, `-${index}`])
        expect(seen.toSorted()).toEqual(naive.toSorted())
        for (const index of drawn.keys())
          expect(seen.indexOf(`+${index}`)).toBeLessThan(seen.indexOf(`-${index}`))
      }),
    )
  })

  test('that come after their time are counted as late', () => {
    const { order } = recording(1)
    order.add(call({ at: 1000 }))
    order.add(call({ at: 2000 }))
    order.add(call({ at: 5 }))
    expect(order.late).toBe(1)
  })

  test('of another run may begin at an earlier time', () => {
    const { order, times } = recording()
    order.add(call({ at: 1000, endMs: 0 }))
    order.flush()
    order.add(call({ at: 5, endMs: 0 }))
    order.flush()
    expect(times).toEqual([1000, 1000, 5, 5])
    expect(order.late).toBe(0)
  })
})
