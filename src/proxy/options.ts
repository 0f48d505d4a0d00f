/** What the data path needs to know, resolved and with defaults filled in; `config.ts` makes it. Times in ms. */
import type { Millis } from '../core/model.ts'

/** Whose error bodies an upstream's clients understand. */
export const DIALECTS = ['openai', 'anthropic', 'problem'] as const
export type Dialect = (typeof DIALECTS)[number]

export interface UpstreamOptions {
  readonly name: string
  /** Origin and optional base path; never changed by anything that a client sends. */
  readonly url: URL
  readonly dialect: Dialect
  readonly connectTimeoutMs: Millis
  /** Silence allowed before the response head; -> 504. */
  readonly firstByteTimeoutMs: Millis
  /** Silence allowed between two chunks of a response body. */
  readonly idleTimeoutMs: Millis
  readonly connections: number
  readonly maxInFlight: number
  readonly websocket: boolean
  /** PEM text of extra trusted authorities; verification itself cannot be switched off. */
  readonly ca: string | undefined
}

export interface ProxyOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly upstreams: readonly UpstreamOptions[]
  readonly identity: {
    /** Key of the keyed hash (HMAC) that stands for API keys; random per process unless configured. */
    readonly hashKey: Buffer
    /** Header that names the agent besides the known ones; lower case. */
    readonly agentHeader: string
  }
  readonly limits: {
    readonly headerBytes: number
    readonly headerCount: number
    readonly urlBytes: number
    readonly connections: number
    readonly headTimeoutMs: Millis
    /** Silence allowed between two reads of a request body. */
    readonly bodyIdleMs: Millis
    /** A client that does not read its answer. */
    readonly slowReaderMs: Millis
    readonly keepAliveMs: Millis
    readonly upgrades: number
    readonly upgradeIdleMs: Millis
  }
  readonly hold: {
    readonly bodyBytes: number
    readonly totalBytes: number
    /** Length of one hop of the 307 chain. */
    readonly hopMs: Millis
  }
  /** All calls have ended by then after SIGTERM; what has not is cut. */
  readonly drainMs: Millis
  /** Between readiness going false and the listener closing. */
  readonly drainDelayMs: Millis
}
