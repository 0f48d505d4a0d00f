/** One upstream's state as people see it. */
import type { Millis } from '../model.ts'
import type { UpstreamReading } from '../reading.ts'
import type { UpstreamState } from '../upstream-state.ts'

export function readUpstream(state: UpstreamState, now: Millis): UpstreamReading {
  const drift = state.drift.reading(now)
  const storm = state.storm.reading(now)
  const { tally } = state
  const logical = Math.max(1, tally.arrivals - tally.retries)
  return {
    upstream: state.index,
    condition: state.condition,
    since: state.since,
    inFlight: state.inFlight,
    held: state.held,
    heldBytes: state.queue.bytes,
    limit: state.allowance,
    rampRate: state.release.standingRate,
    latency: drift.latency,
    baseline: drift.baseline,
    slowdown: drift.slowdown,
    driftSlow: drift.slow,
    driftFast: drift.fast,
    driftErrors: drift.errors,
    errorShare: drift.errorShare,
    retryShare: storm.retryShare,
    retryingAgents: storm.retryingAgents,
    activeAgents: storm.activeAgents,
    synchrony: storm.synchrony,
    branching: storm.branching,
    etaMs: drift.etaMs,
    retryTokens: state.budget.tokens(now),
    amplification: tally.attempts === 0 ? 1 : tally.attempts / logical,
    arrivals: tally.arrivals,
    attempts: tally.attempts,
    retries: tally.retries,
    outcomes: tally.outcomes(),
    settlements: tally.settlements(),
    verdicts: tally.verdicts(),
    durations: tally.durations.read(),
    holds: tally.holds.read(),
  }
}
