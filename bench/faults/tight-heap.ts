/** A small heap under far more work than it can do: goodput against its best, and whether the operator is answered. */
import { tallyOf } from './tally.ts'
import { setTimeout as pause } from 'node:timers/promises'
import { CheckedCaller, type Ending } from '../../test/kit/faults/checked-caller.ts'
import { HEAD_BOUND_MS, WeirWorld } from '../../test/kit/faults/weir-world.ts'

const HEAP_MIB = 128
const USUAL = 40
const TIMES = 5

interface Pass {
  readonly perSecond: number
  readonly bad: number
  readonly endings: readonly Ending[]
  readonly slowestMs: number
}

export async function tightHeap(forMs: number): Promise<Record<string, number>> {
  const world = await WeirWorld.start({
    weather: { serviceMs: 20 },
    process: { node: [`--max-old-space-size=${HEAP_MIB}`] },
  })
  try {
    await load(world, USUAL, 1500)
    const peak = await load(world, USUAL, forMs)
    let operatorSlowestMs = 0
    const watching = { isOver: false }
    const watch = (async (): Promise<void> => {
      while (!watching.isOver) {
        const from = performance.now()
        await world.metrics(20_000)
        operatorSlowestMs = Math.max(operatorSlowestMs, performance.now() - from)
        await pause(200)
      }
    })()
    const crowded = await load(world, USUAL * TIMES, forMs)
    watching.isOver = true
    await watch
    const slowestMs = Math.max(peak.slowestMs, crowded.slowestMs)
    return {
      ...tallyOf([...peak.endings, ...crowded.endings], slowestMs - HEAD_BOUND_MS),
      heapMiB: HEAP_MIB,
      peakPerSecond: Math.round(peak.perSecond),
      crowdedPerSecond: Math.round(crowded.perSecond),
      goodputRatio: Math.round((100 * crowded.perSecond) / peak.perSecond) / 100,
      wrongOrLost: peak.bad + crowded.bad,
      alive: world.weir!.isEnded ? 0 : 1,
      operatorSlowestMs: Math.round(operatorSlowestMs),
      residentMiB: Math.round(world.residentBytes / 2 ** 20),
    }
  } finally {
    await world.close()
  }
}

let passes = 0

async function load(world: WeirWorld, workers: number, forMs: number): Promise<Pass> {
  const caller = new CheckedCaller(() => world.agents, 60_000, workers)
  const pass = (passes += 1)
  const until = performance.now() + forMs
  const endings: Ending[] = []
  let [whole, bad, slowestMs] = [0, 0, 0]
  const work = async (worker: number): Promise<void> => {
    for (let n = 0; performance.now() < until; n += 1) {
      const id = `p${pass}-${worker}-${n}`
      const { ending, headMs } = await caller.call({
        id,
        upstream: 'up0',
        agent: `agent-${worker}`,
        bytesIn: 10_000,
      })
      endings.push(ending)
      slowestMs = Math.max(slowestMs, headMs)
      if (ending === 'whole') whole += 1
      else if (ending !== 'own') bad += 1
    }
  }
  await Promise.all(Array.from({ length: workers }, async (_, worker) => work(worker)))
  await caller.close()
  return { perSecond: (1000 * whole) / forMs, bad, endings, slowestMs }
}
