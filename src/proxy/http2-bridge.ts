/**
 * One HTTP/2 stream as one HTTP/1.1 call: it is sent, over a pair of streams in memory, to the very listener that
 * other agents use, as `inner-calls.ts` does. So it meets the same parser, limits, verdicts and timeouts, and there is
 * no second way through the proxy; what is particular to HTTP/2 is here and in `http2-sessions.ts`. Backpressure goes
 * through: a stream whose client gives no window stops its pair, and with that the upstream.
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { duplexPair, type Duplex } from 'node:stream'
import { grpcRefusal, grpcSockets, sentenceOf } from './grpc-refusal.ts'
import { http2Fields, type Http1Head } from './http2-head.ts'

/** An upstream's head (32 KiB: `upstreams.ts`) and the marks that Weir puts on it. */
const RESPONSE_HEADER_BYTES = 48 * 1024
/**
 * Node 26 misses the `drain` of a message that is full by its head alone; a pair that is full before its message is
 * never is (messages: 16 KiB on Node 20, 64 KiB later).
 */
const PAIR_BYTES = 8 * 1024
/** Weir's own bodies are a few hundred bytes. */
const OWN_BODY_BYTES = 16 * 1024
/** Interim answers that a client of HTTP/2 can make something of: 100, and 102 where Weir knows it bears that. */
const INTERIM: ReadonlySet<number> = new Set([100, 102])

export interface BridgeRoom {
  /** Hands the other end to the HTTP/1.1 side. */
  readonly attach: (socket: Duplex) => void
  /** What the HTTP/1.1 side may ask of the connection: its address and its certificate. */
  readonly peer: object
}

/** Carries a stream from its head to its end; whatever ends first ends all of it. */
export function bridge(stream: ServerHttp2Stream, head: Http1Head, room: BridgeRoom): void {
  const [near, far] = duplexPair({ highWaterMark: PAIR_BYTES })
  Object.assign(far, room.peer)
  if (head.isGrpc) grpcSockets.add(far)
  near.on('error', ignore)
  far.on('error', ignore)
  // Cut rather than ended: what is on the way may be read, what is missing must be missed.
  far.once('close', () => {
    if (!far.writableFinished) near.destroy()
  })
  stream.once('close', () => {
    near.destroy()
    far.destroy()
  })
  stream.once('aborted', () => {
    // Before anything takes the end of an aborted body for the end of a whole one.
    near.destroy()
    far.destroy()
  })
  room.attach(far)
  let request: ClientRequest
  try {
    request = httpRequest({
      method: head.method,
      path: head.path,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a flat list is allowed and not in the types
      headers: head.headers as unknown as string[] & Record<string, string>,
      createConnection: () => near,
      maxHeaderSize: RESPONSE_HEADER_BYTES,
    })
  } catch {
    // A name or value that HTTP/2 allows and HTTP/1.1 does not.
    reset(stream, constants.NGHTTP2_PROTOCOL_ERROR)
    return
  }
  request.on('error', () => reset(stream, constants.NGHTTP2_INTERNAL_ERROR))
  request.on('information', ({ statusCode }) => {
    if (INTERIM.has(statusCode) && !stream.headersSent && !stream.closed)
      stream.additionalHeaders({ ':status': statusCode })
  })
  request.on('response', (response) => answer(stream, head, response))
  send(stream, head, request)
}

function send(stream: ServerHttp2Stream, head: Http1Head, request: ClientRequest): void {
  if (!head.hasBody) {
    stream.resume()
    request.end()
    return
  }
  // The head goes first and alone: the body may wait for 100, or for long.
  request.flushHeaders()
  stream.on('data', (chunk: Buffer) => {
    if (request.write(chunk)) return
    stream.pause()
    request.once('drain', () => stream.resume())
  })
  stream.once('end', () => {
    // A reset ends the reading side as END_STREAM does.
    if (stream.aborted || stream.destroyed) request.destroy()
    else request.end()
  })
}

function answer(stream: ServerHttp2Stream, head: Http1Head, response: IncomingMessage): void {
  const cut = (): void => reset(stream, constants.NGHTTP2_INTERNAL_ERROR)
  response.on('error', cut)
  if (stream.destroyed || stream.closed) {
    response.destroy()
    return
  }
  if (head.isGrpc && response.headers['weir-source'] === 'proxy') {
    refuse(stream, response)
    return
  }
  const { statusCode = 502 } = response
  const isBodyless = head.method === 'HEAD' || statusCode === 204 || statusCode === 304
  try {
    const fields = { ...http2Fields(response.rawHeaders), ':status': statusCode }
    // Trailers always, mostly none: where Node resets a stream it ends it cleanly first, and half an answer would look
    // whole. With trailers to come that end is ours to say.
    stream.respond(fields, { endStream: isBodyless, waitForTrailers: !isBodyless })
  } catch {
    // A field twice that HTTP/2 has once: there is no honest way to pass it on.
    response.destroy()
    stream.respond({ ':status': 502 }, { endStream: true })
    return
  }
  stream.once('wantTrailers', () => {
    if (response.complete && !stream.closed) stream.sendTrailers(http2Fields(response.rawTrailers))
  })
  response.on('data', (chunk: Buffer) => {
    if (stream.write(chunk)) return
    response.pause()
    stream.once('drain', () => response.resume())
  })
  response.once('end', () => finish(stream))
  response.once('close', () => {
    if (!response.complete) cut()
  })
}

/** RFC 9113 8.1: after a whole answer the rest of a request is not wanted, and the client is told so. */
function finish(stream: ServerHttp2Stream): void {
  stream.end(() => {
    if (!stream.readableEnded) reset(stream, constants.NGHTTP2_NO_ERROR)
  })
}

function refuse(stream: ServerHttp2Stream, response: IncomingMessage): void {
  let body = ''
  response.setEncoding('utf8')
  response.on('data', (text: string) => {
    if (body.length < OWN_BODY_BYTES) body += text
  })
  response.once('end', () => {
    if (stream.destroyed || stream.closed) return
    const { statusCode = 500, headers } = response
    stream.respond(grpcRefusal(statusCode, headers, sentenceOf(body)), { endStream: true })
    if (!stream.readableEnded) reset(stream, constants.NGHTTP2_NO_ERROR)
  })
}

function reset(stream: ServerHttp2Stream, code: number): void {
  if (!stream.destroyed && !stream.closed) stream.close(code)
}

function ignore(): void {}
