/**
 * The one table of the request headers that Weir reads: what each is read as, and for names of agents and
 * workflows how early it counts. To add a header source, add a row; a new `reads` also needs a case in
 * `header-scan.ts`. Sources: wire.md 2, 9 (seen on the wire), peers.md 4, 5 (read in the named projects).
 *
 * Everything here is a claim of the client: good for coordination, never for authorisation. What a client proves is
 * read before, in `identity/shown-credential.ts`.
 */
import type { Trust } from '../core/model.ts'

/** Where the agent's name may come from; the first that is well formed counts. */
export const AGENT_SOURCES = [
  'verified', // a credential that was checked: see `identity/gate.ts`
  'base-url', // `/@agent/...`
  'weir-agent',
  'configured', // `identity.agentHeader`
  'harness-agent', // an agent harness names the agent itself
  'harness-session', // it names only the session, which then is its main agent
  'baggage',
  'project',
  'key', // keyed hash of an API key
  'mcp-session',
  'peer', // keyed hash of address, user agent and SDK: a class of processes
] as const
export type AgentSource = (typeof AGENT_SOURCES)[number]

export const TRUST_OF: Readonly<Record<AgentSource, Trust>> = {
  verified: 'verified',
  'base-url': 'claimed',
  'weir-agent': 'claimed',
  configured: 'claimed',
  'harness-agent': 'claimed',
  'harness-session': 'claimed',
  baggage: 'claimed',
  project: 'claimed',
  key: 'derived',
  'mcp-session': 'derived',
  peer: 'derived',
}

export type Reads =
  | 'nothing' // common and of no use: listed so that it costs one look-up
  | 'agent'
  | 'workflow'
  | 'session' // of a harness: workflow, and agent when nothing better is said
  | 'gateway-session' // workflow only
  | 'parent'
  | 'parent-session' // also the workflow that its children share
  | 'project'
  | 'authorization'
  | 'key'
  | 'protocols'
  | 'mcp-session'
  | 'mcp'
  | 'mcp-method'
  | 'traceparent'
  | 'baggage'
  | 'priority'
  | 'prefer'
  | 'retry-count'
  | 'attempt-count'
  | 'amz-request'
  | 'once'
  | 'once-weak'
  | 'timeout-s'
  | 'timeout-ms'
  | 'timeout-grpc'
  | 'length'
  | 'chunked'
  | 'type'
  | 'body-hash'
  | 'accept'
  | 'accept-language'
  | 'user-agent'
  | 'sdk-lang'
  | 'sdk-version'
  | 'sdk-runtime'
  | 'anthropic'
  | 'browser-access'
  | 'expect'
  | 'upgrade'
  | 'te'
  | 'range'
  | 'last-event-id'

export interface KnownHeader {
  /** Lower case. */
  readonly name: string
  readonly reads: Reads
  /** For `agent`: its place in `AGENT_SOURCES`. */
  readonly source?: AgentSource
  /** The session of the same request is the parent when no parent is named. */
  readonly underSession?: true
  /** Spellings seen on the wire besides lower case and Title-Case. */
  readonly spelled?: readonly string[]
}

const row = (name: string, reads: Reads): KnownHeader => ({ name, reads })

