/**
 * What Prometheus scrapes, and what OTLP exports. Everything is read at that moment, from the core, the proxy and the
 * process; a call never touches a metric. The size is bounded by the config, not by what agents send.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { CONDITIONS, OUTCOMES, SETTLEMENTS } from '../core/model.ts'
import type { Millis } from '../core/model.ts'
import type { AgentReading, CoreReading, HistogramReading, UpstreamReading } from '../core/reading.ts'
import { AgentSeats } from './agent-seats.ts'
import { NO_COMMONS, writeCommons, type CommonsReading } from './commons-metrics.ts'
import { Exposition, EXPOSITION_TYPE } from './exposition.ts'
import { METRICS } from './metric-names.ts'
import type { MetricRow } from './metric-names.ts'
import type { MetricPage } from './metric-page.ts'
import { DROP_REASONS, NO_OTLP, OTLP_SIGNALS } from './otlp/export-health.ts'
import type { OtlpReading } from './otlp/export-health.ts'
import type { LoopReader } from './own-load.ts'

export interface MetricSources {
  /** Names by upstream index. */
  readonly upstreams: readonly string[]
  readonly version: string
  read(): CoreReading
  /** The busiest first. */
  agents(most: number): readonly AgentReading[]
  gateway(): GatewayReading
  policy(): PolicyReading
  own(reader: LoopReader): OwnReading
  /** Absent while nothing is exported. */
  otlp?(): OtlpReading
  /** Undefined while nobody has to show anything. */
  auth?(): AuthMetrics | undefined
  /** Undefined while nothing is deferred. */
  deferral?(): DeferredReading | undefined
  /** Absent while none is written. */
  journal?(): JournalReading
  /** Of TLS; none without. */
  certificates?(): readonly CertificateReading[]
  /** Undefined = there is no board. */
  board?(): BoardMetrics | undefined
  /** As it was at the last `refresh`; undefined while agents share nothing. */
  commons?(): CommonsReading | undefined
  /** Asks anew those who must be asked for it; awaited before a scrape, so it is bounded. Never rejects. */
  refresh?(): Promise<void>
}

/** As the room of deferred calls counts itself; joined by `app.ts`. */
export interface DeferredReading {
  readonly open: boolean
  readonly totals: {
    readonly waiting: number
    readonly running: number
    readonly ended: number
    readonly bytes: number
    /** Wall clock; 0 = none waits. */
    readonly oldestAt: Millis
    readonly endings: Readonly<Record<string, number>>
  }
  readonly accepted: number
  readonly refused: Readonly<Record<string, number>>
  readonly withoutKey: number
  readonly at: Millis
}

export const NO_DEFERRED: DeferredReading = {
  open: false,
  totals: {
    waiting: 0,
    running: 0,
    ended: 0,
    bytes: 0,
    oldestAt: 0,
    endings: { done: 0, failed: 0, expired: 0, unknown: 0 },
  },
  accepted: 0,
  refused: { full: 0, closed: 0, unclear: 0 },
  withoutKey: 0,
  at: 0,
}

/** As the room of identity counts; joined by `app.ts`. */
export interface AuthMetrics {
  readonly checks: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly denied: Readonly<Record<string, number>>
  readonly capped: number
  readonly keys: number
  readonly rememberedTokens: number
  readonly failing: number
  /** Seconds by issuer. */
  readonly issuers: Readonly<Record<string, number>>
}

export interface JournalReading {
  readonly lines: number
  readonly dropped: number
}

export const NO_JOURNAL: JournalReading = { lines: 0, dropped: 0 }

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
  readonly tlsFailures: number
  readonly http2Sessions: number
  readonly http2Floods: number
}

/** What the listener of the agents shows. */
export interface CertificateReading {
  readonly name: string
  /** Wall clock in ms. */
  readonly notAfter: number
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
  /** Of the event loop since the same reader last asked. */
  readonly loopDelay: { readonly p50: Millis; readonly p99: Millis; readonly max: Millis }
}

/** Why a board did not answer, as its room names it. */
const BOARD_FAULTS = ['unreachable', 'timeout', 'full', 'read-only', 'refused', 'closed']

