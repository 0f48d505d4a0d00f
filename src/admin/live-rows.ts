/** Readings of the core -> the rows of a frame, in the order in which people want them. */
import type { Millis } from '../core/model.ts'
import type { UpstreamPolicy } from '../core/policy.ts'
import type {
  AgentReading,
  CoreReading,
  Quantiles,
  UpstreamReading,
  WorkflowReading,
} from '../core/reading.ts'
import type { UpstreamOptions } from '../proxy/options.ts'
import type { LiveAgent, LiveUpstream, LiveWorkflow } from './live-frame.ts'

export type UpstreamName = Pick<UpstreamOptions, 'name' | 'dialect'>

/** Rows of a list in a frame: what a screen holds. */
export const MOST_ROWS = 40
type Alarms = Pick<UpstreamPolicy['drift'], 'slowAlarm' | 'fastAlarm' | 'errorAlarm'>

/** Nobody watched in between: the difference over such a gap is no rate of this second. */
const LONGEST_GAP_MS: Millis = 5000

/** What grows, as of the last frame: the difference is the rate. Without a last frame every rate is 0. */
export class Rates {
  readonly startedAt: Millis
  #at: Millis = -Infinity
  #seconds = 1
  #upstreams: readonly UpstreamReading[] = []
  #retries = new Map<string, number>()
  /** All agents were in the last frame: one that was not began at 0. */
  #isWhole = false

  constructor(startedAt: Millis) {
    this.startedAt = startedAt
  }

  begin(at: Millis): void {
    const gapMs = at - this.#at
    this.#seconds = Math.max(0.001, gapMs / 1000)
    this.#at = at
    if (gapMs > LONGEST_GAP_MS) this.end([], [], false)
  }

  upstream(now: UpstreamReading, count: (reading: UpstreamReading) => number): number {
    const before = this.#upstreams[now.upstream]
    return before === undefined ? 0 : tenths(Math.max(0, count(now) - count(before)) / this.#seconds)
  }

  /** Retries since the last frame; an entry that another agent took over starts at 0. */
  retries(now: AgentReading): number {
    const before = this.#retries.get(now.agent) ?? (this.#isWhole ? 0 : now.retries)
    return now.retries < before ? 0 : tenths(now.retries - before)
  }

  end(upstreams: readonly UpstreamReading[], agents: readonly AgentReading[], isWhole: boolean): void {
    this.#isWhole = isWhole
    this.#upstreams = upstreams
    this.#retries = new Map(agents.map(({ agent, retries }) => [agent, retries]))
  }
}

function liveUpstream(
  row: UpstreamReading,
  now: Millis,
  { name, dialect }: UpstreamName,
  alarms: Alarms | undefined,
  rates: Rates,
): LiveUpstream {
  return {
    name,
    dialect,
    condition: row.condition,
    // At the start nothing has changed yet: the condition is as old as this process.
    conditionForMs: Math.max(0, Math.round(now - Math.max(row.since, rates.startedAt))),
    inFlight: row.inFlight,
    held: row.held,
    limit: finite(row.limit),
    rampRate: finite(row.rampRate),
    latency: rounded(row.latency),
    baseline: rounded(row.baseline),
    slowdown: finite(row.slowdown),
    drift: alarms === undefined ? null : driftOf(row, alarms),
    callsPerSecond: rates.upstream(row, (reading) => reading.arrivals),
    attemptsPerSecond: rates.upstream(row, (reading) => reading.attempts),
    heldPerSecond: rates.upstream(row, (reading) => enforced(reading, 'hold')),
    shedPerSecond: rates.upstream(row, (reading) => enforced(reading, 'shed')),
    errorRatio: row.errorShare,
    retryRatio: row.retryShare,
    retryingAgents: row.retryingAgents,
    activeAgents: row.activeAgents,
    etaMs: finite(row.etaMs),
    amplification: finite(row.amplification),
  }
}

/** `agents` as the core lists them; those who retry first. */
export function liveAgents(agents: readonly AgentReading[], now: Millis, rates: Rates): LiveAgent[] {
  const rows = agents.map((row) => ({
    agent: row.agent,
    condition: row.condition,
    calls: row.calls,
    callsPerSecond: tenths(row.callsPerSecond),
    retries: tenths(row.retries),
    retriesPerSecond: rates.retries(row),
    failures: row.failures,
    inFlight: row.inFlight,
    held: row.held,
    idleMs: Math.max(0, Math.round(now - row.lastSeen)),
  }))
  return rows.toSorted(
    (a, b) =>
      b.retriesPerSecond - a.retriesPerSecond || b.callsPerSecond - a.callsPerSecond || b.calls - a.calls,
  )
}

/** The widest fan-out first; of equals the larger one. */
export function liveWorkflows(workflows: readonly WorkflowReading[], now: Millis): LiveWorkflow[] {
  const rows = workflows.map((row) => ({
    workflow: row.workflow,
    condition: row.condition,
    width: row.width,
    depth: row.depth,
    calls: row.calls,
    inFlight: row.inFlight,
    retries: row.retries,
    ageMs: Math.max(0, Math.round(now - row.firstSeen)),
    idleMs: Math.max(0, Math.round(now - row.lastSeen)),
  }))
  return rows.toSorted((a, b) => b.width - a.width || b.calls - a.calls || b.depth - a.depth)
}

/** Upstreams by index -> a frame's. */
export function liveUpstreams(
  reading: CoreReading,
  upstreams: readonly UpstreamName[],
  policies: readonly UpstreamPolicy[],
  rates: Rates,
): LiveUpstream[] {
  return reading.upstreams.map((row) => {
    const name = upstreams[row.upstream]!
    return liveUpstream(row, reading.at, name, policies[row.upstream]?.drift, rates)
  })
}

function driftOf(row: UpstreamReading, alarms: Alarms): number | null {
  const { slowAlarm, fastAlarm, errorAlarm } = alarms
  const most = Math.max(row.driftSlow / slowAlarm, row.driftFast / fastAlarm, row.driftErrors / errorAlarm)
  return finite(Math.round(most * 100) / 100)
}

function enforced(reading: UpstreamReading, kind: 'hold' | 'shed'): number {
  let sum = 0
  for (const verdict of reading.verdicts)
    if (verdict.do === kind && verdict.mode === 'enforce') sum += verdict.count
  return sum
}

function rounded({ p50, p90, p99 }: Quantiles): Quantiles {
  return { p50: tenths(p50), p90: tenths(p90), p99: tenths(p99) }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
