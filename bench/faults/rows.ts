/** One row per fault of the chaos run, each alone, with enough time to show. */
import { setTimeout as pause } from 'node:timers/promises'
import { seeded } from '../../src/core/random.ts'
import { FAULTS, restart, type ChaosRoom } from '../../test/chaos/faults.ts'
import { Judge } from '../../test/chaos/judge.ts'
import { Traffic } from '../../test/chaos/traffic.ts'
import { Windows } from '../../test/chaos/windows.ts'
import type { Tally } from './tally.ts'
import { WeirWorld } from '../../test/kit/faults/weir-world.ts'
import { HAS_REDIS } from '../../test/kit/redis-server.ts'

export interface FaultRow extends Tally {
  /** Events of the operator that claim trouble at an upstream. */
  readonly alarms: number
}

const SEED = 9
const WORKERS = 24
const ALARMS = new Set(['drift-started', 'storm-started'])
/** Faults that last as long as they say in the promise, not as long as the row. */
const LASTS_MS: Readonly<Record<string, number>> = { stall: 5000 }
const REDIS = new Set(['redis-kill', 'redis-freeze'])

/** @param lastsMs how long each fault lasts */
export async function faultRows(lastsMs: number): Promise<Record<string, FaultRow>> {
  const rows: Record<string, FaultRow> = { none: await row(async () => pause(lastsMs), false) }
  for (const [name, fault] of Object.entries(FAULTS)) {
    if (REDIS.has(name) && !HAS_REDIS) continue
    rows[name] = await row(async (room) => fault(room, LASTS_MS[name] ?? lastsMs), REDIS.has(name))
  }
  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    rows[`restart-by-${signal.toLowerCase()}`] = await row(async (room) => restart(room, signal), false)
  return rows
}

async function row(fault: (room: ChaosRoom) => Promise<void>, redis: boolean): Promise<FaultRow> {
  const calm = { serviceMs: 8 }
  const world = await WeirWorld.start({ upstreams: 1, weather: calm, redis, seed: SEED })
  const windows = new Windows()
  const judge = new Judge(windows, world.upstreams)
  const traffic = new Traffic({
    origin: () => world.agents,
    upstreams: world.upstreams.map(({ name }) => name),
    random: seeded(SEED),
    workers: WORKERS,
    pauseMs: 40,
    giveUpMs: 60_000,
    onResult: (result, upstream) => judge.take(result, upstream),
  })
  try {
    traffic.start()
    await pause(1500)
    await fault({ world, windows, random: seeded(SEED), calm })
    world.heal()
    await pause(1000)
    await traffic.stop()
    const alarms = (await world.events()).filter((name) => ALARMS.has(name)).length
    const sent = judge.calls - judge.endings.left
    const { wronglyAnswered, lost } = judge
    const overBoundMs = Math.round(judge.overBoundMs)
    return { sent, answered: sent - wronglyAnswered - lost, wronglyAnswered, lost, overBoundMs, alarms }
  } finally {
    await traffic.close()
    await world.close()
  }
}
