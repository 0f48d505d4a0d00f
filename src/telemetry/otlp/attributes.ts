/**
 * Names on spans. Those of OpenTelemetry are from its semantic conventions 1.45: HTTP spans, URL, server, network and
 * error attributes (stable; `url.template` and the two body sizes: development), and from the GenAI conventions
 * (open-telemetry/semantic-conventions-genai, development). Those of Weir say why a call was decided as it was, in
 * the words of the response headers, the log and the metrics.
 */
export const HTTP = {
  method: 'http.request.method',
  resendCount: 'http.request.resend_count',
  requestBytes: 'http.request.body.size',
  responseBytes: 'http.response.body.size',
  status: 'http.response.status_code',
  route: 'http.route',
  path: 'url.path',
  scheme: 'url.scheme',
  full: 'url.full',
  template: 'url.template',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  protocolVersion: 'network.protocol.version',
  errorType: 'error.type',
} as const

export const GEN_AI = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
} as const

export const WEIR = {
  callId: 'weir.call.id',
  upstream: 'weir.upstream',
  agent: 'weir.agent',
  trust: 'weir.agent.trust',
  workflow: 'weir.workflow',
  verdict: 'weir.verdict',
  reason: 'weir.reason',
  rule: 'weir.rule',
  shadowVerdict: 'weir.shadow.verdict',
  shadowReason: 'weir.shadow.reason',
  shadowRule: 'weir.shadow.rule',
  outcome: 'weir.outcome',
  heldMs: 'weir.held_ms',
  attempt: 'weir.attempt',
  condition: 'weir.condition',
  firstByteMs: 'weir.first_byte_ms',
} as const

/** The methods that the conventions know (RFC 9110, RFC 5789, and the draft of QUERY); every other one is `_OTHER`. */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
])

export function knownMethod(method: string): string {
  return KNOWN_METHODS.has(method) ? method : '_OTHER'
}
