/**
 * Many Weirs as one, with real processes and a real redis-server: eight sidecars with one agent each against one gateway
 * that sees everything and against eight without a board; a board that fails in every way; rolling restarts; workers.
 */
import autocannon from 'autocannon'
import { readFileSync } from 'node:fs'
import type { Scenario } from '../test/kit/sim/scenario.ts'
import { RedisServer } from '../test/board/redis-server.ts'
import { brownout, dead } from '../test/sim/fleet-scenarios.ts'
import { createSandbox } from '../src/demo/sandbox.ts'
import { boardCost } from './fleet/board-cost.ts'
import { boardScale } from './fleet/board-scale.ts'
import { Cuttable } from './fleet/cuttable.ts'
import { playWith, type Played } from './fleet/one-agent-each.ts'
import { Sidecar, sleep } from './fleet/sidecars.ts'
import { SteadyLoad } from './fleet/steady-load.ts'
import { buildWeir, startUpstream, startWeir } from './targets/all.ts'

const SIDECARS = 8
const HEALTHY_MS = 14_000

export async function run({ smoke }: { smoke: boolean }): Promise<Record<string, unknown>> {
  if (process.env['FLEET_BUILT'] === undefined) buildWeir()
  const only = (process.env['FLEET_ONLY'] ?? '').split(',').filter((name) => name !== '')
  const parts = { storms, faults, rolling, workers, cost, scale }
  const figures: Record<string, unknown> = {}
  for (const [name, part] of Object.entries(parts)) {
    if (only.length > 0 && !only.includes(name)) continue
    Object.assign(figures, await part(smoke))
  }
  return figures
}

/** The script as it is, after a shorter calm; a smoke run plays a part of the trouble. */
function shortened(scenario: Scenario, part: number): Scenario {
  const { trouble } = scenario
  const until = HEALTHY_MS + (trouble.until - trouble.from) * part
  return {
    ...scenario,
    durationMs: until + 15_000 * part,
    trouble: { ...trouble, from: HEALTHY_MS, until },
    upstreams: Object.fromEntries(
      Object.entries(scenario.upstreams).map(([name, shape]) => [
        name,
        { ...shape, phases: shape.phases.map((phase) => ({ ...phase, from: HEALTHY_MS, until })) },
      ]),
    ),
  }
}

async function storms(smoke: boolean): Promise<Record<string, unknown>> {
  const part = smoke ? 0.3 : 1
  const server = await RedisServer.start()
  const board = [`--board=redis://127.0.0.1:${server.port}`]
  try {
    const slow = shortened(brownout, part)
    const one = await playWith(slow, 1, () => [])
    const joined = await playWith(slow, SIDECARS, () => board)
    const apart = await playWith(slow, SIDECARS, () => [])
    const storm = await playWith(shortened(dead, part), SIDECARS, () => board)
    return {
      stormKnownSeconds: storm.stormKnownSeconds,
      attemptsRatio: joined.score.attemptsPerCall / one.score.attemptsPerCall,
      // Seconds are counted whole: one more on both sides, or a gateway that is back at once allows nothing.
      recoverRatio: (joined.score.recoverSeconds + 1) / (one.score.recoverSeconds + 1),
      overLimitRatio: {
        board: overLimit(joined, slow.trouble.from, slow.trouble.until),
        ...(await partitioned(slow, server)),
      },
      gateway: one.score,
      sidecars: joined.score,
      withoutBoard: apart.score,
    }
  } finally {
    await server.kill()
  }
}

/** Mean of the calls at the upstream over mean of the limit, while one is in force. */
function overLimit({ loads }: Played, from: number, until: number): number {
  const limited = loads.filter(({ at, limit }) => at >= from && at < until && limit > 0)
  const inFlight = limited.reduce((sum, row) => sum + row.inFlight, 0)
  return inFlight / limited.reduce((sum, row) => sum + row.limit, 0)
}

/** Half of the sidecars lose their way to the board in the middle of the trouble. */
async function partitioned(scenario: Scenario, server: RedisServer): Promise<Record<string, number>> {
  const way = await Cuttable.to(server.port)
  const { from, until } = scenario.trouble
  const third = (until - from) / 3
  const port = (n: number): number => (n % 2 === 0 ? way.port : server.port)
  const played = await playWith(
    scenario,
    SIDECARS,
    (n) => [`--board=redis://127.0.0.1:${port(n)}`],
    async (clock) => {
      await sleep(from + third - clock.now)
      way.cut()
      await sleep(third)
      way.join()
    },
  )
  way.close()
  const mean = (of: 'inFlight' | 'limit', start: number, end: number): number => {
    const rows = played.loads.filter(({ at, limit }) => at >= start && at < end && limit > 0)
    return rows.reduce((sum, row) => sum + row[of], 0) / Math.max(1, rows.length)
  }
  const before = mean('limit', from + third / 2, from + third)
  return {
    partitioned: mean('inFlight', from + third, from + 2 * third) / before,
    healed: mean('inFlight', from + 2 * third + 5000, until) / mean('limit', from + 2 * third + 5000, until),
  }
}

