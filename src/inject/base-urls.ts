/**
 * The variables that lead an SDK to Weir without a change of code. Which client reads which, and what it puts behind
 * it: wire.md 1 (seen on the wire). The chart's `weir.sidecar.env` says the same; test/inject compares the two.
 */
import type { Named } from './sidecar.ts'

/** How a call says which pod makes it. */
export const IDENTITIES = ['path', 'headers'] as const
export type Identity = (typeof IDENTITIES)[number]

export interface BaseUrlOptions {
  /** Names in `weir.yaml`. */
  readonly upstreams: readonly string[]
  readonly agentsPort: number
  /** path = `/@pod/...`, which works with every client; headers = by the SDKs' own variables, where they have one. */
  readonly identity: Identity
  /** Further variables for clients that are not in the table. */
  readonly variables: readonly BaseUrlVariable[]
}

export interface BaseUrlVariable {
  readonly name: string
  readonly upstream: string
  /** Behind the upstream's name: '' or '/...'. */
  readonly path: string
}

/** The pod's name: replicas are agents of their own, and a storm is many of them. */
const AGENT_VARIABLE = 'WEIR_AGENT'

interface Client {
  /** Variables of base URLs, and the path that is part of them. */
  readonly urls: readonly (readonly [name: string, path: string])[]
  /** A variable of `name: value` lines that the SDK sends as headers. */
  readonly headers?: string
}

const CLIENTS: Readonly<Record<string, Client>> = {
  openai: {
    // The second one: LangChain for Python, crewAI, LiteLLM.
    urls: [
      ['OPENAI_BASE_URL', '/v1'],
      ['OPENAI_API_BASE', '/v1'],
    ],
    headers: 'OPENAI_CUSTOM_HEADERS',
  },
  anthropic: { urls: [['ANTHROPIC_BASE_URL', '']], headers: 'ANTHROPIC_CUSTOM_HEADERS' },
  gemini: { urls: [['GOOGLE_GEMINI_BASE_URL', '']] },
  vertex: { urls: [['GOOGLE_VERTEX_BASE_URL', '']] },
}

/** Upstreams whose clients read a variable that is known here. */
export const KNOWN_UPSTREAMS: readonly string[] = Object.keys(CLIENTS)

/** In the order in which Kubernetes needs them: `$(NAME)` sees only what stands before it. */
export function baseUrlEnv(options: BaseUrlOptions): Named[] {
  const env: Named[] = [{ name: AGENT_VARIABLE, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }]
  for (const upstream of options.upstreams) {
    const client = CLIENTS[upstream]
    if (client === undefined) continue
    const byHeader = options.identity === 'headers' && client.headers !== undefined
    for (const [name, path] of client.urls) {
      env.push({ name, value: urlOf(options.agentsPort, upstream, path, byHeader ? 'headers' : 'path') })
    }
    if (byHeader) env.push({ name: client.headers, value: `weir-agent: $(${AGENT_VARIABLE})` })
  }
  for (const { name, upstream, path } of options.variables) {
    env.push({ name, value: urlOf(options.agentsPort, upstream, path, 'path') })
  }
  return env
}

function urlOf(port: number, upstream: string, path: string, identity: Identity): string {
  const agent = identity === 'path' ? `/@$(${AGENT_VARIABLE})` : ''
  return `http://127.0.0.1:${port}${agent}/${upstream}${path}`
}
