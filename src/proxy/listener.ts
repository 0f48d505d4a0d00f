/**
 * The HTTP/1.1 server, behind `protocol-front.ts` where more is spoken: its limits, the errors that Node finds before there is a request, and an orderly end. What
 * it hands on is one request at a time per connection.
 */
import type { ServerResponse } from 'node:http'
import { createServer, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Millis } from '../core/model.ts'
import type { Carrier } from './call.ts'
import type { ProxyOptions } from './options.ts'
import { createProtocolFront, type ProtocolFrontRoom } from './protocol-front.ts'
import type { ProxyStats } from './proxy-stats.ts'
import type { Responder } from './respond.ts'
import type { CertificateReading } from './tls-keeper.ts'

/** How often Node looks for slow heads; its default of 30 s would make a limit of 10 s one of 40 (fact 7). */
const CHECK_EVERY_MS: Millis = 1000
/** How often connections that became idle are closed while draining. */
const CLOSE_IDLE_EVERY_MS: Millis = 50
/** From this part of the connections on, answers close theirs: room for those who come (Envoy `disable_http_keepalive`). */
const CROWDED = 0.9
/** Requests that may wait behind one on the same connection; no client of an API pipelines that deep. */
const PIPELINE_DEPTH = 64

export interface ListenerEvents {
  request(request: IncomingMessage, response: ServerResponse): void
  /** Only requests for which `acceptsUpgrade` said yes. Errors of the socket are already listened to. */
  upgrade(request: IncomingMessage, socket: Socket): void
  /** Whether this request may leave HTTP; otherwise its Upgrade header is as if it were not there. */
  acceptsUpgrade(request: IncomingMessage): boolean
}

export interface Listener {
  /** @throws the error of `listen`, such as EADDRINUSE */
  listen(): Promise<{ host: string; port: number }>
  readonly address: { host: string; port: number } | undefined
  /** Takes a stream for the connection of a client. */
  inject(socket: Duplex): void
  /** TLS certificates in force; none without TLS. */
  readonly certificates: readonly CertificateReading[]
  /** Reads the certificates now; false = refused, and the last good ones stay. */
  reload(): boolean
  /** Every answer from now on closes its connection. */
  lastAnswers(): void
  /** Accepts nothing more, closes idle connections as they become idle; resolves when none is left. */
  stop(): Promise<void>
  /** Cuts every connection; resolves when all are closed. */
  destroy(): Promise<void>
}

/** What a connection carries now. */
interface Line {
  /** The newest response; the requests behind it wait for its end. */
  response: ServerResponse | undefined
  waiting: number
  carrier: Carrier | undefined
}

const lines = new WeakMap<Duplex, Line>()

/** Lets errors that Node finds in the rest of a message reach whoever carries it. */
export function carries(socket: Duplex, carrier: Carrier): void {
  const line = lines.get(socket)
  if (line !== undefined) line.carrier = carrier
}

/** What a connection carried has ended: while it is idle it must not keep all that in memory. */
export function carried(socket: Duplex, carrier: Carrier): void {
  const line = lines.get(socket)
  if (line === undefined || line.carrier !== carrier) return
  line.carrier = undefined
  line.response = undefined
}

