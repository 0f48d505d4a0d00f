/**
 * The composition root: builds each room, joins them, starts and ends them in order. Nothing else knows more than
 * one neighbour.
 *
 * Start: policies -> core -> proxy -> operator's listener (answers "starting") -> agents' listener -> ready.
 * Stop: not ready -> the proxy drains -> operator's listener closes, last: it shows the drain until its end.
 */
import { randomInt } from 'node:crypto'
import { joinAdmission } from './admission-membership.ts'
import type { Page } from './admin/answers.ts'
import { createAdmin } from './admin/server.ts'
import type { Readiness } from './admin/server.ts'
import { dashboardPages } from './admin/dashboard.ts'
import { described, type Background } from './admin/event-sentence.ts'
import { frameSource } from './admin/frame-source.ts'
import { LiveFeed } from './admin/live-feed.ts'
import type { LiveRule } from './admin/live-frame.ts'
import { newsView } from './admin/policy-news.ts'
import { RuleCounter, type RuleHits } from './admin/rule-hits.ts'
import type { ModeChange } from './admin/rule-switch.ts'
import { configView, eventView, policiesView } from './admin/views.ts'
import type { EventView, OperatorEventName } from './admin/views.ts'
import { callFields } from './access-line.ts'
import type { Board } from './board/board.ts'
import type { BoardReading } from './board/link.ts'
import { boardView, joinBoard } from './board-membership.ts'
import { joinCommons } from './commons-membership.ts'
import type { Config } from './config.ts'
import { joinIdentity } from './identity-membership.ts'
import type { DeferralReading } from './defer/deferral.ts'
import { deferralView, joinDeferral } from './deferral-membership.ts'
import { createCoordinator } from './core/coordinator.ts'
import type { Coordinator, FleetCore } from './core/coordinator.ts'
import type { CoreEvent, Millis, Mode, Outcome } from './core/model.ts'
import type { AgentReading, CoreReading, WorkflowReading } from './core/reading.ts'
import { createJournal } from './journal/journal.ts'
import type { Journal, JournalOptions } from './journal/journal.ts'
import { policyDigest } from './policy/digest.ts'
import { OtelExport } from './otel-export.ts'
import { keepPolicies } from './policy-keeper.ts'
import type { Call } from './proxy/call.ts'
import { createProxy } from './proxy/proxy.ts'
import type { Proxy } from './proxy/proxy.ts'
import type { CommonsReading } from './telemetry/commons-metrics.ts'
import { EventFeed } from './telemetry/event-feed.ts'
import { createLog, errorFields } from './telemetry/log.ts'
import type { Log } from './telemetry/log.ts'
import { createMetrics, NO_JOURNAL } from './telemetry/metrics.ts'
import type {
  AuthMetrics,
  CertificateReading,
  GatewayReading,
  JournalReading,
  OwnReading,
} from './telemetry/metrics.ts'
import type { OtlpReading } from './telemetry/otlp/export-health.ts'
import { OwnLoad, PRESSURE_EVERY_MS, ProcessLoad } from './telemetry/own-load.ts'
import { steadyWall } from './steady-wall.ts'
import { VERSION } from './version.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface App {
  readonly core: Coordinator
  readonly proxy: Proxy
  readonly log: Log
  /** Everything that people may ask of this process, for whoever speaks for it. */
  report(): AppReport
  /** Asks anew those who must be asked for what `report` says of them; half a second at most. Never rejects. */
  refresh(): Promise<void>
  /** Switches a rule, as the operator's listener does. */
  setMode(id: string, mode: Mode, by: string): ModeChange
  /** Ready when it resolves. @throws what `listen` throws; nothing is left open then */
  start(): Promise<{ readonly proxy: Address; readonly operator: Address }>
  /** Reads again what is followed anyway, without waiting for it to be noticed. */
  reload(): void
  /** Drains and closes; resolves when both listeners are gone. More calls wait for the same end. */
  stop(): Promise<void>
}

