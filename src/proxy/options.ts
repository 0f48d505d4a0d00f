/** What the data path needs to know, resolved and with defaults filled in; `config.ts` makes it. Times in ms. */
import type { Millis } from '../core/model.ts'
import type { AwsSigning } from './sigv4.ts'

/** Whose error bodies an upstream's clients understand. */
export const DIALECTS = ['openai', 'anthropic', 'problem'] as const
export type Dialect = (typeof DIALECTS)[number]

/** Which HTTP/1.1 client carries the calls of an upstream: Weir's own, which does no more than is needed, or undici. */
export const CLIENTS = ['wire', 'undici'] as const

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
  readonly client: (typeof CLIENTS)[number]
  /** PEM text of extra trusted authorities; verification itself cannot be switched off. */
  readonly ca: string | undefined
  /** Calls are signed for AWS here; absent = they are sent as they are. */
  readonly aws?: AwsSigning | undefined
}

export const CLIENT_CERTS = ['none', 'optional', 'required'] as const

/** TLS on the listener; files are absolute paths and are followed while it runs. */
export interface ListenerTls {
  /** PEM pairs: the leaf with its chain, and its key. Chosen by the name that a client asks for, else the first. */
  readonly certificates: readonly { readonly cert: string; readonly key: string }[]
  /** PEM file of the authorities that clients' certificates are verified with. */
  readonly clientCa: string | undefined
  /** `optional`: a client may show none, but none that is not verified. */
  readonly clientCert: (typeof CLIENT_CERTS)[number]
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly handshakeTimeoutMs: Millis
  /** Connections without TLS are taken on the same port. */
  readonly plain: boolean
}

/** HTTP/2 on the listener, by ALPN over TLS and by prior knowledge without. */
export interface ListenerHttp2 {
  /** Streams of one connection at once. */
  readonly streams: number
}

export interface ProxyOptions {
  readonly listen: { readonly host: string; readonly port: number }
  /** Absent = no TLS. */
  readonly tls?: ListenerTls | undefined
  /** Absent = HTTP/1.1 alone. */
  readonly http2?: ListenerHttp2 | undefined
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
