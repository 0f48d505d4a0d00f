// oxlint-disable typescript/no-unsafe-type-assertion -- the fakes stand in for Node's classes
/** A call without sockets: its request and response are bare emitters that a test drives by hand. */
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Arrival, Millis } from '../../src/core/model.ts'
import type { Call } from '../../src/proxy/call.ts'
import type { Dialect } from '../../src/proxy/options.ts'

export class FakeSocket extends EventEmitter {
  destroyed = false
  bytesRead = 0
  destroy(): this {
    this.destroyed = true
    return this
  }
}

export class FakeRequest extends EventEmitter {
  method = 'POST'
  url = '/openai/v1/chat/completions?a=1'
  httpVersion = '1.1'
  complete = false
  headers: Record<string, string> = { 'content-type': 'application/json' }
  readonly socket = new FakeSocket()
  resume(): this {
    return this
  }
}

export class FakeResponse extends EventEmitter {
  destroyed = false
  headersSent = false
  writableEnded = false
  shouldKeepAlive = true
  statusCode = 0
  body = ''
  readonly interims: number[] = []
  readonly headers: Record<string, string> = {}
  readonly req: FakeRequest
  constructor(request: FakeRequest) {
    super()
    this.req = request
  }
  setHeader(name: string, value: string | number): this {
    this.headers[name] = String(value)
    return this
  }
  writeHead(status: number): this {
    this.statusCode = status
    this.headersSent = true
    return this
  }
  end(text: string): this {
    this.body = text
    this.writableEnded = true
    return this
  }
  writeContinue(): void {
    this.interims.push(100)
  }
  writeProcessing(): void {
    this.interims.push(102)
  }
  destroy(): this {
    this.destroyed = true
    return this
  }
  /** The client's connection breaks. */
  breaks(): void {
    this.destroyed = true
    this.req.socket.destroyed = true
    this.emit('close')
  }
}

export interface FakeCall {
  readonly call: Call
  readonly request: FakeRequest
  readonly response: FakeResponse
}

export interface FakeCallOptions {
  readonly slot?: number
  readonly at?: Millis
  readonly family?: string
  readonly bytes?: number
  readonly dialect?: Dialect
}

export function fakeCall(options: FakeCallOptions = {}): FakeCall {
  const request = new FakeRequest()
  const response = new FakeResponse(request)
  const at = options.at ?? 0
  const arrival: Arrival = {
    at,
    call: options.slot ?? 0,
    upstream: 0,
    agent: 'a',
    trust: 'claimed',
    workflow: '',
    parent: '',
    method: 'POST',
    path: '/v1/chat/completions',
    route: '/v1/chat/completions',
    bytes: options.bytes ?? 10,
    priority: 'normal',
    family: options.family ?? 'openai-js',
    patienceMs: Infinity,
    attempt: 0,
    onceKey: 0,
    fingerprint: 1,
    credential: 0,
    longLived: false,
    holdable: true,
    deferrable: false,
  }
  const call: Call = {
    slot: arrival.call,
    id: 'c0ffee',
    arrivedAt: at,
    request: request as unknown as IncomingMessage,
    response: response as unknown as ServerResponse,
    socket: request.socket as unknown as Duplex,
    upstream: { options: { dialect: options.dialect ?? 'openai' } } as unknown as Call['upstream'],
    target: '/v1/chat/completions?a=1',
    arrival,
    verdict: undefined,
    phase: 'new',
    body: undefined,
    heldSince: 0,
    heldMs: 0,
    sentAt: 0,
    firstByteAt: 0,
    bytesIn: 0,
    bytesOut: 0,
    status: 0,
  }
  return { call, request, response }
}
