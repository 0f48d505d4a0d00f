/**
 * One second of Weir for people who look: what the dashboard and `weir top` draw. Times in ms, shares 0 to 1, rates
 * per second, null where a figure does not exist (no limit, no trend). The lists are bounded, whatever clients send.
 */
import type { AgentCondition, Condition, Millis, Mode, WorkflowCondition } from '../core/model.ts'
import type { Quantiles } from '../core/reading.ts'
import type { Dialect } from '../proxy/options.ts'
import type { RuleHits } from './rule-hits.ts'

export interface LiveFrame {
  /** RFC 3339. */
  readonly time: string
  readonly version: string
  readonly state: string
  readonly uptimeMs: Millis
  /** Calls inside Weir. */
  readonly open: number
  /** The operator's listener may switch rules. */
  readonly control: boolean
  /** Where agents point their base URL. */
  readonly agentsUrl: string
  readonly upstreams: readonly LiveUpstream[]
  readonly agentsKnown: number
  /** Those who retry most now, then those who call most. */
  readonly agents: readonly LiveAgent[]
  /** Retries in this second by agent, most first. */
  readonly retries: readonly (readonly [agent: string, count: number])[]
  readonly workflowsKnown: number
  /** The widest first. */
  readonly workflows: readonly LiveWorkflow[]
  readonly rules: readonly LiveRule[]
}

export interface LiveUpstream {
  readonly name: string
  readonly dialect: Dialect
  readonly condition: Condition
  readonly conditionForMs: Millis
  readonly inFlight: number
  readonly held: number
  readonly limit: number | null
  readonly rampRate: number | null
  readonly latency: Quantiles
  readonly baseline: Quantiles
  readonly slowdown: number | null
  /** Evidence of drift over its alarm: 1 = the alarm fires. The larger of both sides and of the errors. */
  readonly drift: number | null
  readonly callsPerSecond: number
  readonly attemptsPerSecond: number
  /** Enforced verdicts only. */
  readonly heldPerSecond: number
  readonly shedPerSecond: number
  readonly errorRatio: number
  readonly retryRatio: number
  readonly retryingAgents: number
  readonly activeAgents: number
  readonly etaMs: Millis | null
  readonly amplification: number | null
}

export interface LiveAgent {
  readonly agent: string
  readonly condition: AgentCondition
  readonly calls: number
  readonly callsPerSecond: number
  readonly retries: number
  readonly retriesPerSecond: number
  readonly failures: number
  readonly inFlight: number
  readonly held: number
  readonly idleMs: Millis
}

export interface LiveWorkflow {
  readonly workflow: string
  readonly condition: WorkflowCondition
  readonly width: number
  readonly depth: number
  readonly calls: number
  readonly inFlight: number
  readonly retries: number
  readonly ageMs: Millis
  readonly idleMs: Millis
}

export interface LiveRule {
  readonly id: string
  readonly mode: Mode
  /** The mode is the operator's, not the file's. */
  readonly override: boolean
  readonly hits: RuleHits
}