async function faults(smoke: boolean): Promise<Record<string, unknown>> {
  const second = smoke ? 200 : 1000
  const server = await RedisServer.start('--maxmemory-policy', 'noeviction')
  const sandbox = createSandbox({ behaviour: { serviceMs: 20 } })
  const upstream = await sandbox.listen()
  const weirs = [0, 1, 2].map(() => Sidecar.start(upstream, [`--board=redis://127.0.0.1:${server.port}`]))
  const fleet = await Promise.all(weirs)
  const bases = fleet.map(({ base }) => base)
  const load = new SteadyLoad(() => bases, 24, 20)
  const phases: Record<string, unknown> = {}
  const phase = async (name: string, act: () => Promise<void>): Promise<void> => {
    const failed = load.failed
    const calls = load.calls
    load.p99()
    await act()
    phases[name] = { calls: load.calls - calls, failed: load.failed - failed, p99: load.p99() }
  }
  try {
    await sleep(5 * second)
    const rssBefore = fleet.map(({ pid }) => rssOf(pid))
    await phase('well', () => sleep(10 * second))
    await phase('frozen', async () => {
      server.freeze()
      await sleep(10 * second)
      server.thaw()
    })
    await phase('full', async () => {
      await server.command('CONFIG', 'SET', 'maxmemory', '1')
      await sleep(5 * second)
      await server.command('CONFIG', 'SET', 'maxmemory', '0')
    })
    await phase('readOnly', async () => {
      await server.command('REPLICAOF', '127.0.0.1', '1')
      await sleep(5 * second)
      await server.command('REPLICAOF', 'NO', 'ONE')
    })
    await phase('flapping', async () => {
      for (let times = 0; times < (smoke ? 3 : 15); times++) {
        await server.kill()
        await sleep(2 * second)
        await server.begin()
        await sleep(2 * second)
      }
    })
    await phase('gone', async () => {
      await server.kill()
      await sleep(10 * second)
    })
    await load.stop()
    const seconds = (10 + 10 + 5 + 5 + (smoke ? 12 : 60) + 10) * (second / 1000)
    const lines = fleet.map(({ told }) => told.filter(({ level }) => level === 'warn').length)
    return {
      redisFaults: {
        failedCalls: load.failed,
        calls: load.calls,
        phases,
        warnLinesPer10s: (Math.max(...lines) * 10) / seconds,
        rssGrowthMiB:
          Math.max(...fleet.map(({ pid }, index) => rssOf(pid) - (rssBefore[index] ?? 0))) / 2 ** 20,
      },
    }
  } finally {
    await Promise.all(fleet.map((weir) => weir.stop()))
    await sandbox.close()
    await server.kill()
  }
}

function rssOf(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return pages * 4096
}

/** Three replicas behind a balancer that asks each whether it is ready, replaced one after the other. */
async function rolling(smoke: boolean): Promise<Record<string, unknown>> {
  const server = await RedisServer.start()
  const sandbox = createSandbox({ behaviour: { serviceMs: 5 } })
  const upstream = await sandbox.listen()
  const extra = [`--board=redis://127.0.0.1:${server.port}`]
  const fleet = await Promise.all([0, 1, 2].map(() => Sidecar.start(upstream, extra)))
  let ready = fleet.map(({ base }) => base)
  const wanted = smoke ? 2000 : 100_000
  const load = new SteadyLoad(() => ready, 32, 1)
  try {
    for (let turn = 0; load.calls < wanted; turn = (turn + 1) % fleet.length) {
      await sleep(smoke ? 300 : 2000)
      const old = fleet[turn]!
      fleet[turn] = await Sidecar.start(upstream, extra)
      ready = fleet.map(({ base }) => base)
      // As a balancer does: nothing new after it said that it is not ready, what is open goes on.
      await sleep(100)
      await old.stop()
    }
    await load.stop()
    return { rollingRestart: { failedCalls: load.failed, calls: load.calls } }
  } finally {
    await load.stop()
    await Promise.all(fleet.map((weir) => weir.stop()))
    await sandbox.close()
    await server.kill()
  }
}

async function workers(smoke: boolean): Promise<Record<string, unknown>> {
  const upstream = await startUpstream()
  const perSecond: Record<number, number> = {}
  try {
    for (const count of [1, 2]) {
      const weir = await startWeir(upstream.port, count === 1 ? [] : [`--workers=${count}`])
      await sleep(500)
      const result = await autocannon({
        url: `http://127.0.0.1:${weir.port}${weir.prefix}/x`,
        connections: 32,
        duration: smoke ? 1 : 15,
        workers: 1,
      })
      perSecond[count] = result.requests.average
      await weir.stop()
    }
    return { workersSpeedup: (perSecond[2] ?? 0) / (perSecond[1] ?? 1), workersPerSecond: perSecond }
  } finally {
    await upstream.stop()
  }
}

async function cost(smoke: boolean): Promise<Record<string, unknown>> {
  const server = await RedisServer.start()
  try {
    return await boardCost(server, smoke ? 2000 : 20_000)
  } finally {
    await server.kill()
  }
}

async function scale(smoke: boolean): Promise<Record<string, unknown>> {
  return { boardScale: await boardScale(smoke) }
}
