/**
 * The connections of HTTP/2: their settings and bounds, and an orderly end. Each stream becomes a call by
 * `http2-bridge.ts`. nghttp2 itself ends connections that flood with CONTINUATION, SETTINGS, PING or empty frames
 * (at most 8 CONTINUATION frames per head; 1,000 acknowledgements in the queue).
 */
import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Millis } from '../core/model.ts'
import { bridge } from './http2-bridge.ts'
import { http1Head } from './http2-head.ts'
import type { ListenerHttp2, ProxyOptions } from './options.ts'
import type { ProxyStats } from './proxy-stats.ts'
import { ResetBudget } from './reset-budget.ts'

/** Frames that are wrong in themselves; Node's default of 1,000 serves nobody honest. */
const INVALID_FRAMES = 100
/** MB, for all streams of a session; Node's own default, said because it is a bound. */
const SESSION_MEMORY_MB = 10
/** RFC 9113 6.8: a first GOAWAY with the highest number lets streams on the way be served still. */
const LAST_STREAM = 2 ** 31 - 1

export interface Http2Sessions {
  /** Serves a connection whose preface is still unread. */
  take(socket: Duplex): void
  /** Every client is told to use another connection; open and arriving streams are served. */
  lastAnswers(): void
  /** No further streams; a connection ends when its last stream does. */
  stop(): void
}

export interface Http2Room {
  readonly limits: ProxyOptions['limits']
  readonly stats: ProxyStats
  readonly clock: () => Millis
  readonly attach: (socket: Duplex) => void
  /** Counts an answer that is given before there is a call. */
  readonly refused: (status: number) => void
}

export function createHttp2Sessions(options: ListenerHttp2, room: Http2Room): Http2Sessions {
  const { limits, stats, clock } = room
  const sessions = new Set<ServerHttp2Session>()
  let isLast = false
  let isStopped = false
  /** The connection whose session is being made: the session itself shows it only through a veil. */
  let taken: Duplex

  const server = createServer({
    // More of them resets the stream; up to here the count is answered 431, as on HTTP/1.1.
    maxHeaderListPairs: limits.headerCount * 2,
    maxSessionInvalidFrames: INVALID_FRAMES,
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: { maxConcurrentStreams: options.streams, maxHeaderListSize: limits.headerBytes },
  })
  server.on('session', begin)
  server.on('sessionError', ignore)
  // Whoever ends in the middle of a frame ends its connection: there is nobody to tell.
  server.on('error', ignore)

  function begin(session: ServerHttp2Session): void {
    sessions.add(session)
    stats.http2Sessions += 1
    const peer = peerOf(taken)
    const budget = new ResetBudget(clock())
    // A client that says nothing after its preface has as long as one that sends no head.
    const greeting = setTimeout(() => session.destroy(), limits.headTimeoutMs)
    session.once('remoteSettings', () => clearTimeout(greeting))
    let streams = 0
    let isFlood = false
    session.setTimeout(limits.keepAliveMs)
    session.on('timeout', () => {
      if (streams === 0) session.close()
    })
    session.on('error', ignore)
    session.once('close', () => {
      clearTimeout(greeting)
      sessions.delete(session)
      stats.http2Sessions -= 1
    })
    session.on('stream', (stream: ServerHttp2Stream, _headers: object, flags: number, raw: string[]) => {
      const openedAt = clock()
      streams += 1
      // An error of a stream ends it, and its `close` says the rest.
      stream.on('error', ignore)
      stream.once('close', () => {
        streams -= 1
      })
      stream.once('aborted', () => {
        if (isFlood || budget.spend(openedAt, clock())) return
        isFlood = true
        stats.http2Floods += 1
        // Not at once: this is within a read of nghttp2, which Node does not survive the end of (an assertion).
        setImmediate(() => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM))
      })
      if (!isFlood) serve(stream, raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0, peer)
    })
    if (isStopped) session.close()
    else if (isLast) sayLast(session)
  }

  function serve(stream: ServerHttp2Stream, raw: string[], endsHere: boolean, peer: object): void {
    const read = http1Head(raw, endsHere)
    if ('head' in read) {
      bridge(stream, read.head, { attach: room.attach, peer })
      return
    }
    const { status, reason } = read.refused
    room.refused(status)
    stream.respond({ ':status': status, 'content-type': 'application/problem+json', 'weir-source': 'proxy' })
    stream.end(JSON.stringify({ status, detail: reason }), () => {
      if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR)
    })
  }

  return {
    take(socket) {
      // One that has sent its end reads nothing more that would be worth an answer.
      socket.allowHalfOpen = false
      taken = socket
      server.emit('connection', socket)
    },
    lastAnswers() {
      isLast = true
      for (const session of sessions) sayLast(session)
    },
    stop() {
      isStopped = true
      for (const session of sessions) session.close()
    },
  }
}

function sayLast(session: ServerHttp2Session): void {
  if (!session.closed && !session.destroyed) session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM)
}

/** What a call's socket says of its client; the certificate is asked for when somebody wants it. */
function peerOf(socket: Duplex): object {
  if (!(socket instanceof Socket)) return {}
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort } = socket
  const peer = { remoteAddress, remotePort, remoteFamily, localAddress, localPort }
  if (!(socket instanceof TLSSocket)) return peer
  return {
    ...peer,
    encrypted: true,
    authorized: socket.authorized,
    alpnProtocol: 'h2',
    getPeerCertificate: (isDetailed?: boolean) => socket.getPeerCertificate(isDetailed === true),
    getPeerX509Certificate: () => socket.getPeerX509Certificate(),
  }
}

function ignore(): void {}
