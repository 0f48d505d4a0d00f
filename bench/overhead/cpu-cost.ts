/**
 * CPU time of a target's processes per request, user and system, which is far steadier than throughput on a shared
 * machine. Rounds are interleaved, each begins with another target, and ratios are medians of per-round ratios: a
 * neighbour that takes half of the machine takes it from all.
 */
import autocannon from 'autocannon'
import type { Target } from '../targets/target.ts'
import { median, quantile, rounded } from './quantiles.ts'
import { headersFor, serves, type Shape } from './shapes.ts'

/** CPU microseconds per request by target, one entry a round. */
export type Costs = ReadonlyMap<string, readonly number[]>

export interface Rounds {
  readonly count: number
  readonly seconds: number
  /** Requests of a round in place of its seconds, and no warm-up: to see that it works. */
  readonly requests: number | undefined
}

/** Parts of Weir against one another: `coordinationUsPerCall` is made of them. */
const SEAMS = new Set(['weirWhole', 'weirBare'])

export async function measureCpu(shape: Shape, targets: readonly Target[], rounds: Rounds): Promise<Costs> {
  const taking = targets.filter((target) => serves(target, shape))
  const costs = new Map<string, number[]>(taking.map(({ name }) => [name, []]))
  // The first pass of every target warms it up and is not counted.
  for (let round = rounds.requests === undefined ? -1 : 0; round < rounds.count; round++) {
    for (let turn = 0; turn < taking.length; turn++) {
      const target = taking[(turn + Math.max(0, round)) % taking.length]!
      const cost = await oneRound(shape, target, rounds)
      if (round >= 0) costs.get(target.name)?.push(cost)
    }
  }
  return costs
}

async function oneRound(shape: Shape, target: Target, rounds: Rounds): Promise<number> {
  const before = target.cpuMicros()
  const result = await autocannon({
    url: `http://127.0.0.1:${target.port}${target.prefix}${shape.path}`,
    method: shape.method,
    headers: headersFor(shape, target),
    ...(shape.body === undefined ? {} : { body: shape.body }),
    connections: shape.connections,
    ...(rounds.requests === undefined ? { duration: rounds.seconds } : { amount: rounds.requests }),
  })
  if (result.errors > 0 || result.non2xx > 0) {
    throw new Error(`${target.name} ${shape.name}: ${result.errors} errors, ${result.non2xx} not 2xx`)
  }
  return (target.cpuMicros() - before) / result.requests.total
}

/** Medians, the least disturbed fifth (`quietUs`), spread, and how many times as much as each rival Weir takes. */
export function summary(costs: Costs): Record<string, unknown> {
  const cpuUs: Record<string, number> = {}
  const quietUs: Record<string, number> = {}
  const spreadUs: Record<string, number[]> = {}
  const ratio: Record<string, number> = {}
  const own = costs.get('weir')
  for (const [name, values] of costs) {
    cpuUs[name] = rounded(median(values), 1)
    quietUs[name] = rounded(quantile(values, 0.2), 1)
    spreadUs[name] = [rounded(Math.min(...values), 1), rounded(Math.max(...values), 1)]
    if (own !== undefined && name !== 'weir' && !SEAMS.has(name)) {
      ratio[name] = rounded(median(values.map((value, round) => (own[round] ?? 0) / value)), 3)
    }
  }
  return { cpuUs, quietUs, spreadUs, ratio }
}

/** What a journal adds: CPU per request with one over that without, by rounds. */
export function journalRatio(costs: Costs): Record<string, number> {
  const without = costs.get('weir')
  const kept = costs.get('weirJournal')
  if (without === undefined || kept === undefined) return {}
  return { journalCpuRatio: rounded(median(kept.map((value, round) => value / (without[round] ?? 0))), 3) }
}

/** What identity, signals, detectors and verdict take of a call: the same proxy with them, less without them. */
export function coordinationCost(costs: Costs): Record<string, number> {
  const whole = costs.get('weirWhole')
  const bare = costs.get('weirBare')
  if (whole === undefined || bare === undefined) return {}
  return {
    coordinationUsPerCall: rounded(median(whole.map((value, round) => value - (bare[round] ?? 0))), 2),
  }
}
