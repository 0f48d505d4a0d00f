/**
 * Many Weirs as one, with real processes and a real redis-server: eight sidecars with one agent each against one gateway
 * that sees everything and against eight without a board; a board that fails in every way; rolling restarts; workers.
 */
import autocannon from 'autocannon'
import type { Scenario } from '../test/kit/sim/scenario.ts'
import { RedisServer } from '../test/kit/redis-server.ts'
import { brownout, dead } from '../test/sim/fleet-scenarios.ts'
import { boardCost } from './fleet/board-cost.ts'
import { boardFaults } from './fleet/board-faults.ts'
import { boardScale } from './fleet/board-scale.ts'
import { Cuttable } from './fleet/cuttable.ts'
import { playWith } from './fleet/one-agent-each.ts'
import { meanTotal, overFigure, overTotal, type Over } from './fleet/over-limit.ts'
import { rollingRestart } from './fleet/rolling.ts'
import { sleep } from './fleet/sidecars.ts'
import { StewardsTotal } from './fleet/stewards-total.ts'
import type { RealClock } from './storm/real-clock.ts'
import { buildWeir, startUpstream, startWeir } from './targets/all.ts'

const SIDECARS = 8
/** By itself a sidecar knows an upstream after 200 calls of its own: 25 s here, where each has eight a second. */
const HEALTHY_MS = 30_000
const STRANGERS_MS = 14_000

export async function run({ smoke }: { smoke: boolean }): Promise<Record<string, unknown>> {
  if (process.env['FLEET_BUILT'] === undefined) buildWeir()
  const only = (process.env['FLEET_ONLY'] ?? '').split(',').filter((name) => name !== '')
  const parts = { storms, faults: boardFaults, rolling: rollingRestart, workers, cost, scale }
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
      // With the board, but trouble before any of the sidecars could know the upstream by itself.
      strangers: strangers.score,
    }
  } finally {
    steward.close()
    await server.close()
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
    await server.close()
  }
}

async function scale(smoke: boolean): Promise<Record<string, unknown>> {
  return { boardScale: await boardScale(smoke) }
}
