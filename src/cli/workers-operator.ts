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
import { createMetrics } from '../telemetry/metrics.ts'
import { VERSION } from '../version.ts'
import { mergeAuth } from './workers-merge-auth.ts'
import {
  mergeAgents,
  mergeGateways,
  mergeHits,
  mergeJournals,
  mergeOwn,
  mergeReadings,
  mergeWorkflows,
  type Arrived,
} from './workers-merge.ts'
import { mergeDeferrals } from './workers-merge-deferrals.ts'
import { ended, folded } from './workers-past.ts'
import { mergeBoards, mergeCommons, mergeOtlp } from './workers-merge-joined.ts'
import type { BoardReading } from '../board/link.ts'
import { boardView } from '../board-membership.ts'
import { deferralView } from '../deferral-membership.ts'
import type { DeferralReading } from '../defer/deferral.ts'
import { agentsUrlOf, type AppReport } from '../app.ts'
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
  /** Of a worker, and not of its core. */
  notice(view: EventView): void
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
  const board = (): BoardReading | undefined =>
    mergeBoards(
      counted().map(({ report }) => report.board),
      reports().map((report) => report.board),
    )
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
      journal: () => mergeJournals(counted().map(({ report }) => report.journal)),
      otlp: () => mergeOtlp(counted().map(({ report }) => report.otlp)),
      auth: () =>
        mergeAuth(
          counted().map(({ report }) => report.auth),
          reports().map(({ auth }) => auth),
        ),
      board,
      deferral: () => deferral(),
      // Until all have taken a new pair, one still shows the former.
      certificates: () => reports().flatMap(({ certificates }) => certificates),
      commons: () =>
        mergeCommons(
          counted().map(({ report }) => report.commons),
          reports().map(({ commons }) => commons),
        ),
    },
    { agentCap: config.metrics.agentCap },
  )
  const live = new LiveFeed(
    frameSource({
      core,
      clock,
      wall,
      upstreams,
      version: VERSION,
      control: config.operator.control,
      state: readiness,
      agentsUrl: () => agentsUrlOf(config, deps.agents()),
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
      config: () => configView(config),
      board: () => ({
        kind: board()?.kind ?? 'ipc',
        workers: reports().map((report) => boardView(report.board, names)),
      }),
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
    notice: (view) => feed.publish(view),
    gone(last) {
      if (last !== undefined) past = [folded([...past, { ...last, report: ended(last.report) }], clock())]
    },
    async close() {
      policies.stop()
      await admin.close()
    },
  }
}

/** Each worker logs what becomes of the policies; the primary, who reads them as well, need not. */
function silent(log: Log): Log {
  return { ...log, info: () => {}, warn: () => {} }
}
