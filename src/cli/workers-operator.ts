/** One operator's listener for all workers: the same paths and metrics as of a single process, from their reports. */
import { dashboardPages } from '../admin/dashboard.ts'
import { described } from '../admin/event-sentence.ts'
import { frameSource } from '../admin/frame-source.ts'
import { LiveFeed } from '../admin/live-feed.ts'
import { newsView } from '../admin/policy-news.ts'
import { createAdmin, type Readiness } from '../admin/server.ts'
import { configView, eventView, policiesView, type EventView } from '../admin/views.ts'
import type { Config } from '../config.ts'
import type { CoreEvent, Millis } from '../core/model.ts'
import { keepPolicies } from '../policy-keeper.ts'
import { EventFeed } from '../telemetry/event-feed.ts'
import type { Log } from '../telemetry/log.ts'
import { createMetrics, NO_JOURNAL } from '../telemetry/metrics.ts'
import { VERSION } from '../version.ts'
import { mergeAuth } from './workers-merge-auth.ts'
import {
  mergeAgents,
  mergeGateways,
  mergeHits,
  mergeOwn,
  mergeReadings,
  mergeWorkflows,
  type Arrived,
} from './workers-merge.ts'
import { endedDeferral, mergeDeferrals } from './workers-merge-deferrals.ts'
import { deferralView } from '../deferral-membership.ts'
import type { DeferralReading } from '../defer/deferral.ts'
import type { AppReport } from '../app.ts'
import type { ToWorker } from './workers-messages.ts'

export interface WorkersOperatorDeps {
  readonly log: Log
  readonly clock: () => Millis
  reports(): readonly Arrived[]
  agents(): { readonly host: string; readonly port: number }
  isDraining(): boolean
  broadcast(message: ToWorker): void
}

export interface WorkersOperator {
  listen(): Promise<{ host: string; port: number }>
  ready(): void
  event(event: CoreEvent, ageMs: Millis): void
  /** A worker is gone: what it counted stays counted. */
  gone(last: Arrived | undefined): void
  close(): Promise<void>
}