/** What is known of other replicas, and what it cost. */
export interface BoardMetrics {
  readonly replica: string
  readonly up: boolean
  readonly replicas: number
  readonly commands: number
  readonly bytes: number
  readonly errors: Readonly<Record<string, number>>
  /** By upstream index. */
  readonly topics: readonly { readonly ageMs: Millis; readonly steward: string }[]
}

export interface Metrics {
  readonly contentType: string
  /** The whole page. */
  scrape(): Promise<string>
}

export interface MetricWriter {
  /** The metrics of the table, without those of the process. */
  write(page: MetricPage, reader: LoopReader): void
}

export function createMetrics(
  sources: MetricSources,
  options: { readonly agentCap: number },
): Metrics & MetricWriter {
  const seats = new AgentSeats(options.agentCap)

  /** Pauses wherever calls may be served in between. */
  function* parts(page: MetricPage, reader: LoopReader): Generator<undefined, void> {
    const reading = sources.read()
    // Without a pause: seats compare what they are told with what they were told last.
    const calls = seats.count(sources.agents(options.agentCap), arrivals(reading), reading.at)
    yield
    writeUpstreams(page, reading.upstreams, sources.upstreams)
    yield
    yield* writeIdentities(page, reading, calls)
    yield
    writeGateway(page, sources.gateway())
    writeCertificates(page, sources.certificates?.() ?? [])
    writePolicy(page, sources.policy())
    writeOwn(page, sources.own(reader), sources.version)
    writeOtlp(page, sources.otlp?.() ?? NO_OTLP)
    writeDeferred(page, sources.deferral?.() ?? NO_DEFERRED)
    writeJournal(page, sources.journal?.() ?? NO_JOURNAL)
    writeAuth(page, sources.auth?.())
    writeBoard(page, sources.board?.(), sources.upstreams)
    writeCommons(page, sources.commons?.() ?? NO_COMMONS)
  }

  function write(page: MetricPage, reader: LoopReader): void {
    const writing = parts(page, reader)
    while (writing.next().done !== true);
  }

  return {
    contentType: EXPOSITION_TYPE,
    async scrape() {
      await sources.refresh?.()
      const page = new Exposition()
      for (const _ of parts(page, 'scrape')) await nextTurn()
      return page.text() + (await processMetrics().metrics())
    },
    write,
  }
}

