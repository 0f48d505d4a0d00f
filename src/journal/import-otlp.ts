/**
 * OpenTelemetry traces as OTLP JSON (opentelemetry.io/docs/specs/otlp, `ExportTraceServiceRequest`): one document, a
 * list of them, or one per line as the collector's file exporter writes. Client spans of HTTP and of GenAI become
 * calls, by the names of the semantic conventions of today and of before 1.21. Messages, prompts and other
 * attributes are never read.
 */
import { toName, type ImportedCall, type ImportOptions, type ImportResult } from './import-call.ts'
import { ImportError, parseForeign, parseForeignLines, type ForeignValue } from './import-json.ts'
import { attributesOf, type Attributes } from './import-otlp-attributes.ts'

interface Span {
  readonly at: ForeignValue
  readonly id: string
  readonly trace: string
  readonly parent: string
  readonly service: string
  readonly attributes: Attributes
  readonly agent: string
  readonly kind: 'http' | 'genai' | 'other'
}

/** @throws ImportError for what is no OTLP JSON, or a broken one */
export function importOtlp(file: string, text: string, options: ImportOptions): ImportResult {
  const spans = documentsOf(file, text).flatMap((document) => spansOf(document, options))
  const byId = new Map(spans.map((span) => [`${span.trace}/${span.id}`, span]))
  const parentOf = (span: Span): Span | undefined => byId.get(`${span.trace}/${span.parent}`)
  const covered = coveredBy(spans, parentOf)
  const calls: ImportedCall[] = []
  const skipped = new Map<string, number>()
  for (const span of spans) {
    const why =
      span.kind === 'other'
        ? 'spans that are no client call of HTTP or GenAI'
        : covered.has(span)
          ? 'GenAI spans whose HTTP call is here too'
          : ''
    if (why === '') calls.push(callOf(span, parentOf, options))
    else skipped.set(why, (skipped.get(why) ?? 0) + 1)
  }
  return { calls, skipped }
}

