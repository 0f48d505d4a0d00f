/**
 * Spans of one call: SERVER, as Weir received it, and below it CLIENT, when something was sent upstream. They are made
 * from the finished record at the moment of the export, away from the path of the call; `ReadableSpan` is what the
 * SDK's exporters take, so no tracer, context or live span object is needed.
 */
import type { Attributes, HrTime, SpanKind, SpanStatus } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import type { Millis } from '../../core/model.ts'
import { GEN_AI, HTTP, knownMethod, WEIR } from './attributes.ts'
import type { CallTrace, TracedAttempt } from './call-trace.ts'
import type { OtlpSdk } from './sdk.ts'

export interface Scope {
  readonly name: string
  readonly version: string
}

export type MakeSpans = (trace: CallTrace) => readonly ReadableSpan[]

const NOTHING: never[] = []

export function createSpanMaker(sdk: OtlpSdk, resource: Resource, scope: Scope): MakeSpans {
  const { SpanKind: kinds, TraceFlags } = sdk.api
  const ids = new sdk.traces.RandomIdGenerator()

  function span(trace: CallTrace, made: MadeSpan): ReadableSpan {
    const { traceId } = trace.context
    const context = { traceId, spanId: made.spanId, traceFlags: TraceFlags.SAMPLED }
    const parent = { traceId, spanId: made.parentSpanId, traceFlags: TraceFlags.SAMPLED }
    return {
      name: made.name,
      kind: made.kind,
      spanContext: () => context,
      ...(made.parentSpanId === ''
        ? {}
        : { parentSpanContext: { ...parent, isRemote: made.kind === kinds.SERVER } }),
      startTime: hrTime(made.startAt),
      endTime: hrTime(trace.endAt),
      duration: hrTime(trace.endAt - made.startAt),
      status: made.status,
      attributes: made.attributes,
      links: NOTHING,
      events: NOTHING,
      ended: true,
      resource,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    }
  }

  return (trace) => {
    const { sent, context } = trace
    const method = knownMethod(trace.method)
    const shownMethod = method === '_OTHER' ? 'HTTP' : method
    const spanId = ids.generateSpanId()
    const route = `/${trace.upstream.name}${trace.route}`
    const serverError = errorOfServer(trace)
    const server = span(trace, {
      name: `${shownMethod} ${route}`,
      kind: kinds.SERVER,
      spanId,
      parentSpanId: context.parentSpanId,
      startAt: trace.startAt,
      status: statusOf(sdk, serverError),
      attributes: serverAttributes(trace, method, route, serverError),
    })
    if (sent === undefined) return [server]
    const clientError = errorOfClient(trace, sent)
    const client = span(trace, {
      name: `${shownMethod} ${trace.upstream.basePath}${trace.route}`,
      kind: kinds.CLIENT,
      spanId: ids.generateSpanId(),
      parentSpanId: spanId,
      startAt: sent.startAt,
      status: statusOf(sdk, clientError),
      attributes: clientAttributes(trace, sent, method, clientError),
    })
    return [server, client]
  }
}

interface MadeSpan {
  readonly name: string
  readonly kind: SpanKind
  readonly spanId: string
  readonly parentSpanId: string
  readonly startAt: Millis
  readonly status: SpanStatus
  readonly attributes: Attributes
}

/**
 * `error.type`; '' = no error. HTTP conventions, "Status": for a server 5xx is an error and 4xx is the client's
 * affair; an answer that breaks off is one whatever its status. A client that leaves is nobody's error.
 */
function errorOfServer({ status, outcome, problem }: CallTrace): string {
  if (outcome === 'client-gone') return ''
  if (status >= 400) return status >= 500 ? String(status) : ''
  return outcome === 'upstream-error' ? problem || 'upstream_error' : ''
}

/** The same for a client, to which 4xx are errors too. */
function errorOfClient({ outcome, problem }: CallTrace, { status }: TracedAttempt): string {
  if (status >= 400) return String(status)
  return outcome === 'upstream-error' ? problem || 'upstream_error' : ''
}

function statusOf({ api }: OtlpSdk, error: string): SpanStatus {
  return { code: error === '' ? api.SpanStatusCode.UNSET : api.SpanStatusCode.ERROR }
}

function serverAttributes(trace: CallTrace, method: string, route: string, error: string): Attributes {
  const attributes: Attributes = {
    [HTTP.method]: method,
    [HTTP.route]: route,
    // The conventions ask for the path as sent; a segment of it may be a secret, so it is the route once more.
    [HTTP.path]: route,
    [HTTP.scheme]: 'http',
    [HTTP.protocolVersion]: trace.httpVersion,
    [WEIR.callId]: trace.callId,
    [WEIR.upstream]: trace.upstream.name,
    [WEIR.agent]: trace.agent,
    [WEIR.trust]: trace.trust,
    [WEIR.outcome]: trace.outcome,
    [WEIR.condition]: trace.condition,
  }
  if (trace.status > 0) attributes[HTTP.status] = trace.status
  if (error !== '') attributes[HTTP.errorType] = error
  // Behind an upgrade there are frames, and no body.
  if (!trace.upgrade) {
    attributes[HTTP.requestBytes] = trace.bytesIn
    attributes[HTTP.responseBytes] = trace.bytesOut
  }
  word(attributes, WEIR.workflow, trace.workflow)
  word(attributes, WEIR.verdict, trace.verdict)
  word(attributes, WEIR.reason, trace.reason)
  word(attributes, WEIR.rule, trace.rule)
  word(attributes, WEIR.shadowVerdict, trace.shadowVerdict)
  word(attributes, WEIR.shadowReason, trace.shadowReason)
  word(attributes, WEIR.shadowRule, trace.shadowRule)
  if (trace.heldMs > 0) attributes[WEIR.heldMs] = tenths(trace.heldMs)
  if (trace.attempt > 0) attributes[WEIR.attempt] = trace.attempt
  return attributes
}

/** What is not known is left out. */
function word(attributes: Attributes, name: string, value: string): void {
  if (value !== '') attributes[name] = value
}

function clientAttributes(trace: CallTrace, sent: TracedAttempt, method: string, error: string): Attributes {
  const { upstream, route, genAi } = trace
  const attributes: Attributes = {
    [HTTP.method]: method,
    [HTTP.full]: `${upstream.base}${route}`,
    [HTTP.template]: `${upstream.basePath}${route}`,
    [HTTP.serverAddress]: upstream.host,
    [HTTP.serverPort]: upstream.port,
    // The only version that Weir speaks to upstreams.
    [HTTP.protocolVersion]: '1.1',
    [WEIR.upstream]: upstream.name,
  }
  if (sent.status > 0) attributes[HTTP.status] = sent.status
  if (error !== '') attributes[HTTP.errorType] = error
  if (trace.attempt > 1) attributes[HTTP.resendCount] = trace.attempt - 1
  if (sent.firstByteMs >= 0) attributes[WEIR.firstByteMs] = tenths(sent.firstByteMs)
  if (genAi !== undefined) {
    attributes[GEN_AI.operation] = genAi.operation
    attributes[GEN_AI.provider] = genAi.provider
  }
  return attributes
}

/** Seconds and nanoseconds of ms. */
export function hrTime(ms: Millis): HrTime {
  const whole = Math.max(0, ms)
  const seconds = Math.floor(whole / 1000)
  return [seconds, Math.min(999_999_999, Math.round((whole - seconds * 1000) * 1e6))]
}

function tenths(ms: Millis): Millis {
  return Math.round(ms * 10) / 10
}
