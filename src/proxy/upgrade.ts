/**
 * WebSocket connections: the handshake goes through the same life as any call, and after it bytes go both ways
 * unread, but for the lengths of frames. A long-lived connection is no sample of speed; it is counted, capped,
 * watched for silence, and told 1001 when Weir goes away.
 */
import type { IncomingMessage } from 'node:http'
import { ServerResponse, validateHeaderValue } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Millis } from '../core/model.ts'
import type { Call } from './call.ts'
import type { ForwardRoom } from './forward.ts'
import { CLOSE_TO_CLIENT, CLOSE_TO_SERVER, FrameBoundary } from './frame-boundary.ts'
import { responseHeaders } from './headers.ts'
import type { Swept } from './idle-sweep.ts'

/** Time for the other side to answer a close frame. */
const CLOSING_MS: Millis = 1000

/** Whether a request asks for the one upgrade that is carried: RFC 6455 4.1. */
export function asksForWebSocket(request: IncomingMessage): boolean {
  if (request.method !== 'GET' || request.httpVersionMinor !== 1) return false
  const { upgrade, 'sec-websocket-key': key } = request.headers
  return key !== undefined && upgrade !== undefined && upgrade.trim().toLowerCase() === 'websocket'
}

/** All upgraded connections of one proxy. */
export class Tunnels {
  readonly #most: number
  readonly #open = new Set<Tunnel>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#open.size
  }

  get isFull(): boolean {
    return this.#open.size >= this.#most
  }

  add(tunnel: Tunnel): void {
    this.#open.add(tunnel)
  }

  delete(tunnel: Tunnel): void {
    this.#open.delete(tunnel)
  }

  /** Says 1001 to both sides of each. */
  drain(): void {
    for (const tunnel of this.#open) tunnel.goAway()
  }

  destroy(): void {
    for (const tunnel of this.#open) tunnel.destroy()
  }
}

/**
 * Answers 101 and joins the two connections. False = the upstream did not accept a WebSocket; nothing was written.
 *
 * @param ended once; `bytesIn` and `bytesOut` of the call are final then
 */
export function openTunnel(
  call: Call,
  raw: readonly (Buffer | string)[],
  upstreamSocket: Duplex,
  room: ForwardRoom,
  ended: () => void,
): boolean {
  const head = switchingHead(call, raw)
  if (head === undefined || call.socket.destroyed) return false
  call.socket.write(head, 'latin1')
  new Tunnel(call, upstreamSocket, room, ended).open()
  return true
}

class Tunnel implements Swept {
  sweepIndex = -1
  readonly #call: Call
  readonly #client: Duplex
  readonly #upstream: Duplex
  readonly #room: ForwardRoom
  readonly #ended: () => void
  readonly #fromClient = new FrameBoundary()
  readonly #fromUpstream = new FrameBoundary()
  #deadlineAt: Millis
  #isTouched = false
  #isOver = false

  constructor(call: Call, upstream: Duplex, room: ForwardRoom, ended: () => void) {
    this.#call = call
    this.#client = call.socket
    this.#upstream = upstream
    this.#room = room
    this.#ended = ended
    this.#deadlineAt = room.clock() + room.limits.upgradeIdleMs
  }

  open(): void {
    const client = this.#client
    const upstream = this.#upstream
    this.#room.tunnels.add(this)
    this.#room.sweep.add(this)
    client.on('data', (chunk: Buffer) => {
      this.#isTouched = true
      this.#call.bytesIn += chunk.length
      this.#fromClient.read(chunk)
    })
    upstream.on('data', (chunk: Buffer) => {
      this.#isTouched = true
      this.#call.bytesOut += chunk.length
      this.#fromUpstream.read(chunk)
    })
    for (const side of [client, upstream]) {
      side.on('error', this.#end)
      side.on('end', this.#end)
      side.on('close', this.#end)
    }
    client.pipe(upstream)
    upstream.pipe(client)
  }

  visit(now: Millis): void {
    if (this.#isTouched) {
      this.#isTouched = false
      this.#deadlineAt = now + this.#room.limits.upgradeIdleMs
    } else if (now >= this.#deadlineAt) {
      this.destroy()
    }
  }

  goAway(): void {
    // Inside a frame a close frame would be payload: that side sees its connection end, which is 1006.
    if (this.#fromUpstream.isBetweenFrames) this.#client.write(CLOSE_TO_CLIENT)
    if (this.#fromClient.isBetweenFrames) this.#upstream.write(CLOSE_TO_SERVER)
    this.#client.unpipe(this.#upstream)
    this.#upstream.unpipe(this.#client)
    // Whatever answers is read and forgotten; the connections end when both have, or after a moment.
    this.#client.resume()
    this.#upstream.resume()
    this.#client.end()
    this.#upstream.end()
    setTimeout(() => this.destroy(), CLOSING_MS).unref()
  }

  destroy(): void {
    this.#client.destroy()
    this.#upstream.destroy()
    this.#end()
  }

  /** One side is gone: the other gets what it was sent, a close frame perhaps, and goes too. */
  readonly #end = (): void => {
    if (this.#isOver) return
    this.#isOver = true
    this.#room.tunnels.delete(this)
    this.#room.sweep.remove(this)
    this.#client.end()
    this.#upstream.end()
    setTimeout(() => this.destroy(), CLOSING_MS).unref()
    this.#ended()
  }
}

/** The head of our 101; undefined = the upstream's is none of a WebSocket's. */
function switchingHead(call: Call, raw: readonly (Buffer | string)[]): string | undefined {
  const { headers } = responseHeaders(raw, false)
  let isAccepted = false
  const lines = ['HTTP/1.1 101 Switching Protocols', 'connection: Upgrade', 'upgrade: websocket']
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index]!
    const lower = name.toLowerCase()
    if (lower === 'content-length') continue
    if (lower === 'sec-websocket-accept') isAccepted = true
    // The parser has refused line ends in values already; a head made of strings is worth a second look.
    validateHeaderValue(name, headers[index + 1]!)
    lines.push(`${name}: ${headers[index + 1]!}`)
  }
  if (!isAccepted || !switchesToWebSocket(raw)) return undefined
  lines.push(`weir-call-id: ${call.id}`, '', '')
  return lines.join('\r\n')
}

/** RFC 6455 4.1: any other protocol fails the handshake, whatever else the head says. */
function switchesToWebSocket(raw: readonly (Buffer | string)[]): boolean {
  const at = raw.findIndex((name, index) => index % 2 === 0 && name.toString().toLowerCase() === 'upgrade')
  return at !== -1 && raw[at + 1]?.toString().trim().toLowerCase() === 'websocket'
}

/**
 * A response on the socket of an upgrade that the upstream answered otherwise. Node has let go of that socket: it
 * carries this one answer and closes.
 */
export function respondOnSocket(call: Call): ServerResponse {
  const response = new ServerResponse(call.request)
  const { socket } = call.request
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => {
    response.detachSocket(socket)
    socket.end(() => socket.destroy())
  })
  socket.on('error', ignore)
  return response
}

function ignore(): void {}
