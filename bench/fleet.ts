/**
 * Many Weirs as one, with real processes and a real redis-server: eight sidecars with one agent each against one gateway
 * that sees everything and against eight without a board; a board that fails in every way; rolling restarts; workers.
 */
import autocannon from 'autocannon'
import { readFileSync } from 'node:fs'
import type { Scenario } from '../test/kit/sim/scenario.ts'
import { quantile } from '../test/kit/sim/score.ts'
import { RedisServer } from '../test/board/redis-server.ts'
import { brownout, dead } from '../test/sim/fleet-scenarios.ts'
import { createSandbox } from '../src/demo/sandbox.ts'
import { boardCost } from './fleet/board-cost.ts'
import { boardScale } from './fleet/board-scale.ts'
import { Cuttable } from './fleet/cuttable.ts'
import { playWith } from './fleet/one-agent-each.ts'
import { meanTotal, overFigure, overTotal, type Over } from './fleet/over-limit.ts'
import { Sidecar, sleep, type Told } from './fleet/sidecars.ts'
import { SteadyLoad } from './fleet/steady-load.ts'
import { StewardsTotal } from './fleet/stewards-total.ts'
import type { RealClock } from './storm/real-clock.ts'
import { buildWeir, startUpstream, startWeir } from './targets/all.ts'

const SIDECARS = 8
/** A sidecar knows an upstream after 200 calls of its own: 25 s here, where each has eight a second. */
const HEALTHY_MS = 30_000
const STRANGERS_MS = 14_000
/** Of each arm of the faults. */
const FAULT_CLIENTS = 24

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
function shortened(scenario: Scenario, part: number, healthyMs: number): Scenario {
  const { trouble } = scenario
  const until = healthyMs + (trouble.until - trouble.from) * part
  return {
    ...scenario,
    durationMs: until + 15_000 * part,
    trouble: { ...trouble, from: healthyMs, until },
    upstreams: Object.fromEntries(
      Object.entries(scenario.upstreams).map(([name, shape]) => [
        name,
        { ...shape, phases: shape.phases.map((phase) => ({ ...phase, from: healthyMs, until })) },
      ]),
    ),
  }
}

async function storms(smoke: boolean): Promise<Record<string, unknown>> {
  const part = smoke ? 0.3 : 1
  const healthyMs = smoke ? STRANGERS_MS : HEALTHY_MS
  const server = await RedisServer.start()
  const board = [`--board=redis://127.0.0.1:${server.port}`]
  const steward = new StewardsTotal(server.port, 'api')
  const total = (): Promise<number> => steward.read()
  try {
    const slow = shortened(brownout, part, healthyMs)
    const { from, until } = slow.trouble
    const one = await playWith(slow, 1, () => [])
    const joined = await playWith(slow, SIDECARS, () => board, { total })
    const apart = await playWith(slow, SIDECARS, () => [])
    const early = shortened(brownout, part, STRANGERS_MS)
    const strangers = await playWith(early, SIDECARS, () => board, { total })
    const storm = await playWith(shortened(dead, part, healthyMs), SIDECARS, () => board)
    const limited = overTotal(joined.loads, from, until)
    const cut = await partitioned(slow, server, total)
    return {
      stormKnownSeconds: storm.stormKnownSeconds,
      attemptsRatio: joined.score.attemptsPerCall / one.score.attemptsPerCall,
      // Seconds are counted whole: one more on both sides, or a gateway that is back at once allows nothing.
      recoverRatio: (joined.score.recoverSeconds + 1) / (one.score.recoverSeconds + 1),
      overLimitRatio: { board: limited.mean, partitioned: cut.partitioned.mean, healed: cut.healed.mean },
      overLimitP95: { board: limited.p95, partitioned: cut.partitioned.p95, healed: cut.healed.p95 },
      overLimitSamples: {
        board: limited.samples,
        partitioned: cut.partitioned.samples,
        healed: cut.healed.samples,
      },
      // Over the servers that the upstream has: also while there is no limit, and also without a board.
      overCapacity: {
        board: overFigure(joined.loads, from, until, serversOf(slow)),
        gateway: overFigure(one.loads, from, until, serversOf(slow)),
        withoutBoard: overFigure(apart.loads, from, until, serversOf(slow)),
        strangers: overFigure(strangers.loads, early.trouble.from, early.trouble.until, serversOf(slow)),
      },
      gateway: one.score,
      sidecars: joined.score,
      withoutBoard: apart.score,
      // With the board, but trouble before any of the sidecars knows the upstream.
      strangers: strangers.score,
    }
  } finally {
    steward.close()
    await server.kill()
  }
}

