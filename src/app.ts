/**
 * The composition root: builds each room, joins them, starts and ends them in order. Nothing else knows more than
 * one neighbour.
 *
 * Start: policies -> core -> proxy -> operator's listener (answers "starting") -> agents' listener -> ready.
 * Stop: not ready -> the proxy drains -> operator's listener closes, last: it shows the drain until its end.
 */
import { randomInt } from 'node:crypto'
import type { Page } from './admin/answers.ts'
import { createAdmin } from './admin/server.ts'
import type { Readiness } from './admin/server.ts'
import { configView, eventView, policiesView } from './admin/views.ts'
import type { EventView } from './admin/views.ts'
import { callFields } from './access-line.ts'
import type { Config } from './config.ts'
import { createCoordinator } from './core/coordinator.ts'
import type { Coordinator } from './core/coordinator.ts'
import type { CoreEvent, EventName, Millis, Outcome } from './core/model.ts'
import { keepPolicies } from './policy-keeper.ts'
import type { Call } from './proxy/call.ts'
import { createProxy } from './proxy/proxy.ts'
import type { Proxy } from './proxy/proxy.ts'
import { EventFeed } from './telemetry/event-feed.ts'
import { createLog } from './telemetry/log.ts'
import type { Log } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { OwnLoad, PRESSURE_EVERY_MS, ProcessLoad } from './telemetry/own-load.ts'
import { VERSION } from './version.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface App {
  readonly core: Coordinator
  readonly proxy: Proxy
  readonly log: Log
  /** Ready when it resolves. @throws what `listen` throws; nothing is left open then */
  start(): Promise<{ readonly proxy: Address; readonly operator: Address }>
  /** Drains and closes; resolves when both listeners are gone. More calls wait for the same end. */
  stop(): Promise<void>
}

/** For tests, the demo and the benches. */
export interface AppOverrides {
  readonly clock?: () => Millis
  readonly wall?: () => number
  readonly log?: Log
  readonly seed?: number
  readonly onEvent?: (event: CoreEvent) => void
  readonly onCallEnd?: (call: Call, outcome: Outcome) => void
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
  let readiness: Readiness = 'starting'

  const policies = keepPolicies(
    config.policies,
    { upstreams: names, deferral: config.deferral !== undefined },
    { log, wall },
  )
  const core = createCoordinator({
    policy: policies.policy,
    upstreams: names,
    seed: overrides.seed ?? randomInt(2 ** 32),
    maxAgents: config.tables.agents,
    maxWorkflows: config.tables.workflows,
  })
  const proxy = createProxy(config.proxy, {
    core,
    clock,
    wall,
    log,
    onEvent(event) {
      const view = eventView(event, names, wall(), clock())
      feed.publish(view)
      tell(log, view)
      overrides.onEvent?.(event)
    },
    onCallEnd(call, outcome) {
      if (config.log.access) log.access(callFields(call, outcome, clock()))
      overrides.onCallEnd?.(call, outcome)
    },
  })
  const metrics = createMetrics(
    {
      upstreams: names,
      version: VERSION,
      read: () => core.read(clock()),
      agents: (most) => core.agents(clock(), most),
      gateway: () => proxy.stats,
      policy: () => ({ failed: policies.status.problems.length > 0, loadedAt: policies.status.loadedAt }),
      own: () => ({ ready: readiness === 'ready', pressure: load.level, loopDelay: own.loopDelay() }),
    },
    { agentCap: config.metrics.agentCap },
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
      policies: () => policiesView(policies.status),
      config: () => configView(config),
      ...(overrides.pages === undefined ? {} : { pages: overrides.pages }),
    },
    config.operator.listen,
  )
  let watch: NodeJS.Timeout | undefined
  let stopping: Promise<void> | undefined

  async function start(): Promise<{ proxy: Address; operator: Address }> {
    const operator = await admin.listen()
    try {
      const agents = await proxy.listen()
      policies.watch((policy) => proxy.adopt(policy))
      own.start()
      watch = setInterval(() => core.pressure(load.sample()), PRESSURE_EVERY_MS)
      watch.unref()
      readiness = 'ready'
      log.info(
        { version: VERSION, agents: shown(agents), operator: shown(operator), upstreams: names },
        'ready',
      )
      return { proxy: agents, operator }
    } catch (error) {
      await proxy.close()
      await admin.close()
      throw error
    }
  }

  async function stop(): Promise<void> {
    readiness = 'draining'
    policies.stop()
    await proxy.drain()
    clearInterval(watch)
    own.stop()
    await admin.close()
  }

  return { core, proxy, log, start, stop: () => (stopping ??= stop()) }
}

/** Move with the load: worth a line only to whoever looks closely. */
const FREQUENT: ReadonlySet<EventName> = new Set(['limit-changed', 'quota-learned'])
/** Follow from what a single agent does: limited, so that none of them fills the disk. */
const PERSONAL: ReadonlySet<EventName> = new Set(['agent-looping', 'workflow-narrowed'])

function tell(log: Log, event: EventView): void {
  if (FREQUENT.has(event.name)) log.debug({ event }, event.name)
  else if (PERSONAL.has(event.name)) log.limited('warn', event.name, { event }, event.name)
  else log.info({ event }, event.name)
}

function shown({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
