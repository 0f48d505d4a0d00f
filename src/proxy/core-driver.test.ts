import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeCore } from '../../test/kit/fake-core.ts'
import type { Directive } from '../core/model.ts'
import { driveCore } from './core-driver.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

/** A core that is due at given instants. */
class DueCore extends FakeCore {
  readonly at: number[] = []
  readonly ticks: number[] = []
  override wakeAt(): number {
    return this.at[0] ?? Infinity
  }
  override tick(now = 0): readonly Directive[] {
    this.ticks.push(now)
    while (this.at.length > 0 && this.at[0]! <= now) this.at.shift()
    return this.due.splice(0)
  }
}

const RELEASE: Directive = { do: 'release', call: 0, reason: 'recovered', upstream: 0 }
const SETTLED = {
  call: 0,
  at: 0,
  kind: 'success',
  status: 200,
  answered: true,
  bytesIn: 0,
  bytesOut: 0,
} as const

function clock(): number {
  return performance.now()
}

test('what is due after a settlement runs at once, but not inside of it', async () => {
  const core = new DueCore()
  const got: Directive[] = []
  const driven = driveCore(core, clock, (directive) => got.push(directive))
  core.at.push(0)
  core.due.push(RELEASE)
  driven.settle(SETTLED)
  expect(got).toEqual([])
  await Promise.resolve()
  expect(got).toEqual([RELEASE])
})

test('one timer waits for the next instant, and is moved only to an earlier one', async () => {
  const core = new DueCore()
  const driven = driveCore(core, clock, () => {})
  const start = clock()
  core.at.push(start + 500)
  driven.look()
  core.at.unshift(start + 200)
  driven.look()
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(200)
  expect(core.ticks.length).toBe(1)
  await vi.advanceTimersByTimeAsync(299)
  expect(core.ticks.length).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(core.ticks.length).toBe(2)
  expect(vi.getTimerCount()).toBe(0)
})

test('a timer that is too early finds nothing to do and waits on', async () => {
  const core = new DueCore()
  const driven = driveCore(core, clock, () => {})
  core.at.push(clock() + 100)
  driven.look()
  core.at[0] = clock() + 300
  await vi.advanceTimersByTimeAsync(150)
  expect(core.ticks).toEqual([])
  await vi.advanceTimersByTimeAsync(150)
  expect(core.ticks.length).toBe(1)
})

test('a directive that calls the core again neither nests nor loses the ones behind it', async () => {
  const core = new DueCore()
  const got: string[] = []
  const driven = driveCore(core, clock, (directive) => {
    got.push(directive.do)
    driven.settle(SETTLED)
  })
  core.at.push(0)
  core.due.push(RELEASE, { do: 'expire', call: 1, reason: 'drift', slotAt: 0 })
  driven.look()
  await Promise.resolve()
  expect(got).toEqual(['release', 'expire'])
})

test('a core that is always due does not stop the loop', async () => {
  const core = new DueCore()
  core.wakeAt = () => 0
  const driven = driveCore(core, clock, () => {})
  driven.look()
  await vi.advanceTimersByTimeAsync(10)
  expect(core.ticks.length).toBeGreaterThan(5)
  expect(core.ticks.length).toBeLessThan(15)
  driven.stop()
  const ticks = core.ticks.length
  await vi.advanceTimersByTimeAsync(10)
  expect(core.ticks.length).toBe(ticks)
})
