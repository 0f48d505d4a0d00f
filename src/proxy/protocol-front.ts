/**
 * In front of the HTTP/1.1 server when there is more than that: looks at the first bytes of a connection and hands it
 * to TLS, to HTTP/2, or on. Not there at all when neither is configured.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Millis } from '../core/model.ts'
import { createHttp2Sessions } from './http2-sessions.ts'
import type { ProxyOptions } from './options.ts'
import { sniff } from './protocol-sniff.ts'
import type { ProxyLog } from './proxy-log.ts'
import type { ProxyStats } from './proxy-stats.ts'
import { createTlsFront, type TlsFront } from './tls-front.ts'
import type { CertificateReading } from './tls-keeper.ts'

export interface ProtocolFront {
  take(socket: Socket): void
  readonly certificates: readonly CertificateReading[]
  /** Reads the certificates now; false = refused, and the last good ones stay. */
  reload(): boolean
  lastAnswers(): void
  stop(): void
  /** Follows no files any more. */
  end(): void
}

export interface ProtocolFrontRoom {
  readonly log: ProxyLog
  /** Wall clock in ms. */
  readonly wall: () => number
  readonly clock: () => Millis
  readonly stats: ProxyStats
  /** Serves HTTP/1.1 on a connection. */
  readonly http1: (socket: Duplex) => void
  /** Answers before there is a call, and counts it. */
  readonly early: (socket: Duplex, status: number, reason: string) => void
}

const TLS_ONLY = 'This port speaks TLS: use https:// or wss://.'
const SILENT = 'The request head did not arrive in time.'

/** Undefined = HTTP/1.1 alone. @throws CertificateError when a pair is not in order */
export function createProtocolFront(
  options: Pick<ProxyOptions, 'limits' | 'tls' | 'http2'>,
  room: ProtocolFrontRoom,
): ProtocolFront | undefined {
  const { limits, tls, http2 } = options
  if (tls === undefined && http2 === undefined) return undefined
  const { http1, early, stats } = room
  const sessions =
    http2 === undefined
      ? undefined
      : createHttp2Sessions(http2, {
          limits,
          stats,
          clock: room.clock,
          attach: http1,
          refused: (status) => (stats.refused[status] = (stats.refused[status] ?? 0) + 1),
        })
  const secure: TlsFront | undefined =
    tls === undefined
      ? undefined
      : createTlsFront(tls, {
          ...room,
          protocols: sessions === undefined ? ['http/1.1'] : ['h2', 'http/1.1'],
          secured(socket) {
            if (sessions !== undefined && socket.alpnProtocol === 'h2') sessions.take(socket)
            else http1(socket)
          },
        })
  const isPlainServed = tls?.plain !== false

  function take(socket: Socket): void {
    sniff(socket, limits.headTimeoutMs, (protocol) => {
      if (protocol === 'tls' && secure !== undefined) secure.take(socket)
      else if (protocol === 'silent') early(socket, 408, SILENT)
      else if (!isPlainServed) early(socket, 400, TLS_ONLY)
      else if (protocol === 'http2' && sessions !== undefined) sessions.take(socket)
      // What is no HTTP/1.1 either is told so by its parser.
      else http1(socket)
    })
  }

  return {
    take,
    get certificates() {
      return secure?.certificates ?? []
    },
    reload: () => secure?.reload() ?? true,
    lastAnswers: () => sessions?.lastAnswers(),
    stop: () => sessions?.stop(),
    end: () => secure?.stop(),
  }
}
