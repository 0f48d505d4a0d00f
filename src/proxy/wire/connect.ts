/**
 * Makes connections to one upstream. Over plain TCP all of them are read into one buffer, which spares an allocation of
 * 64 KiB and a turn of stream machinery for every read: what is read is lent until the reader returns. TLS connections
 * come from undici's connector, which remembers sessions, and whoever leaves HTTP wants a stream.
 */
import { connect as connectTcp } from 'node:net'
import { buildConnector } from 'undici'
import { WireError } from './wire-error.ts'

/** One read of a socket, as libuv sizes them. */
const READ_BYTES = 64 * 1024
/** Probes of idle connections begin after this: undici's. */
const TCP_KEEP_ALIVE_MS = 60_000

/** Of all plain connections: a read is over before the next one begins. */
export const lent = Buffer.allocUnsafeSlow(READ_BYTES)

/** The same bytes, for longer than this read. */
export function own(bytes: Buffer): Buffer {
  return bytes.buffer === lent.buffer ? Buffer.from(bytes) : bytes
}

export interface ConnectOptions {
  /** Scheme, host and port; its path means nothing here. */
  readonly origin: URL
  /** Until it stands, TLS included; in ms. */
  readonly timeoutMs: number
  /** PEM text of extra trusted authorities. */
  readonly ca: string | undefined
}

/** Takes what is read, when it is lent. Set once the connection stands. */
export interface Reader {
  read: ((bytes: Buffer) => void) | undefined
}

type Connected = buildConnector.Callback
export interface Connecting {
  /** What is read goes to the reader. */
  readonly isLent: boolean
  /** Nobody wants it any more; `done` is not called, or called later with a connection to close. */
  cancel(): void
}

/** @param reader undefined = the socket is to be a stream. @param done not before this has returned */
export type Connect = (reader: Reader | undefined, done: Connected) => Connecting

/** undici's, as both clients want it. */
export function streamConnector({
  timeoutMs,
  ca,
}: Pick<ConnectOptions, 'timeoutMs' | 'ca'>): buildConnector.connector {
  return buildConnector({
    timeout: timeoutMs,
    allowH2: false,
    minVersion: 'TLSv1.2',
    noDelay: true,
    ...(ca === undefined ? {} : { ca }),
  })
}

export function createConnect({ origin, timeoutMs, ca }: ConnectOptions): Connect {
  const { protocol, host, hostname, port } = origin
  const name = hostname.replace(/^\[|\]$/g, '')
  const asStream = streamConnector({ timeoutMs, ca })
  return (reader, done) => {
    if (reader !== undefined && protocol === 'http:') {
      const cancel = connectLent(name, Number(port === '' ? 80 : port), timeoutMs, reader, done)
      return { isLent: true, cancel }
    }
    asStream({ protocol, host, hostname: name, port }, done)
    return { isLent: false, cancel: () => {} }
  }
}

function connectLent(
  host: string,
  port: number,
  timeoutMs: number,
  reader: Reader,
  done: Connected,
): () => void {
  const take = (bytes: number): boolean => {
    reader.read?.(lent.subarray(0, bytes))
    return true
  }
  const socket = connectTcp({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    onread: { buffer: lent, callback: take },
  })
  const timer = setTimeout(() => {
    socket.destroy(new WireError('UND_ERR_CONNECT_TIMEOUT', `no connection within ${timeoutMs} ms`))
  }, timeoutMs)
  const failed = (error: Error): void => {
    clearTimeout(timer)
    done(error, null)
  }
  socket.once('error', failed)
  socket.once('connect', () => {
    clearTimeout(timer)
    socket.off('error', failed)
    done(null, socket)
  })
  return () => {
    clearTimeout(timer)
    socket.destroy()
  }
}
