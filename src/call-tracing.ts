/** From a call that ended to the record that becomes its spans: reads `Call`, keeps nothing of it. */
import type { Condition, Millis, Outcome, UpstreamIndex } from './core/model.ts'
import type { Call } from './proxy/call.ts'
import { traceIdIn, spanIdIn } from './proxy/header-values.ts'
import type { UpstreamOptions } from './proxy/options.ts'
import { shownRoute } from './shown-route.ts'
import type {
  CallTrace,
  TraceContext,
  TracedAttempt,
  TracedUpstream,
  TraceParent,
} from './telemetry/otlp/call-trace.ts'
import { genAiOf, providerOf } from './telemetry/otlp/gen-ai.ts'
import type { GenAi } from './telemetry/otlp/gen-ai.ts'
import type { Otlp } from './telemetry/otlp/otlp.ts'

export interface CallTracingDeps {
  readonly otlp: Pick<Otlp, 'sample' | 'trace'>
  readonly upstreams: readonly UpstreamOptions[]
  readonly clock: () => Millis
  readonly wall: () => number
  readonly condition: (upstream: UpstreamIndex) => Condition
  /** The id of a rule for a call that arrived then; '' = none (-1), or one of policies that are no longer in force. */
  readonly ruleId: (rule: number, arrivedAt: number) => string
}

/** Takes every call at its end. Undefined = nothing is traced. */
export function createCallTracing(
  deps: CallTracingDeps,
): ((call: Call, outcome: Outcome) => void) | undefined {
  const { otlp, clock, wall } = deps
  const { sample } = otlp
  if (sample === undefined) return undefined
  const upstreams = deps.upstreams.map((options) => new UpstreamRoutes(options))
  return (call, outcome) => {
    const context = sample(traceParentOf(call.request.rawHeaders))
    if (context === undefined) return
    // One offset for all stamps of a call: its spans nest exactly, whatever the wall clock does meanwhile.
    const offset = wall() - clock()
    otlp.trace(recordOf(call, outcome, context, upstreams[call.upstream.index]!, offset, deps))
  }
}

function recordOf(
  call: Call,
  outcome: Outcome,
  context: TraceContext,
  routes: UpstreamRoutes,
  offset: Millis,
  deps: CallTracingDeps,
): CallTrace {
  const { arrival, verdict } = call
  const startAt = call.arrivedAt + offset
  const { shown, genAi } = routes.of(arrival.method, arrival.route)
  return {
    context,
    startAt,
    endAt: deps.clock() + offset,
    callId: call.id,
    upstream: routes.upstream,
    agent: arrival.agent,
    trust: arrival.trust,
    workflow: arrival.workflow,
    method: arrival.method,
    route: shown,
    genAi,
    httpVersion: call.request.httpVersion,
    status: call.status,
    bytesIn: call.bytesIn,
    bytesOut: call.bytesOut,
    upgrade: call.facts?.upgrade === 'websocket',
    outcome,
    problem: call.problem ?? '',
    verdict: verdict?.do ?? '',
    reason: verdict?.reason ?? '',
    rule: deps.ruleId(verdict?.rule ?? -1, call.arrivedAt),
    shadowVerdict: verdict?.shadow?.do ?? '',
    shadowReason: verdict?.shadow?.reason ?? '',
    shadowRule: deps.ruleId(verdict?.shadow?.rule ?? -1, call.arrivedAt),
    heldMs: call.heldMs,
    attempt: arrival.attempt,
    condition: deps.condition(call.upstream.index),
    sent: attemptOf(call, outcome, offset),
  }
}

/** What ends a call that is on its way, and is none of the upstream's. */
const CLIENT_FAULTS: ReadonlySet<string> = new Set(['bad_request_body', 'request_timeout'])

/** Undefined = the call never went upstream. */
function attemptOf(call: Call, outcome: Outcome, offset: Millis): TracedAttempt | undefined {
  const { arrivedAt, heldSince, heldMs, sentAt, firstByteAt } = call
  const wasTried = outcome === 'upstream-error' && !CLIENT_FAULTS.has(call.problem ?? '')
  if (call.exchange === undefined || (sentAt === 0 && !wasTried)) return undefined
  // Not even a connection: the attempt began when the wait for one did.
  const startAt = sentAt > 0 ? sentAt : heldSince > 0 ? heldSince + heldMs : arrivedAt
  // A failed handshake leaves the status of Weir's own answer behind.
  const isOwnStatus = outcome === 'upstream-error' && call.facts?.upgrade === 'websocket'
  const hasHead = firstByteAt > 0 && !isOwnStatus
  return {
    startAt: startAt + offset,
    status: hasHead ? call.status : 0,
    firstByteMs: hasHead && sentAt > 0 ? firstByteAt - sentAt : -1,
  }
}

interface SeenRoute {
  readonly shown: string
  readonly genAi: GenAi | undefined
}

/** Beyond what the templates of an upstream can be (`proxy/path-template.ts`), times a few methods. */
const REMEMBERED_ROUTES = 1024

/** What can be said of an upstream and its routes once and for all. */
class UpstreamRoutes {
  readonly upstream: TracedUpstream
  readonly #provider: string
  readonly #seen = new Map<string, SeenRoute>()

  constructor({ name, url, dialect }: UpstreamOptions) {
    const basePath = url.pathname.replace(/\/+$/, '')
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
    this.upstream = { name, host: url.hostname, port, base: url.origin + basePath, basePath }
    this.#provider = providerOf(url.hostname, dialect)
  }

  of(method: string, route: string): SeenRoute {
    const key = `${method} ${route}`
    const known = this.#seen.get(key)
    if (known !== undefined) return known
    const shown = shownRoute(route)
    // An upstream of `https://api.openai.com/v1` is called without the version.
    const seen = { shown, genAi: genAiOf(method, this.upstream.basePath + shown, this.#provider) }
    if (this.#seen.size < REMEMBERED_ROUTES) this.#seen.set(key, seen)
    return seen
  }
}

const TRACEPARENT = 'traceparent'
/** W3C Trace Context 3.2.2.5: of the flags, the last bit is "sampled". */
const FLAGS_FROM = 53
const SAMPLED = 1

/** The caller's span, by the first `traceparent`; undefined = none, or none that is well formed. */
export function traceParentOf(rawHeaders: readonly string[]): TraceParent | undefined {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length !== TRACEPARENT.length || name.toLowerCase() !== TRACEPARENT) continue
    const value = rawHeaders[index + 1]!
    const traceId = traceIdIn(value)
    if (traceId === '') return undefined
    const flags = Number.parseInt(value.slice(FLAGS_FROM, FLAGS_FROM + 2), 16)
    return { traceId, spanId: spanIdIn(value), sampled: (flags & SAMPLED) === SAMPLED }
  }
  return undefined
}
