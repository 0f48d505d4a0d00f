/** Readings of a core that never was, for tests of what shows them. */
import type { AgentReading, CoreReading, UpstreamReading } from '../../src/core/reading.ts'

const quantiles = { p50: 100, p90: 200, p99: 300 }

export function upstreamReading(changes: Partial<UpstreamReading> = {}): UpstreamReading {
  return {
    upstream: 0,
    condition: 'healthy',
    since: 0,
    inFlight: 0,
    held: 0,
    heldBytes: 0,
    limit: Infinity,
    rampRate: Infinity,
    latency: quantiles,
    baseline: quantiles,
    slowdown: 1,
    driftSlow: 0,
    driftFast: 0,
    driftErrors: 0,
    errorShare: 0,
    retryShare: 0,
    retryingAgents: 0,
    activeAgents: 0,
    synchrony: 0,
    branching: 0,
    etaMs: Infinity,
    retryTokens: 10,
    amplification: 1,
    arrivals: 0,
    attempts: 0,
    retries: 0,
    outcomes: {
      passed: 0,
      'passed-after-hold': 0,
      'hold-expired': 0,
      'client-gone': 0,
      deferred: 0,
      shed: 0,
      'upstream-error': 0,
    },
    settlements: { success: 0, failure: 0, dropped: 0, ignored: 0, cancelled: 0 },
    verdicts: [],
    durations: { bounds: [5, 300_000], counts: [0, 0, 0], sum: 0 },
    holds: { bounds: [5, 300_000], counts: [0, 0, 0], sum: 0 },
    ...changes,
  }
}

export function agentReading(
  agent: string,
  calls: number,
  changes: Partial<AgentReading> = {},
): AgentReading {
  return {
    agent,
    condition: 'ordinary',
    calls,
    retries: 0,
    failures: 0,
    inFlight: 0,
    held: 0,
    callsPerSecond: 0,
    lastSeen: 0,
    ...changes,
  }
}

export function coreReading(changes: Partial<CoreReading> = {}): CoreReading {
  return { at: 0, open: 0, upstreams: [upstreamReading()], agentsKnown: 0, workflowsKnown: 0, ...changes }
}