export function createWorkersOperator(config: Config, deps: WorkersOperatorDeps): WorkersOperator {
  const { log, clock } = deps
  const wall = Date.now
  const upstreams = config.proxy.upstreams
  const names = upstreams.map(({ name }) => name)
  const feed = new EventFeed<EventView>()
  const policies = keepPolicies(
    config.policies,
    { upstreams: names, deferral: config.deferral !== undefined },
    { log: silent(log), wall, onNews: (news) => feed.publish(newsView(news, wall())) },
  )
  let isReady = false
  /** What those counted who are gone: a counter never falls. */
  let past: Arrived[] = []
  const counted = (): Arrived[] => [...deps.reports(), ...past]
  const core = {
    read: (now: Millis) => mergeReadings(counted(), now),
    agents: (_now: Millis, most: number) => mergeAgents(deps.reports(), most),
    workflows: (_now: Millis, most: number) => mergeWorkflows(deps.reports(), most),
  }
  const readiness = (): Readiness => (deps.isDraining() ? 'draining' : isReady ? 'ready' : 'starting')
  const reports = (): readonly AppReport[] => deps.reports().map(({ report }) => report)
  const deferral = (): DeferralReading | undefined =>
    mergeDeferrals(counted().map(({ report: { deferral: reading } }) => reading))
  const metrics = createMetrics(
    {
      upstreams: names,
      version: VERSION,
      read: () => core.read(clock()),
      agents: (most) => core.agents(clock(), most),
      gateway: () => mergeGateways(counted().map(({ report }) => report.gateway)),
      policy: () => ({ failed: policies.status.problems.length > 0, loadedAt: policies.status.loadedAt }),
      own: () =>
        mergeOwn(
          reports().map(({ own }) => own),
          readiness() === 'ready',
        ),
      journal: () =>
        counted().reduce(
          (sum, { report: { journal } }) => ({
            lines: sum.lines + journal.lines,
            dropped: sum.dropped + journal.dropped,
          }),
          NO_JOURNAL,
        ),
      auth: () =>
        mergeAuth(
          counted().map(({ report }) => report.auth),
          reports().map(({ auth }) => auth),
        ),
      board: () => reports()[0]?.board,
      deferral: () => deferral(),
      certificates: () => reports()[0]?.certificates ?? [],
    },
    { agentCap: config.metrics.agentCap },
  )
  const agentsUrl = (): string => {
    const { host, port } = deps.agents()
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  }
  const live = new LiveFeed(
    frameSource({
      core,
      clock,
      wall,
      upstreams,
      version: VERSION,
      control: config.operator.control,
      state: readiness,
      agentsUrl,
      policy: () => policies.policy,
      rules: () =>
        policies.policy.rules.map(({ id, mode, index }) => ({
          id,
          mode,
          override: policies.status.overrides?.has(id) === true,
          hits: mergeHits(counted(), index),
        })),
    }),
  )
  const rules = {
    setMode(...[id, mode, by]: Parameters<typeof policies.setMode>) {
      const change = policies.setMode(id, mode, by)
      if (change.ok) deps.broadcast({ weir: 'mode', id, mode, by })
      return change
    },
  }
  const admin = createAdmin(
    {
      core,
      clock,
      upstreams,
      metrics,
      feed,
      log,
      readiness,
      policies: () => policiesView(policies.status, (index) => mergeHits(counted(), index)),
      config: () => ({ ...configView(config), workers: config.workers }),
      board: () => ({ kind: 'ipc', workers: reports().map(({ board }) => board) }),
      deferred: () => deferralView(deferral()),
      live,
      ...(config.operator.control ? { rules } : {}),
      pages: dashboardPages(),
    },
    config.operator.listen,
  )
  return {
    listen: () => admin.listen(),
    ready() {
      isReady = true
      policies.watch(() => {})
    },
    event(event, ageMs) {
      const at = clock() - ageMs
      const row = core.read(clock()).upstreams[event.upstream]
      const view = eventView({ ...event, at }, names, wall(), clock())
      if (row === undefined) return feed.publish(view)
      const { latency, baseline } = row
      feed.publish(described(view, event, { policy: policies.policy, latency, baseline, upstreams: names }))
    },
    gone(last) {
      if (last !== undefined) past = [folded([...past, { ...last, report: ended(last.report) }], clock())]
    },
    async close() {
      policies.stop()
      await admin.close()
    },
  }
}

/** The counters of one that is gone, without what was true of it only while it lived. */
function ended(report: AppReport): AppReport {
  const upstreams = report.reading.upstreams.map((row) => ({
    ...row,
    condition: 'healthy' as const,
    inFlight: 0,
    held: 0,
    heldBytes: 0,
    limit: 0,
    rampRate: 0,
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
    gateway: { ...report.gateway, connections: 0, upgrades: 0 },
    agents: [],
    workflows: [],
    deferral: endedDeferral(report.deferral),
  }
}

/** Many that are gone as one, so that a worker that dies again and again costs no memory. */
function folded(gone: readonly Arrived[], now: Millis): Arrived {
  const [first] = gone
  if (first === undefined || gone.length === 1) return first!
  const report: AppReport = {
    ...first.report,
    reading: mergeReadings(gone, now),
    gateway: mergeGateways(gone.map(({ report: { gateway } }) => gateway)),
    auth: mergeAuth(
      gone.map(({ report: { auth } }) => auth),
      [],
    ),
    journal: {
      lines: gone.reduce((sum, { report: { journal } }) => sum + journal.lines, 0),
      dropped: gone.reduce((sum, { report: { journal } }) => sum + journal.dropped, 0),
    },
    deferral: mergeDeferrals(gone.map(({ report: { deferral } }) => deferral)),
  }
  return { report, arrivedAt: now }
}

/** Each worker logs what becomes of the policies; the primary, who reads them as well, need not. */
function silent(log: Log): Log {
  return { ...log, info: () => {}, warn: () => {} }
}
