/**
 * What Prometheus scrapes. Everything is read at the moment of the scrape, from the core, the proxy and the process;
 * a call never touches a metric. The size is bounded by the config, not by what agents send.
 */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { CONDITIONS, OUTCOMES, SETTLEMENTS } from '../core/model.ts'
import type { Millis } from '../core/model.ts'
import type { AgentReading, CoreReading, HistogramReading, UpstreamReading } from '../core/reading.ts'
import { AgentSeats } from './agent-seats.ts'
import { Exposition, EXPOSITION_TYPE } from './exposition.ts'
import { METRICS } from './metric-names.ts'
import type { MetricRow } from './metric-names.ts'

export interface MetricSources {
  /** Names by upstream index. */
  readonly upstreams: readonly string[]
  readonly version: string
  read(): CoreReading
  /** The busiest first. */
  agents(most: number): readonly AgentReading[]
  gateway(): GatewayReading
  policy(): PolicyReading
  own(): OwnReading
}

/** What the data path counts besides calls. */
export interface GatewayReading {
  readonly connections: number
  readonly connectionsAccepted: number
  readonly connectionsDropped: number
  readonly upgrades: number
  /** By status. */
  readonly refused: Readonly<Record<number, number>>
  readonly clientGone: number
  readonly connectRetries: number
  readonly firstByteTimeouts: number
  readonly idleTimeouts: number
  readonly bodyTimeouts: number
  readonly slowReaders: number
}

export interface PolicyReading {
  readonly failed: boolean
  /** Wall clock in ms; 0 = never. */
  readonly loadedAt: number
}

/** Weir about itself. */
export interface OwnReading {
  readonly ready: boolean
  readonly pressure: number
  /** Of the event loop since the last scrape. */
  readonly loopDelay: { readonly p50: Millis; readonly p99: Millis; readonly max: Millis }
}

export interface Metrics {
  readonly contentType: string
  /** The whole page. */
  scrape(): Promise<string>
}

export function createMetrics(sources: MetricSources, options: { readonly agentCap: number }): Metrics {
  const seats = new AgentSeats(options.agentCap)
  return {
    contentType: EXPOSITION_TYPE,
    async scrape() {
      const page = new Exposition()
      const reading = sources.read()
      writeUpstreams(page, reading.upstreams, sources.upstreams)
      writeIdentities(
        page,
        reading,
        seats.count(sources.agents(options.agentCap), arrivals(reading), reading.at),
      )
      writeGateway(page, sources.gateway())
      writePolicy(page, sources.policy())
      writeOwn(page, sources.own(), sources.version)
      return page.text() + (await processMetrics().metrics())
    },
  }
}

function writeUpstreams(
  page: Exposition,
  readings: readonly UpstreamReading[],
  names: readonly string[],
): void {
  const all = readings.map((reading) => ({
    reading,
    name: names[reading.upstream] ?? String(reading.upstream),
  }))
  const each = (row: MetricRow, value: (reading: UpstreamReading) => number): void => {
    page.family(row)
    for (const { name, reading } of all) page.value(row, [name], value(reading))
  }
  const split = (row: MetricRow, parts: (reading: UpstreamReading) => readonly Part[]): void => {
    page.family(row)
    for (const { name, reading } of all) {
      for (const [labels, value] of parts(reading)) page.value(row, [name, ...labels], value)
    }
  }
  const spread = (row: MetricRow, value: (reading: UpstreamReading) => HistogramReading): void => {
    page.family(row)
    for (const { name, reading } of all) page.histogram(row, [name], value(reading))
  }
  each(METRICS.arrivals, (r) => r.arrivals)
  split(METRICS.calls, (r) => OUTCOMES.map((outcome) => [[outcome], r.outcomes[outcome]]))
  split(METRICS.verdicts, (r) => r.verdicts.map((v) => [[v.do, v.reason, v.mode], v.count]))
  each(METRICS.attempts, (r) => r.attempts)
  each(METRICS.retries, (r) => r.retries)
  split(METRICS.settlements, (r) => SETTLEMENTS.map((kind) => [[kind], r.settlements[kind]]))
  spread(METRICS.upstreamDuration, (r) => r.durations)
  spread(METRICS.holdDuration, (r) => r.holds)
  each(METRICS.inFlight, (r) => r.inFlight)
  each(METRICS.held, (r) => r.held)
  each(METRICS.heldBytes, (r) => r.heldBytes)
  each(METRICS.limit, (r) => r.limit)
  each(METRICS.rampRate, (r) => r.rampRate)
  split(METRICS.condition, (r) =>
    CONDITIONS.map((condition) => [[condition], r.condition === condition ? 1 : 0]),
  )
  split(METRICS.driftScore, (r) => [
    [['slow'], r.driftSlow],
    [['fast'], r.driftFast],
    [['errors'], r.driftErrors],
  ])
  each(METRICS.slowdown, (r) => r.slowdown)
  each(METRICS.errorRatio, (r) => r.errorShare)
  each(METRICS.retryRatio, (r) => r.retryShare)
  each(METRICS.retryingAgents, (r) => r.retryingAgents)
  each(METRICS.stormSynchrony, (r) => r.synchrony)
  each(METRICS.amplification, (r) => r.amplification)
  each(METRICS.retryTokens, (r) => r.retryTokens)
}

