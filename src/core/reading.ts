/**
 * What the core lets people see: counters that only grow, and readings of the moment. Built when somebody looks
 * (a scrape, the operator's API, a dashboard), never on the path of a call.
 */
import type {
  AgentCondition,
  Condition,
  Millis,
  Mode,
  Outcome,
  Reason,
  SettlementKind,
  UpstreamIndex,
  VerdictKind,
  WorkflowCondition,
} from './model.ts'

export interface Quantiles {
  readonly p50: Millis
  readonly p90: Millis
  readonly p99: Millis
}

export interface VerdictCount {
  readonly do: VerdictKind
  readonly reason: Reason
  readonly mode: Exclude<Mode, 'off'>
  readonly count: number
}

/** Cumulative counts by ascending upper bound in ms, as Prometheus histograms want them. */
export interface HistogramReading {
  readonly bounds: readonly Millis[]
  /** Calls at or below each bound; one more entry than `bounds`, the last for +Inf. */
  readonly counts: readonly number[]
  readonly sum: Millis
}

export interface UpstreamReading {
  readonly upstream: UpstreamIndex
  readonly condition: Condition
  readonly since: Millis
  readonly inFlight: number
  readonly held: number
  readonly heldBytes: number
  /** The limit in force on calls in flight; Infinity = none, the healthy state. */
  readonly limit: number
  /** Calls per second that the staged opening lets through; Infinity = no ramp. */
  readonly rampRate: number
  /** Of the last 30 s; 0 = no sample. Streams count by their first byte. */
  readonly latency: Quantiles
  /** Of the healthy reference. */
  readonly baseline: Quantiles
  readonly slowdown: number
  readonly driftSlow: number
  readonly driftFast: number
  readonly driftErrors: number
  readonly errorShare: number
  readonly retryShare: number
  readonly retryingAgents: number
  readonly activeAgents: number
  readonly synchrony: number
  readonly branching: number
  /** Estimated ms until the upstream fails if the trend goes on; Infinity = no trend. */
  readonly etaMs: Millis
  readonly retryTokens: number
  /** Upstream attempts over logical calls since start. */
  readonly amplification: number

  readonly arrivals: number
  readonly attempts: number
  readonly retries: number
  readonly outcomes: Readonly<Record<Outcome, number>>
  readonly settlements: Readonly<Record<SettlementKind, number>>
  readonly verdicts: readonly VerdictCount[]
  readonly durations: HistogramReading
  readonly holds: HistogramReading
}

export interface AgentReading {
  readonly agent: string
  readonly condition: AgentCondition
  readonly calls: number
  readonly retries: number
  readonly failures: number
  readonly inFlight: number
  readonly held: number
  readonly callsPerSecond: number
  readonly lastSeen: Millis
}

export interface WorkflowReading {
  readonly workflow: string
  readonly condition: WorkflowCondition
  readonly calls: number
  readonly inFlight: number
  readonly width: number
  readonly depth: number
  readonly retries: number
  readonly firstSeen: Millis
  readonly lastSeen: Millis
}

export interface CoreReading {
  readonly at: Millis
  readonly open: number
  readonly upstreams: readonly UpstreamReading[]
  /** Known identities; those past the table's size share one entry, `other`. */
  readonly agentsKnown: number
  readonly workflowsKnown: number
}
