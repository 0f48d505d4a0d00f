import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PRIORITIES, type Priority } from '../model.ts'
import { HoldQueue, type HoldOffer } from './hold-queue.ts'

const policy = { maxMs: 10_000, maxCalls: 1000, maxPerAgent: 500, maxBytes: 1e9 }

function offer(call: number, more: Partial<HoldOffer> = {}): HoldOffer {
  return { call, agentSlot: 0, priority: 'normal', until: 10_000, cost: 1, bytes: 100, ...more }
}

function drain(queue: HoldQueue, at = 0): number[] {
  const order: number[] = []
  for (let call = queue.next(at); call >= 0; call = queue.next(at)) order.push(call)
  return order
}

/** Jain's fairness index: 1 = all equal. */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0)
  const squares = shares.reduce((a, b) => a + b * b, 0)
  return (sum * sum) / (shares.length * squares)
}

describe('HoldQueue', () => {
  it('has nothing to give after an idle hour in which everything expired, and counts nothing', () => {
    const queue = new HoldQueue(policy)
    queue.offer(offer(1), 0)
    queue.offer(offer(2, { priority: 'critical', until: 500 }), 0)
    expect(queue.nextExpiry()).toBe(500)
    expect(queue.next(3_600_000)).toBe(-1)
    const expired: number[] = []
    queue.expire(3_600_000, (call) => expired.push(call))
    expect(expired).toEqual([2, 1])
    expect([queue.size, queue.bytes, queue.sizeOfAgent(0), queue.nextExpiry()]).toEqual([0, 0, 0, Infinity])
  })

  it('serves a burst of one instant class by class, in order of arrival inside an agent', () => {
    const queue = new HoldQueue(policy)
    queue.offer(offer(0, { priority: 'batch' }), 0)
    queue.offer(offer(1, { priority: 'normal' }), 0)
    queue.offer(offer(2, { priority: 'critical' }), 0)
    queue.offer(offer(3, { priority: 'interactive' }), 0)
    queue.offer(offer(4, { priority: 'critical' }), 0)
    expect(drain(queue)).toEqual([2, 4, 3, 1, 0])
  })

  it('serves the earliest deadline of an agent first', () => {
    const queue = new HoldQueue(policy)
    for (const [call, until] of [900, 300, 600, 300].entries()) queue.offer(offer(call, { until }), 0)
    expect(drain(queue)).toEqual([1, 3, 2, 0])
  })

  it('takes agents in turn, whoever came with more', () => {
    const queue = new HoldQueue(policy)
    for (let call = 0; call < 6; call++) queue.offer(offer(call, { agentSlot: 7 }), 0)
    queue.offer(offer(10, { agentSlot: 8 }), 0)
    queue.offer(offer(11, { agentSlot: 8 }), 0)
    const order = drain(queue)
    expect(order.slice(0, 4).toSorted((a, b) => a - b)).toEqual([0, 1, 10, 11])
  })

  it('lets a call go at the very last instant before its hold ends, and not at its end', () => {
    const queue = new HoldQueue(policy)
    queue.offer(offer(1, { until: 100 }), 0)
    queue.offer(offer(2, { until: 100 }), 0)
    expect(queue.next(99.9)).toBe(1)
    expect(queue.next(100)).toBe(-1)
  })

  it('removes a call whose client left at once, also when its hold is over, and only once', () => {
    const queue = new HoldQueue(policy)
    for (let call = 0; call < 3; call++) queue.offer(offer(call, { until: 100 }), 0)
    expect([queue.remove(1), queue.remove(1), queue.remove(77)]).toEqual([true, false, false])
    expect(queue.next(200)).toBe(-1)
    expect(queue.remove(0)).toBe(true)
    const expired: number[] = []
    queue.expire(200, (call) => expired.push(call))
    expect(expired).toEqual([2])
    expect([queue.size, queue.bytes]).toEqual([0, 0])
  })

  it('refuses one more of the longest line when full, of an agent at its cap, and beyond its memory', () => {
    const queue = new HoldQueue({ ...policy, maxCalls: 4, maxPerAgent: 3, maxBytes: 1000 })
    expect([0, 1, 2, 3].map((call) => queue.offer(offer(call), 0))).toEqual([
      'queued',
      'queued',
      'queued',
      'fair-share',
    ])
    expect(queue.offer(offer(4, { agentSlot: 1, bytes: 701 }), 0)).toBe('hold-memory')
    expect(queue.offer(offer(4, { agentSlot: 1 }), 0)).toBe('queued')
    expect(queue.offer(offer(5, { agentSlot: 1 }), 0)).toBe('queued')
    expect(queue.offer(offer(6, { agentSlot: 1 }), 0)).toBe('queue-full')
    queue.expire(0, () => undefined)
    expect([queue.size, queue.sizeOfAgent(0), queue.sizeOfAgent(1)]).toEqual([4, 2, 2])
  })

  it('lets a new agent displace the youngest of the longest line when full', () => {
    const queue = new HoldQueue({ ...policy, maxCalls: 3 })
    for (const call of [0, 1, 2]) queue.offer(offer(call), 0)
    expect(queue.offer(offer(9, { agentSlot: 1 }), 5)).toBe('queued')
    expect(queue.nextExpiry()).toBe(5)
    const ended: [number, boolean][] = []
    queue.expire(5, (call, displaced) => ended.push([call, displaced]))
    expect(ended).toEqual([[2, true]])
    expect(drain(queue, 5).toSorted((a, b) => a - b)).toEqual([0, 1, 9])
  })

  it('lets a higher class displace the lowest when full, never the other way', () => {
    const queue = new HoldQueue({ ...policy, maxCalls: 2 })
    queue.offer(offer(0, { priority: 'batch' }), 0)
    queue.offer(offer(1, { agentSlot: 1, priority: 'normal' }), 0)
    expect(queue.offer(offer(2, { agentSlot: 2, priority: 'critical' }), 0)).toBe('queued')
    expect(queue.offer(offer(3, { agentSlot: 3, priority: 'batch' }), 0)).toBe('queue-full')
    expect(drain(queue)).toEqual([2, 1])
  })

  it('throws when a call is offered twice', () => {
    const queue = new HoldQueue(policy)
    queue.offer(offer(1), 0)
    expect(() => queue.offer(offer(1), 0)).toThrow(/call 1 already waits/)
  })

  it('gives the classes their guaranteed shares while all wait, and the rest to the highest', () => {
    const queue = new HoldQueue({ ...policy, maxCalls: 1e6, maxPerAgent: 1e6 })
    let call = 0
    const ofClass: Priority[] = []
    const served: Record<Priority, number> = { critical: 0, interactive: 0, normal: 0, batch: 0 }
    const refill = (priority: Priority): void => {
      ofClass[call] = priority
      queue.offer(offer(call++, { priority, until: Infinity }), 0)
    }
    for (const priority of PRIORITIES) for (let i = 0; i < 20; i++) refill(priority)
    for (let i = 0; i < 10_000; i++) {
      const priority = ofClass[queue.next(0)] ?? 'batch'
      served[priority] += 1
      refill(priority)
    }
    expect(served.critical / 10_000).toBeCloseTo(0.855, 2)
    expect(served.interactive / 10_000).toBeCloseTo(0.125, 2)
    expect(served.normal / 10_000).toBeCloseTo(0.02, 2)
    expect(served.batch).toBe(0)
  })

  it('never lets nineteen agents suffer from one that offers ten times as much', () => {
    const queue = new HoldQueue({ ...policy, maxCalls: 400, maxPerAgent: 400 })
    const served = Array<number>(20).fill(0)
    const agentOf: number[] = []
    let call = 0
    // Each of 20 agents offers 1 call per ms, the first 10; 10 calls per ms are served.
    for (let ms = 0; ms < 5000; ms++) {
      for (let agent = 0; agent < 20; agent++) {
        for (let i = 0; i < (agent === 0 ? 10 : 1); i++) {
          const slot = call++ % 8192
          agentOf[slot] = agent
          queue.offer(offer(slot, { agentSlot: agent, until: ms + 200 }), ms)
        }
      }
      queue.expire(ms, () => undefined)
      for (let i = 0; i < 10; i++) {
        const next = queue.next(ms)
        if (next < 0) break
        const agent = agentOf[next] ?? 0
        served[agent] = (served[agent] ?? 0) + 1
        queue.complete(next, 1)
      }
    }
    expect(jain(served)).toBeGreaterThan(0.99)
  })

  it('is fair in service, not in calls, once it learns what the calls of an agent cost', () => {
    const queue = new HoldQueue({ ...policy, maxCalls: 1e5, maxPerAgent: 1e5 })
    for (let call = 0; call < 2000; call++) queue.offer(offer(call, { agentSlot: call % 2, cost: 100 }), 0)
    const service = [0, 0]
    const calls = [0, 0]
    for (let i = 0; i < 500; i++) {
      const call = queue.next(0)
      const agent = call % 2
      const actual = agent === 0 ? 400 : 100
      service[agent] = (service[agent] ?? 0) + actual
      calls[agent] = (calls[agent] ?? 0) + 1
      queue.complete(call, actual)
    }
    expect(jain(service)).toBeGreaterThan(0.99)
    expect((calls[1] ?? 0) / (calls[0] ?? 1)).toBeCloseTo(4, 0)
  })

  it('never lets two agents that both wait differ by more than two of the largest calls', () => {
    const costs = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 10, maxLength: 60 })
    fc.assert(
      fc.property(costs, costs, (a, b) => {
        const queue = new HoldQueue(policy)
        for (const [i, cost] of a.entries()) queue.offer(offer(i, { agentSlot: 1, cost }), 0)
        for (const [i, cost] of b.entries()) queue.offer(offer(100 + i, { agentSlot: 2, cost }), 0)
        let [ofA, ofB, leftA, leftB] = [0, 0, a.length, b.length]
        while (leftA > 0 && leftB > 0) {
          expect(Math.abs(ofA - ofB)).toBeLessThanOrEqual(100)
          const call = queue.next(0)
          if (call < 100) {
            ofA += a[call] ?? 0
            leftA -= 1
          } else {
            ofB += b[call - 100] ?? 0
            leftB -= 1
          }
        }
      }),
    )
  })

  it('never estimates a shorter wait for a lower class or for an agent with more calls waiting', () => {
    const queue = new HoldQueue(policy)
    for (let call = 0; call < 40; call++) {
      const priority = PRIORITIES[call % 4] ?? 'normal'
      queue.offer(offer(call, { agentSlot: call % 3 === 0 ? 0 : call, priority }), 0)
    }
    const waits = PRIORITIES.map((priority) => queue.waitEstimateMs(priority, 99, 10))
    expect(waits).toEqual(waits.toSorted((a, b) => a - b))
    expect(queue.waitEstimateMs('batch', 0, 10)).toBeGreaterThan(queue.waitEstimateMs('batch', 99, 10))
    expect(queue.waitEstimateMs('normal', 0, 0)).toBe(Infinity)
    expect(new HoldQueue(policy).waitEstimateMs('batch', 0, 10)).toBe(0)
  })

  it('loses no call and ends none twice, whatever happens in whatever order', () => {
    const event = fc.record({
      kind: fc.constantFrom('offer', 'offer', 'offer', 'next', 'remove', 'expire', 'complete'),
      call: fc.nat(40),
      agentSlot: fc.nat(1500),
      priority: fc.constantFrom(...PRIORITIES),
      hold: fc.nat(50),
      cost: fc.double({ min: -1, max: 1000, noNaN: true }),
      bytes: fc.nat(500),
      gap: fc.nat(10),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 400 }), (events) => {
        const queue = new HoldQueue({ maxMs: 50, maxCalls: 20, maxPerAgent: 9, maxBytes: 5000 })
        const waiting = new Map<number, { until: number; bytes: number }>()
        const faults: string[] = []
        let displaced = 0
        const end = (call: number, at: number, early: boolean): void => {
          displaced -= early ? 1 : 0
          if (!early && (waiting.get(call)?.until ?? Infinity) > at)
            faults.push(`${call} expired before its time`)
          if (!waiting.delete(call)) faults.push(`${call} ended twice`)
        }
        let at = 0
        for (const e of events) {
          at += e.gap
          const alive = [...waiting.values()].filter(({ until }) => until > at).length
          if (e.kind === 'offer' && !waiting.has(e.call)) {
            const { call, agentSlot, priority, cost, bytes } = e
            const until = at + e.hold
            const result = queue.offer({ call, agentSlot, priority, until, cost, bytes }, at)
            if (result === 'queued') {
              waiting.set(call, { until, bytes })
              displaced += alive === 20 ? 1 : 0
            }
            queue.expire(at, (ended, early) => end(ended, at, early))
          } else if (e.kind === 'next') {
            const call = queue.next(at)
            if (call < 0 && alive > 0) faults.push(`nobody was served though ${alive} waited`)
            if (call >= 0 && (waiting.get(call)?.until ?? 0) <= at) faults.push(`${call} was served too late`)
            waiting.delete(call)
          } else if (e.kind === 'remove') {
            if (queue.remove(e.call) !== waiting.delete(e.call)) faults.push(`${e.call} was not removed`)
          } else if (e.kind === 'expire') {
            queue.expire(at, (call, early) => end(call, at, early))
            if (waiting.size !== alive) faults.push(`${waiting.size} of ${alive} wait on`)
          } else queue.complete(e.call, e.cost)
          const bytes = [...waiting.values()].reduce((sum, call) => sum + call.bytes, 0)
          const first = Math.min(Infinity, ...[...waiting.values()].map(({ until }) => until))
          expect([queue.size, queue.bytes, queue.nextExpiry(), displaced]).toEqual([
            waiting.size,
            bytes,
            first,
            0,
          ])
          expect(Math.max(20, queue.size)).toBe(20)
          expect(faults).toEqual([])
        }
        queue.expire(Infinity, (call) => end(call, Infinity, false))
        expect([queue.size, queue.bytes, waiting.size, queue.nextExpiry()]).toEqual([0, 0, 0, Infinity])
        for (let agent = 0; agent <= 1500; agent++) expect(queue.sizeOfAgent(agent)).toBe(0)
        for (const priority of PRIORITIES) expect(queue.sizeOf(priority)).toBe(0)
      }),
    )
  })
})
