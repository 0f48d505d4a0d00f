/** Workers that are gone: what they counted stays counted, and what was true of them alone is true no more. */
import type { AppReport } from '../app.ts'
import type { Millis } from '../core/model.ts'
import type { Quantiles } from '../core/reading.ts'
import { mergeAuth } from './workers-merge-auth.ts'
import { mergeBoards, mergeCommons, mergeOtlp } from './workers-merge-joined.ts'
import { endedDeferral, mergeDeferrals } from './workers-merge-deferrals.ts'
import { mergeGateways, mergeHits, mergeJournals, mergeReadings, type Arrived } from './workers-merge.ts'

const NO_SAMPLE: Quantiles = { p50: 0, p90: 0, p99: 0 }

/** The counters of one that is gone, without what was true of it only while it lived. */
export function ended(report: AppReport): AppReport {
  const upstreams = report.reading.upstreams.map((row) => ({
    ...row,
    condition: 'healthy' as const,
    inFlight: 0,
    held: 0,
    heldBytes: 0,
    limit: 0,
    rampRate: 0,
    latency: NO_SAMPLE,
    baseline: NO_SAMPLE,
    slowdown: 0,
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
    retryTokens: 0,
  }))
  return {
    ...report,
    reading: { ...report.reading, open: 0, upstreams, agentsKnown: 0, workflowsKnown: 0 },
    gateway: { ...report.gateway, connections: 0, upgrades: 0, http2Sessions: 0 },
    agents: [],
    workflows: [],
    deferral: endedDeferral(report.deferral),
  }
}

/** Many that are gone as one, so that a worker that dies again and again costs no memory. */
export function folded(gone: readonly Arrived[], now: Millis): Arrived {
  const [first] = gone
  if (first === undefined || gone.length === 1) return first!
  const reports = gone.map(({ report }) => report)
  const report: AppReport = {
    ...first.report,
    reading: mergeReadings(gone, now),
    gateway: mergeGateways(reports.map(({ gateway }) => gateway)),
    auth: mergeAuth(
      reports.map(({ auth }) => auth),
      [],
    ),
    journal: mergeJournals(reports.map(({ journal }) => journal)),
    hits: first.report.hits.map((_, index) => mergeHits(gone, index)),
    otlp: mergeOtlp(reports.map(({ otlp }) => otlp)),
    board: mergeBoards(
      reports.map(({ board }) => board),
      [],
    ),
    commons: mergeCommons(
      reports.map(({ commons }) => commons),
      [],
    ),
    deferral: mergeDeferrals(reports.map(({ deferral }) => deferral)),
  }
  return { report, arrivedAt: now }
}
