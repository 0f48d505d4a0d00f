/**
 * The shape of a compiled policy: plain data, everything resolved, every default filled in. `policy/compile.ts`
 * makes it from files; the core only reads it. All times in ms, all shares in 0..1.
 */
import type {
  AgentCondition,
  Arrival,
  Condition,
  Millis,
  Mode,
  Priority,
  VerdictKind,
  WorkflowCondition,
} from './model.ts'

export interface Policy {
  /** In the order of evaluation. */
  readonly rules: readonly Rule[]
  /** By upstream index. */
  readonly upstreams: readonly UpstreamPolicy[]
  readonly workflow: WorkflowThresholds
}

/**
 * One rule. Every rule whose `match` and `when` are true takes part, in order: the first with a `do` decides
 * (per mode), limits and caps of all of them apply.
 */
export interface Rule {
  readonly index: number
  /** `file-stem/rule-name`, as headers, logs and `explain` show it. */
  readonly id: string
  readonly mode: Mode
  readonly match: Match
  readonly when: When | undefined
  readonly then: Then
}

/** Absent = anything. Patterns are literals, `*` (one segment, or a run inside an id) and a `**` tail; no regex. */
export interface Match {
  readonly upstreams: readonly boolean[] | undefined
  readonly agent: Pattern | undefined
  readonly path: Pattern | undefined
  readonly methods: readonly string[] | undefined
  readonly priorities: readonly Priority[] | undefined
  readonly verified: boolean | undefined
}

/** Answers in time linear in the text. */
export type Pattern = (text: string) => boolean

/** All present keys must be true; a list is true if any member is. */
export interface When {
  readonly upstream: readonly Condition[] | undefined
  readonly agent: readonly AgentCondition[] | undefined
  readonly workflow: readonly WorkflowCondition[] | undefined
  /** Median of the last 30 s over the healthy median. */
  readonly slowdownAtLeast: number | undefined
  readonly errorShareAtLeast: number | undefined
  readonly retryShareAtLeast: number | undefined
  readonly retryingAgentsAtLeast: number | undefined
  readonly inFlightAtLeast: number | undefined
}

export interface Then {
  readonly do: VerdictKind | undefined
  /** With `shed`: 403 and no slot. */
  readonly final: boolean
  readonly hold: { readonly maxMs: Millis } | undefined
  readonly limits: readonly StaticLimit[]
  readonly priority: Priority | undefined
  /** Caps of one workflow; beyond them the call is shed, or narrowed by hold when `do` is hold. */
  readonly fanOut: { readonly width: number; readonly calls: number; readonly depth: number } | undefined
}

/** An operator's limit, counted per key. `rate` by GCRA (ITU-T I.371), `concurrency` by calls open upstream. */
export interface StaticLimit {
  readonly per: 'upstream' | 'agent' | 'workflow'
  /** Whose calls are counted: those of all replicas that share a board, or of each for itself. */
  readonly scope: 'fleet' | 'replica'
  /** Calls per second; 0 = none. */
  readonly rate: number
  readonly burst: number
  /** Calls at once; 0 = none. */
  readonly concurrency: number
}

export interface UpstreamPolicy {
  readonly drift: DriftThresholds
  readonly storm: StormThresholds
  readonly limit: AdaptiveLimit
  readonly retryBudget: RetryBudgetPolicy
  readonly hold: HoldPolicy
  readonly slots: SlotPolicy
  readonly release: ReleasePolicy
  /** Indices of upstreams of equal API, this one included; a single member = no group. */
  readonly group: readonly number[]
}

/** Sources: algorithms.md section 3 (1); the alarms of both sides were tuned for about one false alarm a day. */
export interface DriftThresholds {
  readonly allowance: number
  readonly slowAlarm: number
  readonly fastAlarm: number
  readonly slowEffect: number
  readonly fastEffect: number
  readonly errorAlarm: number
  readonly warmUpSamples: number
  readonly warmUpMs: Millis
  readonly clearMs: Millis
}

export interface StormThresholds {
  readonly windowMs: Millis
  readonly agents: number
  readonly agentShare: number
  readonly retryShare: number
  readonly z: number
  readonly clearMs: Millis
}

export interface AdaptiveLimit {
  readonly min: number
  readonly max: number
  /** Multiplier at a loss (429, 503, timeout). */
  readonly lossFactor: number
  /** Slowdown against the healthy median that the latency part tolerates. */
  readonly tolerance: number
}

export interface RetryBudgetPolicy {
  /** Tokens per success (SRE book: 10 %). */
  readonly ratio: number
  readonly perSecond: number
  readonly cap: number
}

export interface HoldPolicy {
  readonly maxMs: Millis
  readonly maxCalls: number
  readonly maxPerAgent: number
  readonly maxBytes: number
}

export interface SlotPolicy {
  /** The latest slot, before the client family's own ceiling. */
  readonly maxMs: Millis
  readonly graceMs: Millis
}

export interface ReleasePolicy {
  readonly probeEveryMs: Millis
  readonly probeMaxMs: Millis
  readonly probePasses: number
  /** Share of the healthy rate at which the ramp starts, its growth per clean window, the window. */
  readonly start: number
  readonly growth: number
  readonly windowMs: Millis
}

export interface WorkflowThresholds {
  readonly width: number
  readonly calls: number
  readonly hardCalls: number
  readonly loopCalls: number
  readonly ttlMs: Millis
}

/** Whether a rule's `match` takes in this arrival. */
export function matches(match: Match, arrival: Arrival): boolean {
  if (match.upstreams !== undefined && match.upstreams[arrival.upstream] !== true) return false
  if (match.methods !== undefined && !match.methods.includes(arrival.method)) return false
  if (match.priorities !== undefined && !match.priorities.includes(arrival.priority)) return false
  if (match.verified !== undefined && match.verified !== (arrival.trust === 'verified')) return false
  if (match.agent !== undefined && !match.agent(arrival.agent)) return false
  return match.path === undefined || match.path(arrival.path)
}