export const KNOWN_HEADERS: readonly KnownHeader[] = [
  // Weir's own; never forwarded.
  { name: 'weir-agent', reads: 'agent', source: 'weir-agent' },
  row('weir-workflow', 'workflow'),
  row('x-workflow-id', 'workflow'),
  row('weir-priority', 'priority'),
  row('weir-key', 'nothing'), // checked before: see `identity/shown-credential.ts`
  row('weir-parent', 'parent'),
  row('weir-once', 'once'),
  row('weir-attempt', 'attempt-count'),
  row('prefer', 'prefer'), // RFC 7240

  // Agent harnesses and gateways, peers.md 4.
  { name: 'x-claude-code-agent-id', reads: 'agent', source: 'harness-agent', underSession: true },
  row('x-claude-code-session-id', 'session'),
  row('x-claude-code-parent-agent-id', 'parent'),
  { name: 'thread-id', reads: 'agent', source: 'harness-agent' }, // Codex
  row('session-id', 'session'), // Codex
  row('session_id', 'session'), // Codex
  row('x-codex-parent-thread-id', 'parent'),
  row('x-session-id', 'session'), // OpenCode
  row('x-session-affinity', 'gateway-session'), // OpenCode
  row('x-parent-session-id', 'parent-session'), // OpenCode
  row('x-deepseek-harness-session-id', 'session'),
  row('x-deepseek-harness-parent-session-id', 'parent-session'),
  row('x-dynamo-session-id', 'session'),
  row('x-dynamo-parent-session-id', 'parent-session'),
  row('x-hermes-session-id', 'session'),
  { name: 'x-litellm-agent-id', reads: 'agent', source: 'harness-agent' },
  row('x-litellm-session-id', 'gateway-session'),
  row('x-litellm-trace-id', 'gateway-session'),
  row('agent-session-id', 'gateway-session'), // Envoy AI Gateway
  row('helicone-session-id', 'gateway-session'),
  { name: 'x-llm-d-inference-fairness-id', reads: 'agent', source: 'harness-agent' },

  // Trace context.
  row('traceparent', 'traceparent'), // W3C Trace Context
  row('baggage', 'baggage'), // W3C Baggage

  // Credentials of the upstream, read only through a keyed hash.
  { name: 'openai-project', reads: 'project', spelled: ['OpenAI-Project'] },
  row('authorization', 'authorization'),
  row('x-api-key', 'key'), // anthropic 0.x
  row('x-goog-api-key', 'key'),
  row('api-key', 'key'), // Azure
  { name: 'sec-websocket-protocol', reads: 'protocols', spelled: ['Sec-WebSocket-Protocol'] },

  // MCP, peers.md 5.
  { name: 'mcp-session-id', reads: 'mcp-session', spelled: ['MCP-Session-Id'] },
  { name: 'mcp-protocol-version', reads: 'mcp', spelled: ['MCP-Protocol-Version'] },
  row('mcp-method', 'mcp-method'), // SEP-2243
  row('mcp-name', 'mcp'),

  // Number of the attempt, wire.md 8.1.
  row('x-stainless-retry-count', 'retry-count'), // tries before this one; 0 proves nothing (LangChain)
  row('grpc-previous-rpc-attempts', 'retry-count'), // gRPC A6
  row('x-envoy-attempt-count', 'attempt-count'),
  row('amz-sdk-request', 'amz-request'),

  // The same on every attempt of one logical call.
  row('amz-sdk-invocation-id', 'once'),
  row('idempotency-key', 'once'),
  row('x-idempotency-key', 'once'),
  row('x-request-id', 'once-weak'), // some pass on the id of a whole workflow
  row('x-client-request-id', 'once-weak'),
  row('x-ms-client-request-id', 'once-weak'),

  // How long the client waits.
  row('x-stainless-timeout', 'timeout-s'),
  row('x-stainless-read-timeout', 'timeout-s'), // may be the text NOT_GIVEN
  row('x-server-timeout', 'timeout-s'), // genai
  row('x-envoy-expected-rq-timeout-ms', 'timeout-ms'),
  row('grpc-timeout', 'timeout-grpc'),

  // What the call looks like.
  row('content-length', 'length'),
  row('transfer-encoding', 'chunked'),
  row('content-type', 'type'),
  row('x-amz-content-sha256', 'body-hash'),
  row('accept', 'accept'),
  row('accept-language', 'accept-language'),
  row('user-agent', 'user-agent'),
  row('x-stainless-lang', 'sdk-lang'),
  row('x-stainless-package-version', 'sdk-version'),
  row('x-stainless-runtime', 'sdk-runtime'),
  row('anthropic-version', 'anthropic'),
  row('anthropic-dangerous-direct-browser-access', 'browser-access'),
  row('expect', 'expect'),
  row('upgrade', 'upgrade'),
  { name: 'te', reads: 'te', spelled: ['TE'] },
  row('range', 'range'),
  row('last-event-id', 'last-event-id'),

  // Sent by most clients.
  row('host', 'nothing'),
  row('connection', 'nothing'),
  row('accept-encoding', 'nothing'),
  row('cache-control', 'nothing'),
  row('cookie', 'nothing'),
  row('tracestate', 'nothing'),
  row('via', 'nothing'),
  row('x-forwarded-for', 'nothing'),
  row('x-app', 'nothing'),
  row('sec-fetch-mode', 'nothing'),
  { name: 'openai-organization', reads: 'nothing', spelled: ['OpenAI-Organization'] },
  { name: 'openai-beta', reads: 'nothing', spelled: ['OpenAI-Beta'] },
  row('anthropic-beta', 'nothing'),
  row('x-goog-api-client', 'nothing'),
  { name: 'x-stainless-os', reads: 'nothing', spelled: ['X-Stainless-OS'] },
  row('x-stainless-arch', 'nothing'),
  row('x-stainless-runtime-version', 'nothing'),
  row('x-stainless-async', 'nothing'),
  row('x-stainless-helper-method', 'nothing'),
  row('x-amz-date', 'nothing'),
]

const UNKNOWN: KnownHeader = { name: '', reads: 'nothing' }
/** Spellings learnt from traffic; beyond these an odd spelling costs a lower-casing each time. */
const LEARNT_SPELLINGS = 256
const LONGEST_LEARNT = 64

/** Finds the row of a header name in whatever spelling: the exact one first, then lower case. */
export class HeaderTable {
  readonly #bySpelling = new Map<string, KnownHeader>()
  #left = LEARNT_SPELLINGS

  /** @param agentHeader the configured header that names the agent, lower case; '' = none */
  constructor(agentHeader: string) {
    for (const known of KNOWN_HEADERS) this.#add(known)
    if (agentHeader !== '' && agentHeader !== 'weir-agent') {
      this.#add({ name: agentHeader, reads: 'agent', source: 'configured' })
    }
  }

  #add(known: KnownHeader): void {
    for (const name of [known.name, titleCase(known.name), ...(known.spelled ?? [])]) {
      this.#bySpelling.set(name, known)
    }
  }

  find(name: string): KnownHeader {
    const exact = this.#bySpelling.get(name)
    if (exact !== undefined) return exact
    const known = this.#bySpelling.get(name.toLowerCase()) ?? UNKNOWN
    if (this.#left > 0 && name.length <= LONGEST_LEARNT) {
      this.#left -= 1
      this.#bySpelling.set(name, known)
    }
    return known
  }
}

function titleCase(name: string): string {
  return name
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('-')
}

/** Weir's own words, with the `_` twins that some servers fold into them (promises.md 30, 55). */
const OWN_NAMES = ['weir-agent', 'weir-workflow', 'weir-priority'] as const

/**
 * Names, lower case, that the forwarder takes away besides everything that begins with `weir-` or `weir_`: the
 * configured agent header is ours too.
 *
 * @param isGated callers are checked
 */
export function strippedNames(agentHeader: string, isGated = false): ReadonlySet<string> {
  const names: string[] = agentHeader === '' ? [...OWN_NAMES] : [...OWN_NAMES, agentHeader]
  // What a proxy before Weir says of its client is for Weir; from anybody else it is a lie.
  if (isGated) names.push('x-forwarded-client-cert')
  return new Set(names.flatMap((name) => [name, name.replaceAll('-', '_')]))
}