function writeUpstreams(
  page: MetricPage,
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

/** A millisecond's worth of writing. */
const AGENTS_AT_ONCE = 1000

function* writeIdentities(
  page: MetricPage,
  reading: CoreReading,
  calls: ReadonlyMap<string, number>,
): Generator<undefined, void> {
  page.single(METRICS.agentsKnown, reading.agentsKnown)
  page.family(METRICS.agentCalls)
  let written = 0
  for (const [agent, count] of calls) {
    page.value(METRICS.agentCalls, [agent], count)
    written += 1
    if (written % AGENTS_AT_ONCE === 0) yield
  }
  page.single(METRICS.workflowsKnown, reading.workflowsKnown)
}

function writeGateway(page: MetricPage, reading: GatewayReading): void {
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
  page.single(METRICS.tlsFailures, reading.tlsFailures)
  page.single(METRICS.http2Connections, reading.http2Sessions)
  page.single(METRICS.http2Floods, reading.http2Floods)
}

/** Two of one name, as in a change of keys: the one that ends first. */
function writeCertificates(page: MetricPage, readings: readonly CertificateReading[]): void {
  const ends = new Map<string, number>()
  for (const { name, notAfter } of readings) ends.set(name, Math.min(ends.get(name) ?? Infinity, notAfter))
  page.family(METRICS.tlsExpiration)
  for (const [name, notAfter] of ends) page.value(METRICS.tlsExpiration, [name], notAfter / 1000)
}

function writePolicy(page: MetricPage, reading: PolicyReading): void {
  page.single(METRICS.policyReloadFailed, reading.failed ? 1 : 0)
  page.single(METRICS.policyLoaded, reading.loadedAt / 1000)
}

function writeOwn(page: MetricPage, own: OwnReading, version: string): void {
  page.single(METRICS.pressure, own.pressure)
  page.family(METRICS.eventLoopDelay)
  page.value(METRICS.eventLoopDelay, ['0.5'], own.loopDelay.p50 / 1000)
  page.value(METRICS.eventLoopDelay, ['0.99'], own.loopDelay.p99 / 1000)
  page.value(METRICS.eventLoopDelay, ['1'], own.loopDelay.max / 1000)
  page.family(METRICS.buildInfo).value(METRICS.buildInfo, [version], 1)
  page.single(METRICS.ready, own.ready ? 1 : 0)
}

function writeOtlp(page: MetricPage, reading: OtlpReading): void {
  page.family(METRICS.otlpDropped)
  for (const reason of DROP_REASONS) page.value(METRICS.otlpDropped, [reason], reading.dropped[reason])
  page.family(METRICS.otlpFailures)
  for (const signal of OTLP_SIGNALS) page.value(METRICS.otlpFailures, [signal], reading.failed[signal])
}

function writeDeferred(page: MetricPage, reading: DeferredReading): void {
  const { totals, open, accepted, refused, withoutKey, at } = reading
  page.single(METRICS.deferredOpen, open ? 1 : 0)
  page.family(METRICS.deferred)
  for (const state of ['waiting', 'running', 'ended'] as const) {
    page.value(METRICS.deferred, [state], totals[state])
  }
  page.single(METRICS.deferredBytes, totals.bytes)
  page.single(METRICS.deferredOldest, totals.oldestAt === 0 ? 0 : Math.max(0, at - totals.oldestAt) / 1000)
  page.single(METRICS.deferredAccepted, accepted)
  page.family(METRICS.deferredRefused)
  for (const [reason, count] of Object.entries(refused)) page.value(METRICS.deferredRefused, [reason], count)
  page.family(METRICS.deferredEnded)
  for (const [ending, count] of Object.entries(totals.endings)) {
    page.value(METRICS.deferredEnded, [ending], count)
  }
  page.single(METRICS.deferredWithoutKey, withoutKey)
}

function writeJournal(page: MetricPage, reading: JournalReading): void {
  page.single(METRICS.journalLines, reading.lines)
  page.single(METRICS.journalDropped, reading.dropped)
}

function writeAuth(page: MetricPage, reading: AuthMetrics | undefined): void {
  page.family(METRICS.authChecks)
  for (const [shown, results] of Object.entries(reading?.checks ?? {})) {
    for (const [result, count] of Object.entries(results))
      page.value(METRICS.authChecks, [shown, result], count)
  }
  page.family(METRICS.authDenied)
  for (const [what, count] of Object.entries(reading?.denied ?? {})) {
    page.value(METRICS.authDenied, [what], count)
  }
  page.single(METRICS.authCapped, reading?.capped ?? 0)
  page.single(METRICS.authKeys, reading?.keys ?? 0)
  page.single(METRICS.authTokens, reading?.rememberedTokens ?? 0)
  page.single(METRICS.authFailing, reading?.failing ?? 0)
  page.family(METRICS.authIssuerAge)
  for (const [issuer, age] of Object.entries(reading?.issuers ?? {})) {
    page.value(METRICS.authIssuerAge, [issuer], age)
  }
}

function writeBoard(page: MetricPage, reading: BoardMetrics | undefined, names: readonly string[]): void {
  page.single(METRICS.boardUp, reading?.up === true ? 1 : 0)
  page.single(METRICS.boardReplicas, reading?.replicas ?? 1)
  const topics = names.map((name, index) => ({ name, topic: reading?.topics[index] }))
  page.family(METRICS.boardAge)
  for (const { name, topic } of topics)
    page.value(METRICS.boardAge, [name], (topic?.ageMs ?? Infinity) / 1000)
  page.family(METRICS.boardSteward)
  for (const { name, topic } of topics) {
    const isSteward = topic !== undefined && topic.steward === reading?.replica
    page.value(METRICS.boardSteward, [name], isSteward ? 1 : 0)
  }
  page.single(METRICS.boardCommands, reading?.commands ?? 0)
  page.single(METRICS.boardBytes, reading?.bytes ?? 0)
  page.family(METRICS.boardErrors)
  for (const fault of BOARD_FAULTS) page.value(METRICS.boardErrors, [fault], reading?.errors[fault] ?? 0)
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