function serversOf({ upstreams }: Scenario): number {
  const [shape] = Object.values(upstreams)
  return shape?.phases[0]?.servers ?? shape?.servers ?? Number.NaN
}

/**
 * Half of the sidecars lose their way to the board in the middle of the trouble. What is in flight meanwhile counts over
 * the mean of the steward's totals just before, since the half that remains goes on dividing its own word.
 */
async function partitioned(
  scenario: Scenario,
  server: RedisServer,
  total: () => Promise<number>,
): Promise<{ partitioned: Over; healed: Over }> {
  const way = await Cuttable.to(server.port)
  const { from, until } = scenario.trouble
  const third = (until - from) / 3
  const port = (n: number): number => (n % 2 === 0 ? way.port : server.port)
  const meanwhile = async (clock: RealClock): Promise<void> => {
    await sleep(from + third - clock.now)
    way.cut()
    await sleep(third)
    way.join()
  }
  const { loads } = await playWith(scenario, SIDECARS, (n) => [`--board=redis://127.0.0.1:${port(n)}`], {
    meanwhile,
    total,
  })
  way.close()
  const before = meanTotal(loads, from + third / 2, from + third)
  return {
    partitioned: overFigure(loads, from + third, from + 2 * third, before),
    healed: overTotal(loads, from + 2 * third + 5000, until),
  }
}

function loadOn(weirs: readonly Sidecar[]): SteadyLoad {
  return new SteadyLoad(() => weirs.map(({ base }) => base), FAULT_CLIENTS, 20)
}

async function faults(smoke: boolean): Promise<Record<string, unknown>> {
  const second = smoke ? 200 : 1000
  const server = await RedisServer.start('--maxmemory-policy', 'noeviction')
  const sandbox = createSandbox({ behaviour: { serviceMs: 20 } })
  const upstream = await sandbox.listen()
  const threeOf = (extra: readonly string[]): Promise<Sidecar[]> =>
    Promise.all([0, 1, 2].map(() => Sidecar.start(upstream, extra)))
  const fleet = await threeOf([`--board=redis://127.0.0.1:${server.port}`])
  // The same without a board, beside it and at the same time: what the machine does befalls both.
  const apart = await threeOf([])
  const load = loadOn(fleet)
  const without = loadOn(apart)
  const phases: Record<string, unknown> = {}
  const inFaults = { with: [] as number[], without: [] as number[] }
  const phase = async (name: string, act: () => Promise<void>): Promise<void> => {
    const failed = load.failed
    const calls = load.calls
    load.taken()
    without.taken()
    await act()
    const latencies = { with: load.taken(), without: without.taken() }
    const [p99, p99Without] = [quantile(latencies.with, 0.99), quantile(latencies.without, 0.99)]
    const counts = { calls: load.calls - calls, failed: load.failed - failed }
    phases[name] = { ...counts, p99, p99Without, p99Ratio: p99 / p99Without }
    if (name === 'well') return
    inFaults.with = inFaults.with.concat(latencies.with)
    inFaults.without = inFaults.without.concat(latencies.without)
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
    await Promise.all([load.stop(), without.stop()])
    return {
      redisFaults: {
        failedCalls: load.failed,
        calls: load.calls,
        phases,
        // Of all faults together.
        p99Ratio: quantile(inFaults.with, 0.99) / quantile(inFaults.without, 0.99),
        warnLinesPer10s: Math.max(...fleet.map(({ told }) => mostWarningsIn10s(told))),
        rssGrowthMiB:
          Math.max(...fleet.map(({ pid }, index) => rssOf(pid) - (rssBefore[index] ?? 0))) / 2 ** 20,
      },
    }
  } finally {
    await Promise.all([...fleet, ...apart].map((weir) => weir.stop()))
    await sandbox.close()
    await server.kill()
  }
}

/** Lines that warn, in the ten seconds that have the most of them. */
function mostWarningsIn10s(told: readonly Told[]): number {
  const times = told.filter(({ level }) => level === 'warn' || level === 'error').map(({ at }) => at)
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + 10_000).length))
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