/** Its times are by this process's clock, of which `reading.at` is now. */
export interface AppReport {
  readonly reading: CoreReading
  readonly agents: readonly AgentReading[]
  readonly workflows: readonly WorkflowReading[]
  readonly gateway: GatewayReading
  readonly own: OwnReading
  readonly journal: JournalReading
  /** By rule index. */
  readonly hits: readonly RuleHits[]
  readonly board: BoardReading | undefined
  /** Undefined = nobody has to show anything. */
  readonly auth: AuthMetrics | undefined
  readonly deferral: DeferralReading | undefined
  /** As it was at the last `refresh`; undefined = agents share nothing. */
  readonly commons: CommonsReading | undefined
  readonly otlp: OtlpReading
  /** Of TLS; none without. */
  readonly certificates: readonly CertificateReading[]
}

/** Rows of agents and of workflows in a report. */
const REPORTED_ROWS = 200

/** For tests, the demo and the benches. */
export interface AppOverrides {
  readonly clock?: () => Millis
  readonly wall?: () => number
  readonly log?: Log
  readonly seed?: number
  /** No operator's listener: somebody else speaks for this process, by `report`. */
  readonly operator?: 'none'
  /** How often the files of identity are looked at. */
  readonly lookEveryMs?: Millis
  /** In place of the one in the config; it stays open. */
  readonly board?: Board
  readonly onEvent?: (event: CoreEvent) => void
  readonly onCallEnd?: (call: Call, outcome: Outcome) => void
  /** What is told to the operator and is no event of the core, nor of the policies. */
  readonly onNotice?: (view: EventView) => void
  /** The dashboard and its files by path, on the operator's listener. */
  readonly pages?: ReadonlyMap<string, () => Page>
}

