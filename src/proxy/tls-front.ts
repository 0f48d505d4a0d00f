/** TLS on the listener: handshakes with the certificates in force, and what may follow them. */
import { createServer, type TLSSocket } from 'node:tls'
import type { Socket } from 'node:net'
import type { ListenerTls } from './options.ts'
import type { ProxyLog } from './proxy-log.ts'
import type { ProxyStats } from './proxy-stats.ts'
import { keepCertificates, type CertificateReading } from './tls-keeper.ts'

export interface TlsFront {
  /** Serves a connection whose ClientHello is still unread. */
  take(socket: Socket): void
  readonly certificates: readonly CertificateReading[]
  reload(): boolean
  stop(): void
}

export interface TlsFrontRoom {
  readonly log: ProxyLog
  readonly wall: () => number
  readonly stats: ProxyStats
  /** Protocols by preference, as ALPN names them. */
  readonly protocols: readonly string[]
  /** The handshake is done, and the client's certificate verified if it has to be. */
  readonly secured: (socket: TLSSocket) => void
}

/** @throws CertificateError when a pair is not in order */
export function createTlsFront(tls: ListenerTls, room: TlsFrontRoom): TlsFront {
  const { stats, log } = room
  const asks = tls.clientCert !== 'none'
  const server = createServer({
    ALPNProtocols: [...room.protocols],
    SNICallback: (name, done) => done(null, keeper.certificateFor(name).context),
    handshakeTimeout: tls.handshakeTimeoutMs,
    requestCert: asks,
    rejectUnauthorized: tls.clientCert === 'required',
    minVersion: tls.minVersion,
  })
  const keeper = keepCertificates(tls, {
    log,
    wall: room.wall,
    // For clients that name no host. Sessions from before need a whole handshake, so that nothing outlives its authority.
    adopt: (first) => server.setSecureContext(first.material),
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    if (asks && !socket.authorized && hasCertificate(socket)) {
      fail(socket, 'client certificate not verified')
      return
    }
    room.secured(socket)
  })
  server.on('tlsClientError', (error: Error & { code?: string }, socket: TLSSocket) => {
    fail(socket, error.code ?? error.message)
  })

  function fail(socket: TLSSocket, reason: string): void {
    stats.tlsFailures += 1
    log.debug({ reason }, 'a TLS handshake failed')
    socket.destroy()
  }

  return {
    take(socket) {
      // As on any TLS server of Node: one that ends in the middle of its handshake is not waited for.
      socket.allowHalfOpen = false
      server.emit('connection', socket)
    },
    get certificates() {
      return keeper.certificates
    },
    reload: () => keeper.reload(),
    stop: () => keeper.stop(),
  }
}

function hasCertificate(socket: TLSSocket): boolean {
  return socket.getPeerX509Certificate() !== undefined
}
