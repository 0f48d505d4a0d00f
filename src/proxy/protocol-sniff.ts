/**
 * Which protocol a connection speaks, from its first bytes: so that `http://`, `https://`, `ws://`, `wss://` and
 * HTTP/2 without TLS reach one port. Nothing is taken away: whoever serves the connection reads the same bytes again.
 */
import type { Socket } from 'node:net'
import type { Millis } from '../core/model.ts'

export type Protocol = 'tls' | 'http2' | 'http1'

/** Content type `handshake` of a TLS record (RFC 8446 5.1); no method of HTTP begins with it. */
const TLS_HANDSHAKE = 0x16
/** Begin of the connection preface (RFC 9113 3.4); `PRI` is reserved and no method (RFC 9113 11.6). */
const PREFACE = Buffer.from('PRI ', 'latin1')

/** undefined = it depends on bytes that are not there yet; four are always enough. */
export function protocolOf(bytes: Uint8Array): Protocol | undefined {
  if (bytes[0] === TLS_HANDSHAKE) return 'tls'
  for (const [index, byte] of PREFACE.entries()) {
    if (index >= bytes.length) return undefined
    if (bytes[index] !== byte) return 'http1'
  }
  return 'http2'
}

/**
 * Calls `known` once with what the connection speaks, or with `silent` when `withinMs` have passed without enough
 * bytes to tell. Not at all when the connection ends before.
 */
export function sniff(
  socket: Socket,
  withinMs: Millis,
  known: (protocol: Protocol | 'silent') => void,
): void {
  /** Too few to tell; at most three bytes. Given back at once they would be announced again, without end. */
  let early: Buffer | undefined
  const timer = setTimeout(() => {
    stop()
    known('silent')
  }, withinMs)
  const look = (): void => {
    const read: Buffer | null = socket.read()
    if (read === null) return
    const bytes = early === undefined ? read : Buffer.concat([early, read])
    const protocol = protocolOf(bytes)
    if (protocol === undefined) {
      early = bytes
      return
    }
    stop()
    socket.unshift(bytes)
    known(protocol)
  }
  const gone = (): void => {
    stop()
    socket.destroy()
  }
  function stop(): void {
    clearTimeout(timer)
    socket.off('readable', look)
    socket.off('end', gone)
    socket.off('close', gone)
    socket.off('error', gone)
  }
  socket.on('readable', look)
  socket.once('end', gone)
  socket.once('close', gone)
  socket.once('error', gone)
}