/** @throws CertificateError when TLS is configured and a pair is not in order */
export function createListener(
  options: Pick<ProxyOptions, 'listen' | 'limits' | 'tls' | 'http2'>,
  events: ListenerEvents,
  respond: Responder,
  stats: ProxyStats,
  room: Pick<ProtocolFrontRoom, 'log' | 'wall' | 'clock'>,
): Listener {
  const { limits } = options
  /** Those that carry HTTP/1.1. */
  const sockets = new Set<Duplex>()
  let isLast = false

  function early(target: ServerResponse | Duplex, status: number, reason: string): void {
    stats.refused[status] = (stats.refused[status] ?? 0) + 1
    respond.early(target, status, reason)
  }

  const server = createServer({
    IncomingMessage: incomingMessageFor(events),
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headTimeoutMs,
    // A total limit would cut steady uploads: silence in a body is watched by its exchange.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, Math.max(10, limits.headTimeoutMs / 4)),
    noDelay: true,
    // Checked together with all else about Host, in `framing.ts`.
    requireHostHeader: false,
  })
  // A limit here drops header lines in silence (fact 4); `framing.ts` counts them.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  // Without limit: one connection may carry as many requests as it likes.
  server.maxRequestsPerSocket = 0

  const front = createProtocolFront(options, { ...room, stats, early, http1 })
  /** Node's own; ours comes after it, or decides whether it is called. */
  const [serve] = server.listeners('connection')
  /** Those whose protocol is not HTTP/1.1, or not known yet. */
  const fronted = new Set<Socket>()
  if (front === undefined) {
    server.on('connection', (socket: Socket) => {
      stats.connections += 1
      stats.connectionsAccepted += 1
      carry(socket)
      socket.once('close', () => {
        stats.connections -= 1
        sockets.delete(socket)
      })
    })
  } else {
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      stats.connections += 1
      stats.connectionsAccepted += 1
      fronted.add(socket)
      socket.once('close', () => {
        stats.connections -= 1
        fronted.delete(socket)
      })
      front.take(socket)
    })
  }

  function carry(socket: Duplex): void {
    sockets.add(socket)
    lines.set(socket, { response: undefined, waiting: 0, carrier: undefined })
  }

  /** For a connection of any kind that is known to speak HTTP/1.1; its client was counted when it was accepted. */
  function http1(socket: Duplex): void {
    serve?.call(server, socket)
    carry(socket)
    socket.once('close', () => sockets.delete(socket))
  }

  function inject(socket: Duplex): void {
    if (front === undefined) server.emit('connection', socket)
    else http1(socket)
  }

  server.on('drop', () => {
    stats.connectionsDropped += 1
  })
  server.on('request', accept)
  server.on('checkContinue', accept)
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    early(response, 417, 'The only expectation that is understood is 100-continue.')
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    socket.on('error', ignore)
    early(socket, 405, 'CONNECT is not served: this is no open proxy.')
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', ignore)
    if (head.length > 0) socket.unshift(head)
    events.upgrade(request, socket)
  })
  server.on('clientError', onClientError)

  function accept(request: IncomingMessage, response: ServerResponse): void {
    const line = lines.get(request.socket)
    if (line === undefined) return
    const { response: before } = line
    // The last answer of this connection is out: what comes behind it is not to be read (RFC 9112 9.6), least of
    // all when that answer said that nobody knows where its request ended.
    if (!request.socket.writable) return
    line.response = response
    line.carrier = undefined
    if (isLast || stats.connections > limits.connections * CROWDED) response.shouldKeepAlive = false
    if (before === undefined || before.closed) {
      events.request(request, response)
      return
    }
    // Pipelined: answers must go out in order, so the one behind begins when the one ahead is through.
    line.waiting += 1
    if (line.waiting > PIPELINE_DEPTH) {
      request.socket.destroy()
      return
    }
    before.once('close', () => {
      line.waiting -= 1
      if (request.socket.writable) events.request(request, response)
    })
  }

  function onClientError(error: Error & { code?: string }, socket: Duplex): void {
    if (socket.destroyed || !socket.writable || CONNECTION_ENDED.has(error.code ?? '')) {
      socket.destroy()
      return
    }
    const line = lines.get(socket)
    const open = line?.response
    if (open !== undefined && !open.closed) {
      const carrier = line?.carrier
      if (open.req.complete) {
        // The fault is in what follows on the connection: the answer in progress is not at fault.
        open.once('finish', () => socket.destroy())
      } else if (carrier !== undefined) {
        carrier.clientFault('bad_request_body')
        if (!open.closed) open.once('finish', () => socket.destroy())
      } else {
        socket.destroy()
      }
      return
    }
    const { status, reason } = clientFaults[error.code ?? ''] ?? NOT_HTTP
    early(socket, status, reason)
  }

  function lastAnswers(): void {
    isLast = true
    front?.lastAnswers()
    for (const socket of sockets) {
      const response = lines.get(socket)?.response
      if (response !== undefined && !response.headersSent) response.shouldKeepAlive = false
    }
  }

  async function listen(): Promise<{ host: string; port: number }> {
    const { host, port } = options.listen
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    return addressOf()
  }

  function addressOf(): { host: string; port: number } {
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('the listener is not bound')
    return { host: bound.address, port: bound.port }
  }

  async function stop(): Promise<void> {
    lastAnswers()
    front?.stop()
    if (!server.listening) return
    const timer = setInterval(() => void closeIdle(), CLOSE_IDLE_EVERY_MS)
    await socketsRead()
    if (!server.listening) return clearInterval(timer)
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
    clearInterval(timer)
  }

  async function closeIdle(): Promise<void> {
    await socketsRead()
    server.closeIdleConnections()
  }

  async function destroy(): Promise<void> {
    if (server.listening) server.close()
    front?.end()
    // Not `closeAllConnections`: upgraded connections are none of the server's any more.
    const closing = [...sockets, ...fronted].map(async (socket) => {
      await new Promise<void>((resolve) => {
        if (socket.closed) resolve()
        socket.once('close', () => resolve())
        socket.destroy()
      })
    })
    await Promise.all(closing)
  }

  return {
    listen,
    inject,
    get certificates() {
      return front?.certificates ?? []
    },
    reload: () => front?.reload() ?? true,
    get address() {
      return server.listening ? addressOf() : undefined
    },
    lastAnswers,
    stop,
    destroy,
  }
}

/**
 * Timers come before sockets in a turn of the loop: after a pause an idle connection may have its next request unread.
 * When this resolves, what had come is read.
 */
function socketsRead(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A reset, or the end of the connection in the middle of a message: there is nobody to answer. */
const CONNECTION_ENDED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE'])

const NOT_HTTP = { status: 400, reason: 'The request is not valid HTTP/1.1.' }

const clientFaults: Readonly<Record<string, { status: number; reason: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, reason: 'The request head is too large.' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, reason: 'The chunk extensions are too large.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, reason: 'The request head did not arrive in time.' },
}

/**
 * Node asks one question about upgrades, "does anybody listen?", and answers it the same for all requests. This
 * asks per request, through the property that the parser writes and the server reads: what is not accepted goes on
 * as plain HTTP, its body included (Java's HttpClient and `curl --http2` offer h2c with every request).
 */
function incomingMessageFor(events: ListenerEvents): typeof IncomingMessage {
  // A symbol, not a private field: the base constructor writes `upgrade` before private fields exist.
  const asked = Symbol('asked')
  return class Incoming extends IncomingMessage {
    declare [asked]: boolean | null

    /** Read by the server once head and method are known. */
    get upgrade(): boolean | null {
      if (this[asked] === true && this.method !== 'CONNECT')
        this[asked] = isFree(this) && events.acceptsUpgrade(this)
      return this[asked]
    }

    set upgrade(value: boolean | null) {
      this[asked] = value
    }
  }
}

/** No answer is in progress on the connection that would be cut in two. */
function isFree(request: IncomingMessage): boolean {
  const response = lines.get(request.socket)?.response
  return response === undefined || response.closed
}

function ignore(): void {}
