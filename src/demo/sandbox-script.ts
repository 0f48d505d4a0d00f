/**
 * How a sandbox upstream behaves: its healthy shape, and phases in which it does not. The words are those of the
 * simulated upstream of the tests, so that one scenario can be played in virtual time and over real sockets.
 */
import type { Millis } from '../core/model.ts'

/** One stretch of the script, in ms since the behaviour was set. What is absent keeps its healthy value. */
export interface SandboxPhase {
  readonly from: Millis
  readonly until: Millis
  readonly servers?: number
  /** Multiplies service times; `slowEnd` makes it a ramp over the phase. */
  readonly slow?: number
  readonly slowEnd?: number
  readonly errorRatio?: number
  readonly errorStatus?: number
  readonly rateLimit?: SandboxRateLimit
  /** Takes calls and never answers. */
  readonly hang?: boolean
  /** Resets every connection. */
  readonly stopped?: boolean
}

/** Calls per second before a 429; with `lockoutMs`, every call until then is refused too. */
export interface SandboxRateLimit {
  readonly perSecond: number
  readonly retryAfterMs: Millis
  readonly lockoutMs?: Millis
}

export interface SandboxBehaviour {
  /** Calls served at once; Infinity = no limit. */
  readonly servers: number
  /** Median of the service time; 0 = answered at once. */
  readonly serviceMs: Millis
  /** Sigma of the log-normal spread of service times; 0 = constant. */
  readonly sigma: number
  /** Calls that may wait; beyond it 503 at once. */
  readonly queue: number
  /** The longest wait before 503; Infinity = none. */
  readonly queueMs: Millis
  /** Share of the service time after which a stream sends its first chunk; the others follow evenly. */
  readonly firstByteShare: number
  /** Finishes work whose client has left, as most real servers do: a retry storm then outlives its cause. */
  readonly worksOn: boolean
  /** Said in every answer when it is finite: calls per second in the quota headers of the dialect. */
  readonly quota: number
  readonly phases: readonly SandboxPhase[]
}

/** Healthy, instant and without limits. */
export const HEALTHY: SandboxBehaviour = {
  servers: Infinity,
  serviceMs: 0,
  sigma: 0,
  queue: Infinity,
  queueMs: Infinity,
  firstByteShare: 0.25,
  worksOn: true,
  quota: Infinity,
  phases: [],
}

/** The last matching phase wins. */
export function phaseAt(behaviour: SandboxBehaviour, at: Millis): SandboxPhase | undefined {
  return behaviour.phases.findLast((phase) => at >= phase.from && at < phase.until)
}

/** Factor on service times at `at`. */
export function slowness(phase: SandboxPhase | undefined, at: Millis): number {
  const from = phase?.slow ?? 1
  if (phase?.slowEnd === undefined) return from
  const part = (at - phase.from) / (phase.until - phase.from)
  return from + (phase.slowEnd - from) * (Number.isFinite(part) ? part : 0)
}