function documentsOf(file: string, text: string): ForeignValue[] {
  let documents: ForeignValue[]
  try {
    const whole = parseForeign(file, text)
    documents = Array.isArray(whole.value) ? whole.list() : [whole]
  } catch (error) {
    // One document per line is no JSON as a whole; if its first line is none either, the first error stands.
    if (!(error instanceof ImportError) || !isJson(text.split('\n', 1)[0] ?? '')) throw error
    documents = parseForeignLines(file, text)
  }
  for (const document of documents) {
    if (!document.get('resourceSpans').isThere)
      document.fail('not an OTLP trace document: resourceSpans is missing')
  }
  return documents
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function spansOf(document: ForeignValue, options: ImportOptions): Span[] {
  return document
    .get('resourceSpans')
    .list()
    .flatMap((resourceSpans) => {
      const resource = attributesOf(resourceSpans.get('resource').get('attributes'))
      const service = toName(resource.text('service.name'))
      // Before OTLP 0.15 scopes were called libraries.
      const scopes = [
        ...resourceSpans.get('scopeSpans').list(),
        ...resourceSpans.get('instrumentationLibrarySpans').list(),
      ]
      return scopes.flatMap((scope) => scope.get('spans').list()).map((at) => spanOf(at, service, options))
    })
}

function spanOf(at: ForeignValue, service: string, options: ImportOptions): Span {
  const attributes = attributesOf(at.get('attributes'))
  const header =
    options.agentHeader === '' ? '' : attributes.text(`http.request.header.${options.agentHeader}`)
  const agent =
    toName(header) ||
    toName(attributes.text('gen_ai.agent.name', 'gen_ai.agent.id')) ||
    service ||
    options.agent
  return {
    at,
    id: at.get('spanId').text(),
    trace: at.get('traceId').text(),
    parent: at.get('parentSpanId').textOr(''),
    service,
    attributes,
    agent,
    kind: kindOf(at.get('kind'), attributes),
  }
}

/** SPAN_KIND_CLIENT is 3; GenAI spans of in-process models and SDKs may be INTERNAL (1). */
function kindOf(kind: ForeignValue, attributes: Attributes): Span['kind'] {
  const isClient = kind.value === 3 || kind.value === 'SPAN_KIND_CLIENT'
  if (isClient && attributes.text('http.request.method', 'http.method') !== '') return 'http'
  const isInternal = kind.value === 1 || kind.value === 'SPAN_KIND_INTERNAL'
  const operation = attributes.text('gen_ai.operation.name')
  const provider = attributes.text('gen_ai.provider.name', 'gen_ai.system')
  // Agents and tools have spans too, which call nobody by themselves.
  const isModelCall = operation === '' || MODEL_OPERATIONS.has(operation)
  return (isClient || isInternal) && provider !== '' && isModelCall ? 'genai' : 'other'
}

/** `gen_ai.operation.name` of calls to a model. */
const MODEL_OPERATIONS = new Set(['chat', 'generate_content', 'text_completion', 'embeddings'])

/** GenAI spans with an HTTP call below them: one call, seen twice. */
function coveredBy(spans: readonly Span[], parentOf: (span: Span) => Span | undefined): ReadonlySet<Span> {
  const covered = new Set<Span>()
  for (const span of spans) {
    if (span.kind !== 'http') continue
    const seen = new Set<Span>([span])
    for (let above = parentOf(span); above !== undefined && !seen.has(above); above = parentOf(above)) {
      seen.add(above)
      if (above.kind !== 'genai') continue
      covered.add(above)
      break
    }
  }
  return covered
}

function callOf(
  span: Span,
  parentOf: (span: Span) => Span | undefined,
  options: ImportOptions,
): ImportedCall {
  const { at, attributes } = span
  const startMicros = micros(at.get('startTimeUnixNano'))
  const endMicros = micros(at.get('endTimeUnixNano'))
  if (endMicros < startMicros) at.get('endTimeUnixNano').fail('lies before startTimeUnixNano')
  const endMs = (endMicros - startMicros) / 1000
  const status = statusOf(span)
  const resends = attributes.number('http.request.resend_count', 'http.resend_count')
  return {
    id: span.id,
    startedAt: startMicros / 1000,
    sentMs: 0,
    headMs: status === 0 ? -1 : endMs,
    endMs,
    ...(span.kind === 'http' ? httpTarget(span) : modelTarget(span)),
    agent: span.agent,
    workflow: toName(span.trace),
    parent: parentAgent(span, parentOf, options),
    userAgent: attributes.text('user_agent.original', 'http.user_agent'),
    status,
    isAborted: false,
    isStream: false,
    requestBytes: attributes.number('http.request.body.size', 'http.request_content_length') ?? -1,
    responseBytes: attributes.number('http.response.body.size', 'http.response_content_length') ?? -1,
    attempt: resends === undefined ? 0 : resends + 1,
    retryAfterMs: -1,
  }
}

/** The nearest span above that belongs to somebody else. */
function parentAgent(span: Span, parentOf: (span: Span) => Span | undefined, options: ImportOptions): string {
  const seen = new Set<Span>([span])
  for (let above = parentOf(span); above !== undefined && !seen.has(above); above = parentOf(above)) {
    if (above.agent !== span.agent && above.agent !== options.agent) return above.agent
    seen.add(above)
  }
  return ''
}

type Target = Pick<ImportedCall, 'upstream' | 'method' | 'path' | 'template' | 'target'>

function httpTarget({ at, attributes }: Span): Target {
  const full = attributes.text('url.full', 'http.url')
  const url = URL.canParse(full) ? new URL(full) : undefined
  const host = attributes.text('server.address', 'net.peer.name', 'http.host') || (url?.hostname ?? '')
  if (host === '') at.fail('an HTTP client span names no server: neither server.address nor url.full')
  const port = attributes.number('server.port', 'net.peer.port') ?? Number(url?.port || 0)
  const isUsual = port === 0 || port === 443 || port === 80 || host.includes(':')
  const target =
    url === undefined ? attributes.text('url.path', 'http.target') || '/' : url.pathname + url.search
  return {
    upstream: isUsual ? host : `${host}:${port}`,
    method: attributes.text('http.request.method', 'http.method').toUpperCase(),
    path: target.split('?', 1)[0] ?? '/',
    template: attributes.text('url.template', 'http.route'),
    target,
  }
}

function modelTarget({ attributes }: Span): Target {
  const provider = toName(attributes.text('gen_ai.provider.name', 'gen_ai.system'))
  const path = `/${attributes.text('gen_ai.operation.name') || 'chat'}`
  return {
    upstream: attributes.text('server.address', 'net.peer.name') || provider,
    method: 'POST',
    path,
    template: path,
    target: path,
  }
}

/** 0 = no answer came, as far as the span tells. */
function statusOf({ at, kind, attributes }: Span): number {
  const told = attributes.number('http.response.status_code', 'http.status_code')
  if (told !== undefined) return told
  const error = Number(attributes.text('error.type'))
  if (error >= 100 && error < 600) return error
  const { value } = at.get('status').get('code')
  const isError = value === 2 || value === 'STATUS_CODE_ERROR' || attributes.text('error.type') !== ''
  return isError || kind === 'http' ? 0 : 200
}

const NANOS_PER_MICRO = 1000n

/** Nanoseconds need more than a double holds: they come as text. */
function micros(value: ForeignValue): number {
  const text = String(value.value)
  return /^\d{1,20}$/.test(text)
    ? Number(BigInt(text) / NANOS_PER_MICRO)
    : value.fail('must be a time in nanoseconds')
}