/** @throws ConfigError when the policies are not in order */
export function createApp(config: Config, overrides: AppOverrides = {}): App {
  const clock = overrides.clock ?? (() => performance.now())
  const wall = overrides.wall ?? (() => Date.now())
  const log = overrides.log ?? createLog({ ...config.log, clock })
  const upstreams = config.proxy.upstreams
  const names = upstreams.map(({ name }) => name)
  const feed = new EventFeed<EventView>()
  const own = new ProcessLoad()
  const load = new OwnLoad(() => own.read())
  const hits = new RuleCounter()
  let readiness: Readiness = 'starting'
  let agentsUrl = ''

  const policies = keepPolicies(
    config.policies,
    { upstreams: names, deferral: config.deferral !== undefined },
    {
      log,
      wall,
      onNews(news) {
        if (news.name === 'policies-loaded') hits.restart(clock())
        feed.publish(newsView(news, wall()))
      },
    },
  )
  const { agents: maxAgents, workflows: maxWorkflows } = config.tables
  const seed = overrides.seed ?? randomInt(2 ** 32)
  const bare = createCoordinator({ policy: policies.policy, upstreams: names, seed, maxAgents, maxWorkflows })
  const journal = config.journal === undefined ? undefined : journalOf(config.journal, bare)
  const core: Coordinator & FleetCore = journal?.core ?? bare
  // What they promise ends by the time that passes, not by what the clock of the machine is set to.
  const steady = steadyWall(wall, clock)
  const deferral = joinDeferral(config.deferral, { upstreams: names, clock, wall: steady, log })
  const identity = joinIdentity(config.identity, {
    upstreams: names,
    agentHeader: config.proxy.identity.agentHeader,
    isSigned: (upstream) => upstreams[upstream]?.aws !== undefined,
    clock,
    wall,
    log,
    onEvent(event) {
      feed.publish(event)
      overrides.onNotice?.(event)
    },
    ...(overrides.lookEveryMs === undefined ? {} : { lookEveryMs: overrides.lookEveryMs }),
  })
  const commons = joinCommons(config.commons, {
    core,
    upstreams: names,
    clock,
    wall: steady,
    log,
    ...(identity.gate === undefined ? {} : { may: (caller, action) => identity.may(caller, action) }),
  })
  const admission = joinAdmission(config.admission, {
    guests: () => proxy.guests,
    upstreams,
    clock,
    wall,
    log,
    ruleId: (rule) => policies.policy.rules[rule]?.id ?? '',
    onEnd: (ticket, outcome) => journal?.ended(ticket, outcome),
  })
  const proxy = createProxy(config.proxy, {
    desk: deferral.desk,
    gate: identity.gate,
    injected: identity.injected,
    own: (...asked) => admission.own(...asked) || commons.own(...asked) || deferral.own(...asked),
    core,
    clock,
    wall,
    log,
    onEvent(event) {
      const view = described(eventView(event, names, wall(), clock()), event, background(event.upstream))
      feed.publish(view)
      tell(log, view)
      otel.event(event)
      commons.event(event)
      overrides.onEvent?.(event)
    },
    onCallEnd(call, outcome) {
      hits.ended(call.verdict, call.arrivedAt)
      journal?.ended(call, outcome)
      if (config.log.access) log.access(callFields(call, outcome, clock()))
      otel.ended(call, outcome)
      commons.ended(call, outcome)
      overrides.onCallEnd?.(call, outcome)
    },
  })
  const board = joinBoard(config.board, {
    board: overrides.board,
    core,
    upstreams: names,
    clock,
    seed,
    log,
    onLearnt: () => proxy.look(),
  })
  const metrics = createMetrics(
    {
      upstreams: names,
      version: VERSION,
      read: () => core.read(clock()),
      agents: (most) => core.agents(clock(), most),
      gateway: () => proxy.stats,
      policy: () => ({ failed: policies.status.problems.length > 0, loadedAt: policies.status.loadedAt }),
      own: (reader) => ({
        ready: readiness === 'ready',
        pressure: load.level,
        loopDelay: own.loopDelay(reader),
      }),
      otlp: () => otel.reading,
      journal: () => journal?.stats ?? NO_JOURNAL,
      board: () => board.read(),
      deferral: () => deferral.reading,
      certificates: () => proxy.certificates,
      auth: () => identity.reading,
      commons: () => commons.reading,
      refresh: () => commons.refresh(),
    },
    { agentCap: config.metrics.agentCap },
  )
  const otel = new OtelExport(config.otlp, {
    upstreams,
    version: VERSION,
    clock,
    wall,
    log,
    ruleId: (rule) => policies.policy.rules[rule]?.id ?? '',
    rulesSince: () => policies.status.loadedAt,
    writeMetrics: (page) => metrics.write(page, 'export'),
  })
  const live = new LiveFeed(
    frameSource({
      core,
      clock,
      wall,
      upstreams,
      version: VERSION,
      control: config.operator.control,
      state: () => (proxy.isDraining ? 'draining' : readiness),
      agentsUrl: () => agentsUrl,
      policy: () => policies.policy,
      rules: () => policies.policy.rules.map((rule) => liveRule(rule.index)),
    }),
  )
  const admin = createAdmin(
    {
      core,
      clock,
      upstreams,
      metrics,
      feed,
      log,
      readiness: () => (proxy.isDraining ? 'draining' : readiness),
      policies: () => policiesView(policies.status, (index) => hits.of(index)),
      config: () => configView(config),
      board: () => boardView(board.read(), names),
      deferred: () => deferralView(deferral.reading),
      live,
      ...(config.operator.control ? { rules: policies } : {}),
      pages: overrides.pages ?? dashboardPages(),
    },
    config.operator.listen,
  )
  let watch: NodeJS.Timeout | undefined
  let stopping: Promise<void> | undefined

  function journalOf(options: JournalOptions, recorded: Coordinator & FleetCore): Journal {
    return createJournal(options, {
      core: recorded,
      made: { seed, agents: maxAgents, workflows: maxWorkflows },
      upstreams: names,
      policy: policies.policy,
      digest: () => policyDigest(policies.policy, policies.status.notes),
      version: VERSION,
      clock,
      wall,
      onTrouble: (error, dropped) =>
        log.limited('error', 'journal', { ...errorFields(error), dropped }, 'the journal cannot be written'),
      onRecovered: (dropped) => log.info({ dropped }, 'the journal is written again'),
    })
  }

  /** What stood behind an event. Built per event: a few a second at the worst. */
  function background(upstream: number): Background {
    const row = core.read(clock()).upstreams[upstream]!
    const { latency, baseline } = row
    return { policy: policies.policy, latency, baseline, upstreams: names }
  }

  function liveRule(index: number): LiveRule {
    const { id, mode } = policies.policy.rules[index]!
    return { id, mode, override: policies.status.overrides?.has(id) === true, hits: hits.of(index) }
  }

  async function start(): Promise<{ proxy: Address; operator: Address }> {
    try {
      return await open()
    } catch (error) {
      policies.stop()
      // Why it could not start is told; what may follow from that while it is closed is not.
      await Promise.allSettled([proxy.close()])
      await close().catch(() => {})
      throw error
    }
  }

  async function open(): Promise<{ proxy: Address; operator: Address }> {
    await otel.load()
    await journal?.open()
    await commons.start()
    await identity.start()
    const operator = overrides.operator === 'none' ? NOWHERE : await admin.listen()
    const agents = await proxy.listen()
    agentsUrl = agentsUrlOf(config, agents)
    policies.watch((policy) => proxy.adopt(policy))
    own.start()
    otel.start()
    board.start()
    await deferral.start(proxy.carry)
    watch = setInterval(() => core.pressure(load.sample()), PRESSURE_EVERY_MS)
    watch.unref()
    readiness = 'ready'
    const level = overrides.operator === 'none' ? 'debug' : 'info'
    log[level](
      { version: VERSION, agents: shown(agents), operator: shown(operator), upstreams: names },
      'ready',
    )
    return { proxy: agents, operator }
  }

  async function stop(): Promise<void> {
    readiness = 'draining'
    policies.stop()
    deferral.drain()
    admission.drain()
    commons.drain()
    await proxy.drain()
    await close()
  }

  /**
   * Everything but the proxy, opened or not, the operator's listener last. What cannot be closed keeps nothing else
   * open. @throws the first of what they threw
   */
  async function close(): Promise<void> {
    const closings: readonly (() => void | Promise<void>)[] = [
      () => admission.close(),
      () => commons.close(),
      () => identity.stop(),
      () => deferral.close(),
      () => board.stop(),
      () => otel.stop(),
      () => clearInterval(watch),
      () => journal?.close(),
      () => own.stop(),
      () => (overrides.operator === 'none' ? undefined : admin.close()),
    ]
    const failures: unknown[] = []
    for (const closing of closings) {
      try {
        await closing()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  function report(): AppReport {
    const now = clock()
    return {
      reading: core.read(now),
      agents: core.agents(now, REPORTED_ROWS),
      workflows: core.workflows(now, REPORTED_ROWS),
      gateway: { ...proxy.stats, refused: { ...proxy.stats.refused } },
      own: { ready: readiness === 'ready', pressure: load.level, loopDelay: own.loopDelay('scrape') },
      journal: { ...(journal?.stats ?? NO_JOURNAL) },
      hits: policies.policy.rules.map(({ index }) => hits.of(index)),
      board: board.read(),
      auth: identity.reading,
      deferral: deferral.reading,
      commons: commons.reading,
      otlp: { dropped: { ...otel.reading.dropped }, failed: { ...otel.reading.failed } },
      certificates: proxy.certificates.map(({ name, notAfter }) => ({ name, notAfter })),
    }
  }

  return {
    core,
    proxy,
    log,
    report,
    refresh: () => commons.refresh(),
    setMode: (id, mode, by) => policies.setMode(id, mode, by),
    start,
    reload: () => void proxy.reloadCertificates(),
    stop: () => (stopping ??= stop()),
  }
}

const NOWHERE: Address = { host: '', port: 0 }

/** Move with the load: worth a line only to whoever looks closely. */
const FREQUENT: ReadonlySet<OperatorEventName> = new Set(['limit-changed', 'quota-learned'])
/** Follow from what a single agent does: limited, so that none of them fills the disk. */
const PERSONAL: ReadonlySet<OperatorEventName> = new Set(['agent-looping', 'workflow-narrowed'])

function tell(log: Log, event: EventView): void {
  if (FREQUENT.has(event.name)) log.debug({ event }, event.name)
  else if (PERSONAL.has(event.name)) log.limited('warn', event.name, { event }, event.name)
  else log.info({ event }, event.name)
}

/** How agents reach `address`: by TLS where that is all there is. */
export function agentsUrlOf({ proxy }: Config, address: Address): string {
  return `${proxy.tls?.plain === false ? 'https' : 'http'}://${shown(address)}`
}

function shown({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
