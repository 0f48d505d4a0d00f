/** Time that jumps and time that stands still (promises.md rows 71 and 72, G12), at a whole Weir in its own process. */
import { expect, test } from 'vitest'
import { CheckedCaller, type CallResult } from '../kit/faults/checked-caller.ts'
import { stall } from '../kit/faults/stall.ts'
import { HEAD_BOUND_MS, type Metrics, WeirWorld } from '../kit/faults/weir-world.ts'
import { kept } from '../kit/kept.ts'

const HOUR_MS = 3_600_000
const WORKERS = 8

/** Calls without rest until `isOver`. */
async function traffic(world: WeirWorld, isOver: () => boolean): Promise<CallResult[]> {
  const caller = kept(new CheckedCaller(() => world.agents, 30_000))
  const results: CallResult[] = []
  const work = async (worker: number): Promise<void> => {
    for (let n = 0; !isOver(); n += 1) {
      const plan = { id: `w${worker}-${n}`, upstream: 'up0', agent: `agent-${worker}`, bytesOut: 500 }
      results.push(await caller.call({ ...plan, ...(n % 5 === 0 ? { events: 3, gapMs: 5 } : {}) }))
      await pause(10)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)))
  return results
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

function alarms(metrics: Metrics): number {
  return metrics.sum('weir_timeouts_total') + metrics.sum('weir_calls_total', 'outcome="upstream-error"')
}

const FALSE_NEWS = new Set(['drift-started', 'storm-started', 'condition-changed', 'agent-looping'])

test(
  'a wall clock that is set by an hour, either way, changes nothing for anybody',
  { timeout: 60_000 },
  async () => {
    const world = kept(await WeirWorld.start({ weather: { serviceMs: 10 } }))
    let isOver = false
    const running = traffic(world, () => isOver)
    await pause(1500)
    for (const shiftMs of [HOUR_MS, -HOUR_MS, 0]) {
      await world.shiftWall(shiftMs)
      await pause(1000)
    }
    isOver = true
    const results = await running
    expect(results.length).toBeGreaterThan(100)
    expect(results.filter(({ ending }) => ending !== 'whole')).toEqual([])
    expect(Math.max(...results.map(({ headMs }) => headMs))).toBeLessThan(HEAD_BOUND_MS)
    expect(alarms(await world.metrics())).toBe(0)
    expect((await world.events()).filter((name) => FALSE_NEWS.has(name))).toEqual([])
  },
)

test('a process that stood still for five seconds blames nobody for it', { timeout: 60_000 }, async () => {
  const world = kept(await WeirWorld.start({ weather: { serviceMs: 10 } }))
  let isOver = false
  const running = traffic(world, () => isOver)
  await pause(2000)
  await stall(world.pid, 5000)
  await pause(2500)
  isOver = true
  const results = await running
  expect(results.filter(({ ending }) => ending !== 'whole')).toEqual([])
  // It was really away, and then everything that waited had its answer.
  const longest = Math.max(...results.map(({ endedAt, startedAt }) => endedAt - startedAt))
  expect(longest).toBeGreaterThan(4500)
  expect(longest).toBeLessThan(5000 + HEAD_BOUND_MS)
  expect(alarms(await world.metrics())).toBe(0)
  expect((await world.events()).filter((name) => FALSE_NEWS.has(name))).toEqual([])
})
