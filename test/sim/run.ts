/**
 * `npm run sim -- NAME [--direct]`: plays one scenario in virtual time and prints its timeline and score.
 * `npm run sim -- fleet-N`: N sidecars with one agent each before an upstream with 20 servers that slows down, and how far
 * the calls in flight went over the limit of all together.
 */
import { shippedPolicy } from '../kit/policy.ts'
import { playFleet, type FleetRun } from '../kit/sim/fleet.ts'
import { play } from '../kit/sim/scenario.ts'
import { quantile, score } from '../kit/sim/score.ts'
import { wide } from './fleet-scenarios.ts'
import { SCENARIOS } from './scenarios.ts'
import { simPolicy } from './sim-policy.ts'

const [name = '', ...flags] = process.argv.slice(2)
const scenario = SCENARIOS.find((candidate) => candidate.name === name)
const replicas = Number(/^fleet-(\d{1,3})$/.exec(name)?.[1] ?? 0)
if (replicas > 0) {
  const fleet = wide(replicas)
  const run = playFleet(fleet, simPolicy(fleet), { replicas, board: true })
  const { from, until } = fleet.trouble
  const concurrency = { limited: overLimit(run, from, until), settled: overLimit(run, from + 5000, until) }
  print({ replicas, concurrency, ...score(fleet, run) })
} else if (scenario === undefined) {
  process.stderr.write(
    `sim: unknown scenario '${name}'; known: ${SCENARIOS.map((s) => s.name).join(', ')}, fleet-N\n`,
  )
  process.exitCode = 64
} else {
  const direct = flags.includes('--direct')
  const run = play(
    scenario,
    direct ? undefined : shippedPolicy(scenario.name, Object.keys(scenario.upstreams)),
  )
  for (const line of run.timeline) process.stdout.write(`${line}\n`)
  print(score(scenario, run))
}

function print(figures: object): void {
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`)
}

/** In flight over the limit of all together, at each instant at which there is one. */
function overLimit(run: FleetRun, from: number, until: number): Record<string, number> {
  const limited = run.limits.filter(({ at, limit }) => at >= from && at < until && limit !== Infinity)
  const ratios = limited.map(({ inFlight, limit }) => inFlight / limit)
  return {
    meanLimit: meanOf(limited.map(({ limit }) => limit)),
    mean: meanOf(ratios),
    p95: quantile(ratios, 0.95),
    samples: ratios.length,
  }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
