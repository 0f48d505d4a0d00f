/**
 * Many workers as one, for people: counts are added, of states the worst is told, of shares and quantiles the largest.
 * What the workers share by the board (storms, limits) is the same in each, but for half a second.
 */
import { NO_HITS, type RuleHits } from '../admin/rule-hits.ts'
import { AGENT_CONDITIONS, CONDITIONS, WORKFLOW_CONDITIONS, type Millis } from '../core/model.ts'
import type {
  AgentReading,
  CoreReading,
  HistogramReading,
  Quantiles,
  UpstreamReading,
  VerdictCount,
  WorkflowReading,
} from '../core/reading.ts'
import type { GatewayReading, JournalReading, OwnReading } from '../telemetry/metrics.ts'
import type { AppReport } from '../app.ts'

/** Reports with when they arrived, by the clock of whoever merges. */
export interface Arrived {
  readonly report: AppReport
  readonly arrivedAt: Millis
}

export function mergeReadings(all: readonly Arrived[], now: Millis): CoreReading {
  const rows = all.map(({ report, arrivedAt }) =>
    report.reading.upstreams.map((row) => ({ ...row, since: arrivedAt - (report.reading.at - row.since) })),
  )
  const upstreams = (rows[0] ?? []).map((_, index) =>
    mergeUpstream(rows.map((row) => row[index]).filter((row) => row !== undefined)),
  )
  return {
    at: now,
    open: sum(all, ({ report }) => report.reading.open),
    upstreams,
    agentsKnown: most(all, ({ report }) => report.reading.agentsKnown),
    workflowsKnown: most(all, ({ report }) => report.reading.workflowsKnown),
  }
}

function mergeUpstream(rows: readonly UpstreamReading[]): UpstreamReading {
  const worst = rows.reduce((a, b) =>
    CONDITIONS.indexOf(b.condition) > CONDITIONS.indexOf(a.condition) ? b : a,
  )
  const arrivals = sum(rows, (row) => row.arrivals)
  const attempts = sum(rows, (row) => row.attempts)
  const retries = sum(rows, (row) => row.retries)
  return {
    upstream: worst.upstream,
    condition: worst.condition,
    since: worst.since,
    inFlight: sum(rows, (row) => row.inFlight),
    held: sum(rows, (row) => row.held),
    heldBytes: sum(rows, (row) => row.heldBytes),
    limit: sum(rows, (row) => row.limit),
    rampRate: sum(rows, (row) => row.rampRate),
    latency: mergeQuantiles(rows.map((row) => row.latency)),
    baseline: mergeQuantiles(rows.map((row) => row.baseline)),
    slowdown: most(rows, (row) => row.slowdown),
    driftSlow: most(rows, (row) => row.driftSlow),
    driftFast: most(rows, (row) => row.driftFast),
    driftErrors: most(rows, (row) => row.driftErrors),
    errorShare: most(rows, (row) => row.errorShare),
    retryShare: most(rows, (row) => row.retryShare),
    retryingAgents: most(rows, (row) => row.retryingAgents),
    activeAgents: most(rows, (row) => row.activeAgents),
    synchrony: most(rows, (row) => row.synchrony),
    branching: most(rows, (row) => row.branching),
    etaMs: Math.min(...rows.map((row) => row.etaMs)),
    retryTokens: sum(rows, (row) => row.retryTokens),
    amplification: attempts === 0 ? 1 : attempts / Math.max(1, arrivals - retries),
    arrivals,
    attempts,
    retries,
    outcomes: addUp(rows.map((row) => row.outcomes)),
    settlements: addUp(rows.map((row) => row.settlements)),
    verdicts: mergeVerdicts(rows.flatMap((row) => row.verdicts)),
    durations: mergeHistograms(rows.map((row) => row.durations)),
    holds: mergeHistograms(rows.map((row) => row.holds)),
  }
}

export function mergeAgents(all: readonly Arrived[], atMost: number): AgentReading[] {
  const merged = byName(
    all,
    ({ agents }) => agents,
    ({ agent }) => agent,
    (a, b) => ({
      agent: a.agent,
      condition: worse(AGENT_CONDITIONS, a.condition, b.condition),
      calls: a.calls + b.calls,
      retries: a.retries + b.retries,
      failures: a.failures + b.failures,
      inFlight: a.inFlight + b.inFlight,
      held: a.held + b.held,
      callsPerSecond: a.callsPerSecond + b.callsPerSecond,
      lastSeen: Math.max(a.lastSeen, b.lastSeen),
    }),
    (row, offset) => ({ ...row, lastSeen: row.lastSeen + offset }),
  )
  return merged.toSorted((a, b) => b.calls - a.calls).slice(0, atMost)
}

