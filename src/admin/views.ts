/**
 * What the operator's API shows: readings with names instead of numbers, and the config by an allow-list of its
 * fields. Keys, certificates, credentials in URLs and anything that a later version adds stay out unless they are
 * named here. Times are in ms; a figure that does not exist (no limit, no trend) is null.
 */
import type { CoreEvent, EventName, Millis, Mode } from '../core/model.ts'
import type { AgentReading, CoreReading, UpstreamReading, WorkflowReading } from '../core/reading.ts'
import type { RuleNote } from '../policy/compile.ts'
import type { ProxyOptions, UpstreamOptions } from '../proxy/options.ts'
import { NO_HITS, type RuleHits } from './rule-hits.ts'

/** What the core announces, and what becomes of the policies. */
export type OperatorEventName =
  | EventName
  | 'rule-mode-changed'
  | 'policies-loaded'
  | 'policies-refused'
  | 'callers-refused'

export interface EventView {
  readonly name: OperatorEventName
  /** RFC 3339. */
  readonly time: string
  readonly upstream: string
  readonly agent?: string
  readonly workflow?: string
  readonly from?: string
  readonly to?: string
  readonly readings: Readonly<Record<string, number | null>>
  /** The same in a sentence, with the figures that decided. */
  readonly text?: string
  /** Rules that act in this condition, in order. */
  readonly rules?: readonly { readonly id: string; readonly mode: Mode }[]
}

