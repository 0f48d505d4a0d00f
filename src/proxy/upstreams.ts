/** One configured upstream: where its calls go, over which connections, and how many are there now. */
import { type buildConnector, Pool } from 'undici'
import type { Millis, UpstreamIndex } from '../core/model.ts'
import type { UpstreamOptions } from './options.ts'
import { isAws } from './sign-call.ts'
import type { UpstreamClient } from './upstream-client.ts'
import { createConnect, streamConnector } from './wire/connect.ts'
import { HEAD_BYTES } from './wire/wire-connection.ts'
import { WirePool } from './wire/wire-pool.ts'

/** Idle time of an upstream connection: undici's own default, below what servers keep (promises.md row 8). */
const KEEP_ALIVE_MS: Millis = 4000

export class Upstream {
  readonly index: UpstreamIndex
  readonly name: string
  readonly options: UpstreamOptions
  /** `''`, or `/v1` without the final slash. */
  readonly basePath: string
  readonly client: UpstreamClient
  /** A call that is signed for another host is refused there. */
  readonly breaksSignatures: boolean
  /** Calls at the upstream now, waiting for a connection included. */
  inFlight = 0
  /** Connections upgraded now. */
  upgraded = 0

  constructor(index: UpstreamIndex, options: UpstreamOptions) {
    this.index = index
    this.name = options.name
    this.options = options
    this.breaksSignatures = options.aws === undefined && isAws(options.url.hostname)
    this.basePath = options.url.pathname.replace(/\/+$/, '')
    this.client = options.client === 'undici' ? undiciClient(options) : wireClient(options)
  }

  /** At once; what is in flight fails. */
  async destroy(): Promise<void> {
    await this.client.destroy()
  }
}

function wireClient(options: UpstreamOptions): UpstreamClient {
  return new WirePool({
    origin: options.url,
    connections: options.connections,
    keepAliveMs: KEEP_ALIVE_MS,
    connect: createConnect({ origin: options.url, timeoutMs: options.connectTimeoutMs, ca: options.ca }),
    clock: () => performance.now(),
  })
}

function undiciClient(options: UpstreamOptions): UpstreamClient {
  const pool = new Pool(options.url.origin, {
    connections: options.connections,
    pipelining: 1,
    // An upgrade, a rejected upload and a reset each cost one connection: HTTP/1.1 only.
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: HEAD_BYTES,
    // Silence is watched by the sweep, waiting for a connection included.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: connectorOf(options),
  })
  return {
    dispatch({ method, path, headers, body, isUpgrade }, handler) {
      pool.dispatch({ method, path, headers, body, ...(isUpgrade ? { upgrade: 'websocket' } : {}) }, handler)
      return undefined
    },
    destroy: () => pool.destroy(),
  }
}

function connectorOf(options: UpstreamOptions): buildConnector.connector {
  const connect = streamConnector({ timeoutMs: options.connectTimeoutMs, ca: options.ca })
  return (target, done) => {
    connect(target, (...result) => {
      result[1]?.on('error', renameReset)
      done(...result)
    })
  }
}

/**
 * undici takes a reset for the regular end of an answer that ends with its connection. Half an answer would look
 * whole (RFC 9112 8); under another code it stays the error that it is.
 */
function renameReset(error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = 'UND_ERR_SOCKET'
}

export function createUpstreams(options: readonly UpstreamOptions[]): readonly Upstream[] {
  return options.map((upstream, index) => new Upstream(index, upstream))
}