export function mergeWorkflows(all: readonly Arrived[], atMost: number): WorkflowReading[] {
  const merged = byName(
    all,
    ({ workflows }) => workflows,
    ({ workflow }) => workflow,
    (a, b) => ({
      workflow: a.workflow,
      condition: worse(WORKFLOW_CONDITIONS, a.condition, b.condition),
      calls: a.calls + b.calls,
      inFlight: a.inFlight + b.inFlight,
      width: a.width + b.width,
      depth: Math.max(a.depth, b.depth),
      retries: a.retries + b.retries,
      firstSeen: Math.min(a.firstSeen, b.firstSeen),
      lastSeen: Math.max(a.lastSeen, b.lastSeen),
    }),
    (row, offset) => ({ ...row, firstSeen: row.firstSeen + offset, lastSeen: row.lastSeen + offset }),
  )
  return merged.toSorted((a, b) => b.inFlight - a.inFlight || b.calls - a.calls).slice(0, atMost)
}

/** By rule index; all workers have the same rules, but for the moment of a reload. */
export function mergeHits(all: readonly Arrived[], index: number): RuleHits {
  return addUp(all.map(({ report }) => report.hits[index] ?? NO_HITS).map((hits) => ({ ...hits })))
}

export function mergeGateways(gateways: readonly GatewayReading[]): GatewayReading {
  return {
    connections: sum(gateways, (gateway) => gateway.connections),
    connectionsAccepted: sum(gateways, (gateway) => gateway.connectionsAccepted),
    connectionsDropped: sum(gateways, (gateway) => gateway.connectionsDropped),
    upgrades: sum(gateways, (gateway) => gateway.upgrades),
    refused: addUp(gateways.map((gateway) => gateway.refused)),
    clientGone: sum(gateways, (gateway) => gateway.clientGone),
    connectRetries: sum(gateways, (gateway) => gateway.connectRetries),
    firstByteTimeouts: sum(gateways, (gateway) => gateway.firstByteTimeouts),
    idleTimeouts: sum(gateways, (gateway) => gateway.idleTimeouts),
    bodyTimeouts: sum(gateways, (gateway) => gateway.bodyTimeouts),
    slowReaders: sum(gateways, (gateway) => gateway.slowReaders),
    tlsFailures: sum(gateways, (gateway) => gateway.tlsFailures),
    http2Sessions: sum(gateways, (gateway) => gateway.http2Sessions),
    http2Floods: sum(gateways, (gateway) => gateway.http2Floods),
  }
}

export function mergeJournals(journals: readonly JournalReading[]): JournalReading {
  return { lines: sum(journals, ({ lines }) => lines), dropped: sum(journals, ({ dropped }) => dropped) }
}

export function mergeOwn(own: readonly OwnReading[], ready: boolean): OwnReading {
  return {
    ready,
    pressure: most(own, ({ pressure }) => pressure),
    loopDelay: {
      p50: most(own, ({ loopDelay }) => loopDelay.p50),
      p99: most(own, ({ loopDelay }) => loopDelay.p99),
      max: most(own, ({ loopDelay }) => loopDelay.max),
    },
  }
}

function byName<T>(
  all: readonly Arrived[],
  rowsOf: (report: AppReport) => readonly T[],
  nameOf: (row: T) => string,
  merge: (a: T, b: T) => T,
  moved: (row: T, offset: Millis) => T,
): T[] {
  const merged = new Map<string, T>()
  for (const { report, arrivedAt } of all) {
    for (const row of rowsOf(report)) {
      const own = moved(row, arrivedAt - report.reading.at)
      const known = merged.get(nameOf(row))
      merged.set(nameOf(row), known === undefined ? own : merge(known, own))
    }
  }
  return [...merged.values()]
}

function mergeVerdicts(counts: readonly VerdictCount[]): VerdictCount[] {
  const merged = new Map<string, VerdictCount>()
  for (const row of counts) {
    const key = `${row.do}/${row.reason}/${row.mode}`
    merged.set(key, { ...row, count: row.count + (merged.get(key)?.count ?? 0) })
  }
  return [...merged.values()]
}

function mergeHistograms(histograms: readonly HistogramReading[]): HistogramReading {
  const [first] = histograms
  if (first === undefined) return { bounds: [], counts: [], sum: 0 }
  return {
    bounds: first.bounds,
    counts: first.counts.map((_, bucket) => sum(histograms, ({ counts }) => counts[bucket] ?? 0)),
    sum: sum(histograms, (histogram) => histogram.sum),
  }
}

function mergeQuantiles(quantiles: readonly Quantiles[]): Quantiles {
  return {
    p50: most(quantiles, ({ p50 }) => p50),
    p90: most(quantiles, ({ p90 }) => p90),
    p99: most(quantiles, ({ p99 }) => p99),
  }
}

function addUp<K extends string | number>(
  records: readonly Readonly<Record<K, number>>[],
): Record<K, number> {
  const total: Partial<Record<K, number>> = {}
  for (const record of records) {
    for (const key of Object.keys(record)) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the keys' type
      const name = key as K
      total[name] = (total[name] ?? 0) + record[name]
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every record has every key
  return total as Record<K, number>
}

function worse<T>(order: readonly T[], a: T, b: T): T {
  return order.indexOf(b) > order.indexOf(a) ? b : a
}

function sum<T>(rows: readonly T[], of: (row: T) => number): number {
  return rows.reduce((total, row) => total + of(row), 0)
}

function most<T>(rows: readonly T[], of: (row: T) => number): number {
  return rows.reduce((largest, row) => Math.max(largest, of(row)), 0)
}