/** Label values after the upstream's name, and the value. */
type Part = readonly [labels: readonly string[], value: number]

function writeIdentities(page: Exposition, reading: CoreReading, calls: ReadonlyMap<string, number>): void {
  page.single(METRICS.agentsKnown, reading.agentsKnown)
  page.family(METRICS.agentCalls)
  for (const [agent, count] of calls) page.value(METRICS.agentCalls, [agent], count)
  page.single(METRICS.workflowsKnown, reading.workflowsKnown)
}

function writeGateway(page: Exposition, reading: GatewayReading): void {
  page.single(METRICS.connections, reading.connections)
  page.single(METRICS.connectionsAccepted, reading.connectionsAccepted)
  page.single(METRICS.connectionsDropped, reading.connectionsDropped)
  page.single(METRICS.upgrades, reading.upgrades)
  page.family(METRICS.refused)
  for (const [status, count] of Object.entries(reading.refused)) page.value(METRICS.refused, [status], count)
  page.single(METRICS.clientGone, reading.clientGone)
  page.single(METRICS.connectRetries, reading.connectRetries)
  page.family(METRICS.timeouts)
  page.value(METRICS.timeouts, ['first-byte'], reading.firstByteTimeouts)
  page.value(METRICS.timeouts, ['idle'], reading.idleTimeouts)
  page.value(METRICS.timeouts, ['body'], reading.bodyTimeouts)
  page.value(METRICS.timeouts, ['slow-reader'], reading.slowReaders)
}

function writePolicy(page: Exposition, reading: PolicyReading): void {
  page.single(METRICS.policyReloadFailed, reading.failed ? 1 : 0)
  page.single(METRICS.policyLoaded, reading.loadedAt / 1000)
}

function writeOwn(page: Exposition, own: OwnReading, version: string): void {
  page.single(METRICS.pressure, own.pressure)
  page.family(METRICS.eventLoopDelay)
  page.value(METRICS.eventLoopDelay, ['0.5'], own.loopDelay.p50 / 1000)
  page.value(METRICS.eventLoopDelay, ['0.99'], own.loopDelay.p99 / 1000)
  page.value(METRICS.eventLoopDelay, ['1'], own.loopDelay.max / 1000)
  page.family(METRICS.buildInfo).value(METRICS.buildInfo, [version], 1)
  page.single(METRICS.ready, own.ready ? 1 : 0)
}

function arrivals(reading: CoreReading): number {
  return reading.upstreams.reduce((sum, upstream) => sum + upstream.arrivals, 0)
}

/** One per process, whatever number of apps runs in it: its observers belong to the process and cannot be ended. */
let processRegistry: Registry | undefined

function processMetrics(): Registry {
  if (processRegistry === undefined) {
    processRegistry = new Registry()
    collectDefaultMetrics({ register: processRegistry })
  }
  return processRegistry
}
