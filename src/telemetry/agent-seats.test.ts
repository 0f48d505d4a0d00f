import { array, assert, integer, property, tuple } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agentReading } from '../../test/kit/readings.ts'
import { AgentSeats } from './agent-seats.ts'

const plain = (counts: ReadonlyMap<string, number>): Record<string, number> => Object.fromEntries(counts)

describe('seats of agents', () => {
  it('are given up after ten idle minutes, and their calls move to the others', () => {
    const seats = new AgentSeats(1)
    seats.count([agentReading('a', 5)], 5, 0)
    expect(plain(seats.count([agentReading('b', 2, { lastSeen: 500_000 })], 7, 500_000))).toEqual({
      a: 5,
      other: 2,
    })
    const later = seats.count([agentReading('b', 4, { lastSeen: 700_000 })], 9, 700_000)
    expect(plain(later)).toEqual({ b: 0, other: 9 })
    expect(plain(seats.count([agentReading('b', 7, { lastSeen: 700_001 })], 12, 700_001))).toEqual({
      b: 3,
      other: 9,
    })
  })

  it('go to the first ones of a burst in one instant, the rest is others', () => {
    const seats = new AgentSeats(2)
    const burst = ['a', 'b', 'c', 'd'].map((name) => agentReading(name, 10))
    expect(plain(seats.count(burst, 40, 0))).toEqual({ a: 10, b: 10, other: 20 })
  })

  it('are kept when another agent becomes busier', () => {
    const seats = new AgentSeats(1)
    seats.count([agentReading('a', 5)], 5, 0)
    const next = seats.count([agentReading('b', 50), agentReading('a', 6)], 56, 1)
    expect(plain(next)).toEqual({ a: 6, other: 50 })
  })

  it('count on for an agent that the core forgot and learned again', () => {
    const seats = new AgentSeats(1)
    seats.count([agentReading('a', 5)], 5, 0)
    expect(plain(seats.count([agentReading('a', 2)], 7, 1))).toEqual({ a: 7, other: 0 })
  })

  it('never let the others fall, and add up to all calls', () => {
    const step = array(tuple(integer({ min: 0, max: 9 }), integer({ min: 1, max: 20 })), {
      maxLength: 8,
    })
    assert(
      property(array(step, { maxLength: 30 }), integer({ min: 0, max: 4 }), (steps, cap) => {
        const seats = new AgentSeats(cap)
        const calls = new Map<string, number>()
        let other = 0
        let now = 0
        for (const arrivals of steps) {
          now += 1000
          for (const [agent, count] of arrivals) calls.set(`a${agent}`, (calls.get(`a${agent}`) ?? 0) + count)
          const total = [...calls.values()].reduce((sum, count) => sum + count, 0)
          const busiest = [...calls].toSorted((left, right) => right[1] - left[1])
          const shown = seats.count(
            busiest.map(([name, count]) => agentReading(name, count, { lastSeen: now })),
            total,
            now,
          )
          expect(shown.size).toBeLessThanOrEqual(cap + 1)
          expect(shown.get('other')).toBeGreaterThanOrEqual(other)
          other = shown.get('other') ?? 0
          const sum = [...shown.values()].reduce((all, count) => all + count, 0)
          expect(sum).toBe(total)
        }
      }),
    )
  })
})