/** `wallNow` and `now` are one instant on the wall and on the monotonic clock. */
export function eventView(
  event: CoreEvent,
  names: readonly string[],
  wallNow: number,
  now: Millis,
): EventView {
  const { name, at, upstream, agent, workflow, from, to, readings } = event
  return {
    name,
    time: new Date(wallNow - (now - at)).toISOString(),
    upstream: names[upstream] ?? '',
    ...(agent === undefined ? {} : { agent }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    readings: Object.fromEntries(Object.entries(readings).map(([key, value]) => [key, finite(value)])),
  }
}

export function upstreamsView(reading: CoreReading, upstreams: readonly UpstreamOptions[]): object {
  return {
    open: reading.open,
    upstreams: reading.upstreams.map((row) => upstreamView(row, reading.at, upstreams)),
  }
}

function upstreamView(row: UpstreamReading, now: Millis, upstreams: readonly UpstreamOptions[]): object {
  const options = upstreams[row.upstream]
  return {
    name: options?.name ?? String(row.upstream),
    url: options === undefined ? '' : shownUrl(options.url),
    dialect: options?.dialect ?? 'problem',
    condition: row.condition,
    conditionForMs: Math.max(0, now - row.since),
    inFlight: row.inFlight,
    held: row.held,
    heldBytes: row.heldBytes,
    limit: finite(row.limit),
    rampRate: finite(row.rampRate),
    latency: row.latency,
    baseline: row.baseline,
    slowdown: finite(row.slowdown),
    drift: { slow: finite(row.driftSlow), fast: finite(row.driftFast), errors: finite(row.driftErrors) },
    errorRatio: row.errorShare,
    retryRatio: row.retryShare,
    retryingAgents: row.retryingAgents,
    activeAgents: row.activeAgents,
    synchrony: finite(row.synchrony),
    branching: finite(row.branching),
    etaMs: finite(row.etaMs),
    retryTokens: finite(row.retryTokens),
    amplification: finite(row.amplification),
    arrivals: row.arrivals,
    attempts: row.attempts,
    retries: row.retries,
    outcomes: row.outcomes,
    settlements: row.settlements,
    verdicts: row.verdicts,
  }
}

export function agentsView(known: number, agents: readonly AgentReading[], now: Millis): object {
  return {
    known,
    agents: agents.map(({ lastSeen, ...row }) => ({ ...row, idleMs: Math.max(0, now - lastSeen) })),
  }
}

export function workflowsView(known: number, workflows: readonly WorkflowReading[], now: Millis): object {
  const rows = workflows.map(({ firstSeen, lastSeen, ...row }) => ({
    ...row,
    ageMs: Math.max(0, now - firstSeen),
    idleMs: Math.max(0, now - lastSeen),
  }))
  return { known, workflows: rows }
}

/** Where the policy in force came from, and what became of the last attempt to replace it. */
export interface PolicyStatus {
  readonly files: readonly string[]
  /** The rules in the order of evaluation. */
  readonly notes: readonly RuleNote[]
  /** Wall clock in ms. */
  readonly loadedAt: number
  /** Sentences with file, line and column; empty = the files on disk are in force. */
  readonly problems: readonly string[]
  /** Modes by rule that the operator chose in place of the files', until the next reload. */
  readonly overrides?: ReadonlyMap<string, Mode>
}

/** @param hits by the rule's index */
export function policiesView(
  status: PolicyStatus,
  hits: (index: number) => RuleHits = () => NO_HITS,
): object {
  return {
    loadedAt: new Date(status.loadedAt).toISOString(),
    files: status.files,
    reloadFailed: status.problems.length > 0,
    problems: status.problems,
    rules: status.notes.map((note, index) => ruleView(note, status.overrides?.get(note.id), hits(index))),
  }
}

/** As written in its file, but for the mode in force; `action` is the rule's `then`. */
function ruleView(
  { id, place, description, rule }: RuleNote,
  override: Mode | undefined,
  hits: RuleHits,
): object {
  const fileMode = rule.mode ?? 'shadow'
  return {
    id,
    place: `${place.file}:${place.line}`,
    description,
    mode: override ?? fileMode,
    fileMode,
    override: override !== undefined,
    hits,
    match: rule.match ?? {},
    when: rule.when ?? {},
    action: rule.then,
  }
}

/** The part of the config that may be shown; `config.ts` makes one that fits. */
export interface ShownConfig {
  readonly proxy: ProxyOptions
  readonly operator: {
    readonly listen: { readonly host: string; readonly port: number }
    readonly control?: boolean
  }
  readonly policies: readonly string[]
  readonly log: { readonly level: string; readonly access: boolean }
  readonly metrics: { readonly agentCap: number }
  readonly tables: { readonly agents: number; readonly workflows: number }
  readonly identity?: ShownIdentity | undefined
  readonly otlp?: ShownOtlp | undefined
  readonly journal?: { readonly hashIds: boolean; readonly paths: boolean } | undefined
  readonly deferral?: { readonly store: { readonly kind: string } } | undefined
  readonly commons?: { readonly store: { readonly kind: string }; readonly limits: object } | undefined
  readonly admission?: object | undefined
  readonly board?: object | undefined
  readonly workers?: number
}

interface ShownOtlp {
  readonly endpoint: URL
  readonly traces: boolean
  readonly metrics: boolean
  readonly sampleRatio: number
  readonly intervalMs: number
}

/** Who may call; no name of a key, no value of a credential. */
interface ShownIdentity {
  readonly auth:
    | {
        readonly mode: string
        readonly keys: string | undefined
        readonly issuers: readonly { readonly options: { readonly issuer: string } }[]
        readonly certificates: { readonly trustDomains: readonly string[] } | undefined
        readonly permissions: { readonly unlisted: string; readonly grants: readonly object[] }
      }
    | undefined
  readonly credentials: Readonly<Record<string, object>>
}

function authView(identity: ShownIdentity | undefined): object {
  const { auth, credentials = {} } = identity ?? {}
  const credentialsFor = Object.keys(credentials)
  if (auth === undefined) return { mode: 'none', credentialsFor }
  const { mode, keys, issuers, certificates, permissions } = auth
  return {
    mode,
    keys: keys !== undefined,
    issuers: issuers.map(({ options }) => options.issuer),
    trustDomains: certificates?.trustDomains ?? [],
    unlisted: permissions.unlisted,
    grants: permissions.grants,
    credentialsFor,
  }
}

export function configView(config: ShownConfig): object {
  const { proxy, operator, log, metrics, tables, identity } = config
  return {
    listen: address(proxy.listen),
    operator: { listen: address(operator.listen), control: operator.control === true },
    upstreams: proxy.upstreams.map((upstream) => ({
      name: upstream.name,
      url: shownUrl(upstream.url),
      dialect: upstream.dialect,
      connectTimeoutMs: upstream.connectTimeoutMs,
      firstByteTimeoutMs: upstream.firstByteTimeoutMs,
      idleTimeoutMs: upstream.idleTimeoutMs,
      connections: upstream.connections,
      maxInFlight: upstream.maxInFlight,
      websocket: upstream.websocket,
      ownAuthority: upstream.ca !== undefined,
    })),
    identity: { agentHeader: proxy.identity.agentHeader },
    auth: authView(identity),
    limits: numbers(proxy.limits),
    hold: numbers(proxy.hold),
    drainMs: proxy.drainMs,
    drainDelayMs: proxy.drainDelayMs,
    policies: config.policies,
    log: { level: log.level, access: log.access },
    metrics: { agentCap: metrics.agentCap },
    tables: { agents: tables.agents, workflows: tables.workflows },
    workers: config.workers ?? 1,
    tls: proxy.tls === undefined ? null : { plain: proxy.tls.plain },
    ...joinedView(config),
  }
}

/** What is joined to the proxy, null where it is not: neither addresses of stores nor keys, which may hold secrets. */
function joinedView({ otlp, journal, board, deferral, commons, admission }: ShownConfig): object {
  return {
    otlp: otlp === undefined ? null : otlpView(otlp),
    journal:
      journal === undefined ? null : { hashIds: journal.hashIds, paths: journal.paths, ...numbers(journal) },
    board: board === undefined ? null : { kind: 'redis' },
    deferral: deferral === undefined ? null : { store: deferral.store.kind, ...numbers(deferral) },
    commons: commons === undefined ? null : { store: commons.store.kind, ...numbers(commons.limits) },
    admission: admission === undefined ? null : numbers(admission),
  }
}

function otlpView({ endpoint, traces, metrics, sampleRatio, intervalMs }: ShownOtlp): object {
  return { endpoint: shownUrl(endpoint), traces, metrics, sampleRatio, intervalMs }
}

function address({ host, port }: { readonly host: string; readonly port: number }): object {
  return { host, port }
}

/** Only figures: a secret that moves into such a record one day is text, and stays out. */
function numbers(record: object): Record<string, number> {
  const shown: Record<string, number> = {}
  for (const [key, value] of Object.entries(record)) if (typeof value === 'number') shown[key] = value
  return shown
}

/** Without user, password, query and fragment, where credentials live. */
function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname === '/' ? '' : url.pathname}`
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
