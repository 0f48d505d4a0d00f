import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { IdleSweep, type Swept, sweepInterval } from './idle-sweep.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

function clock(): number {
  return performance.now()
}

class Thing implements Swept {
  sweepIndex = -1
  readonly visits: number[] = []
  readonly onVisit: (thing: Thing) => void
  constructor(onVisit: (thing: Thing) => void = () => {}) {
    this.onVisit = onVisit
  }
  visit(now: number): void {
    this.visits.push(now)
    this.onVisit(this)
  }
}

test('everything that is open is visited at each tick, and nothing that was taken out', () => {
  const sweep = new IdleSweep(clock, 100)
  const things = [new Thing(), new Thing(), new Thing()]
  for (const thing of things) sweep.add(thing)
  vi.advanceTimersByTime(100)
  sweep.remove(things[0]!)
  sweep.remove(things[0]!)
  vi.advanceTimersByTime(100)
  expect(things.map(({ visits }) => visits.length)).toEqual([1, 2, 2])
  expect(sweep.size).toBe(2)
})

test('things may leave and join while they are visited', () => {
  const sweep = new IdleSweep(clock, 100)
  const leaving = Array.from({ length: 5 }, () => new Thing((thing) => sweep.remove(thing)))
  const joining = new Thing()
  leaving.push(new Thing(() => sweep.add(joining)))
  for (const thing of leaving) sweep.add(thing)
  vi.advanceTimersByTime(100)
  expect(leaving.map(({ visits }) => visits.length)).toEqual([1, 1, 1, 1, 1, 1])
  expect(sweep.size).toBe(2)
})

test('without anything open the timer ends, and comes back with the next', () => {
  const sweep = new IdleSweep(clock, 100)
  const thing = new Thing()
  sweep.add(thing)
  sweep.remove(thing)
  vi.advanceTimersByTime(1000)
  expect(vi.getTimerCount()).toBe(0)
  sweep.add(thing)
  vi.advanceTimersByTime(100)
  expect(thing.visits.length).toBe(1)
})

test('after a pause of the whole process one tick is left out, so that what came meanwhile is read first', () => {
  let now = 0
  const sweep = new IdleSweep(() => now, 100)
  const thing = new Thing()
  sweep.add(thing)
  now = 100
  vi.advanceTimersByTime(100)
  now = 60_000
  vi.advanceTimersByTime(100)
  expect(thing.visits).toEqual([100])
  now = 60_100
  vi.advanceTimersByTime(100)
  expect(thing.visits).toEqual([100, 60_100])
})

test('the interval is a tenth of the shortest limit, between 5 and 250 ms', () => {
  expect(sweepInterval([60_000, 300_000])).toBe(250)
  expect(sweepInterval([1000, 300_000])).toBe(100)
  expect(sweepInterval([10])).toBe(5)
})
