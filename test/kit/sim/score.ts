/** What a run of a scenario was worth, against an oracle that knows every call and the upstream's script. */
import type { Millis, Priority } from '../../../src/core/model.ts'
import { seeded } from '../../../src/core/random.ts'
import { familyOf } from '../../../src/core/families.ts'
import type { LogicalCall } from './agent-model.ts'
import { TAIL_MS, type Run, type Scenario } from './scenario.ts'
import type { UpstreamModel, UpstreamShape } from './upstream-model.ts'

export interface Score {
  /** Arrivals at the troubled upstream over logical calls, from the start of the trouble on. */
  readonly attemptsPerCall: number
  /** Answered within their deadline, over what the oracle serves in time. */
  readonly onTimeRatio: number
  /** NaN where no call is critical; so are the next two. */
  readonly criticalOnTimeRatio: number
  /** p99 of critical calls since the trouble began over their p99 before it; the second is the oracle's own. */
  readonly criticalP99Ratio: number
  readonly criticalP99Bound: number
  /** End of the trouble until the last second whose calls were less than 95 % on time. */
  readonly recoverSeconds: number
  /** Most arrivals in 100 ms after the trouble over the capacity in 100 ms; the second is that of first tries alone. */
  readonly releasePeakRatio: number
  readonly releasePeakBound: number
  /** First act until the first call that failed or came late without Weir (`direct`) or, unknown, with it. */
  readonly leadSeconds: number
  /** Calls held or refused before the trouble. */
  readonly falseActions: number
}

export function score(scenario: Scenario, run: Run, direct: Run = run): Score {
  const { trouble } = scenario
  const upstream = run.upstreams[trouble.upstream] as UpstreamModel
  const here = run.calls.filter((call) => call.population.upstream === trouble.upstream)
  const since = here.filter((call) => call.bornAt >= trouble.from)
  const critical = since.filter(isCritical)
  const healthyP99 = quantile(
    latencies(here.filter((call) => call.bornAt < trouble.from && isCritical(call))),
    0.99,
  )
  const arrivals = upstream.arrivals.filter((at) => at >= trouble.from)
  const served = oracle(scenario, upstream, since)
  const firstAct = run.acts.find((act) => act.at >= trouble.from)?.at ?? Infinity
  const perBin = upstream.capacity(trouble.until) / 10
  const births = here.map((call) => call.bornAt)
  return {
    attemptsPerCall: arrivals.length / Math.max(1, since.length),
    onTimeRatio: since.filter(onTime).length / Math.max(1, served.all),
    criticalOnTimeRatio:
      critical.length === 0 ? Number.NaN : critical.filter(onTime).length / Math.max(1, served.critical),
    criticalP99Ratio: quantile(latencies(critical), 0.99) / healthyP99,
    criticalP99Bound: Math.max(1, quantile(served.criticalLatencies, 0.99) / healthyP99),
    recoverSeconds: recovery(since, trouble.until, scenario.durationMs),
    releasePeakRatio: peak(upstream.arrivals, trouble.until) / perBin,
    releasePeakBound: peak(births, trouble.until) / perBin,
    leadSeconds: (firstTrouble(direct, scenario) - firstAct) / 1000,
    falseActions: run.acts.filter((act) => act.at < trouble.from).length,
  }
}

/** When the first call fails or is late, of those that the trouble is about. */
function firstTrouble(run: Run, { trouble }: Scenario): Millis {
  const bad = run.calls.filter((call) => call.population.upstream === trouble.upstream && !onTime(call))
  const told = bad.map((call) => Math.min(call.endedAt, call.bornAt + call.population.deadlineMs))
  return Math.min(trouble.until, ...told.filter((at) => at >= trouble.from))
}

function isCritical(call: LogicalCall): boolean {
  return call.population.priority === 'critical'
}

function onTime(call: LogicalCall): boolean {
  return call.ok && call.endedAt - call.bornAt <= call.population.deadlineMs
}

function latencies(calls: readonly LogicalCall[]): number[] {
  return calls.filter((call) => call.ok).map((call) => call.endedAt - call.bornAt)
}

function endOf(call: LogicalCall): Millis {
  return call.bornAt + call.population.deadlineMs
}

/** Serves in steps of 10 ms what the script allows, most important first, then earliest deadline; drops what is late. */
function oracle(scenario: Scenario, upstream: UpstreamModel, calls: readonly LogicalCall[]) {
  const order: Record<Priority, number> = { critical: 0, interactive: 1, normal: 2, batch: 3 }
  const waiting: LogicalCall[] = []
  const due = calls.toSorted((a, b) => a.bornAt - b.bornAt)
  let next = 0
  let room = 0
  let all = 0
  let critical = 0
  const criticalLatencies: Millis[] = []
  const random = seeded(scenario.seed)
  const shape = Object.values(scenario.upstreams)[scenario.trouble.upstream] as UpstreamShape
  for (let now = scenario.trouble.from; now < scenario.durationMs + TAIL_MS; now += 10) {
    while (next < due.length && (due[next] as LogicalCall).bornAt <= now)
      waiting.push(due[next++] as LogicalCall)
    room = Math.min(room + upstream.capacity(now) / 100, shape.servers)
    if (waiting.length === 0) continue
    waiting.sort((a, b) => order[a.population.priority] - order[b.population.priority] || endOf(a) - endOf(b))
    while (room >= 1) {
      const call = waiting.shift()
      if (call === undefined) break
      if (now + shape.serviceMs > endOf(call)) continue
      room -= 1
      all += 1
      if (!isCritical(call)) continue
      critical += 1
      criticalLatencies.push(
        now - call.bornAt + upstream.answerMs(now, familyOf(call.population.family), random),
      )
    }
  }
  return { all, critical, criticalLatencies }
}

function recovery(calls: readonly LogicalCall[], from: Millis, until: Millis): number {
  let last = from
  for (let start = from; start < until - 1000; start += 1000) {
    const born = calls.filter((call) => call.bornAt >= start && call.bornAt < start + 1000)
    if (born.length > 0 && born.filter(onTime).length < 0.95 * born.length) last = start + 1000
  }
  return (last - from) / 1000
}

function peak(arrivals: readonly Millis[], from: Millis): number {
  const counts = new Map<number, number>()
  let most = 0
  for (const at of arrivals) {
    if (at < from) continue
    const bin = Math.floor(at / 100)
    const count = (counts.get(bin) ?? 0) + 1
    counts.set(bin, count)
    most = Math.max(most, count)
  }
  return most
}

export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number
}
