/**
 * An upstream whose every answer says whose it is, so that a client can tell its own whole answer from half of it
 * and from somebody else's; and a ledger of what arrived. It speaks plain bytes, event streams, and as much of OpenAI
 * and Anthropic as their SDKs need. Its weather is drawn per call from a seed.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { seeded, type Random } from '../../../src/core/random.ts'

/** What becomes of a call at the upstream. */
export const FATES = ['whole', 'refused', 'hung', 'reset', 'cut', 'short', 'early'] as const
export type Fate = (typeof FATES)[number]

/** Chances of the fates other than `whole`, and how long an answer takes. */
export interface Weather {
  readonly serviceMs: number
  readonly refused?: number
  readonly hung?: number
  readonly reset?: number
  readonly cut?: number
  readonly short?: number
  readonly early?: number
}

export interface LedgerEntry {
  times: number
  fate: Fate
}

/** Of a request body, in which `stream` is looked for. */
const HEAD_BYTES = 4096
export const ID_HEADER = 'x-call-id'
/** On every answer: whose it is, and what its request's body was. */
export const ECHO_HEADER = 'x-echo-id'
export const DIGEST_HEADER = 'x-echo-digest'

/** The text that call `id` gets, `bytes` long; no two ids have the same. */
export function answerText(id: string, bytes: number): string {
  const unit = createHash('sha256').update(id).digest('hex')
  return unit.repeat(Math.ceil(bytes / unit.length)).slice(0, bytes)
}

export function digestOf(body: Uint8Array | string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 32)
}

export class EchoUpstream {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #random: Random
  weather: Weather
  readonly ledger = new Map<string, LedgerEntry>()
  /** Requests that came without an id, or whole twice on the same. */
  strangers = 0

  private constructor(weather: Weather, seed: number, keepAliveMs: number) {
    this.weather = weather
    this.#random = seeded(seed)
    this.#server = createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: 0, noDelay: true })
    this.#server.on('request', (request, response) => this.#serve(request, response))
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('error', ignore)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** @param keepAliveMs after which an idle connection is closed; Node's own default */
  static async start(
    weather: Weather = { serviceMs: 2 },
    seed = 1,
    keepAliveMs = 5000,
  ): Promise<EchoUpstream> {
    const upstream = new EchoUpstream(weather, seed, keepAliveMs)
    await new Promise<void>((resolve) => {
      upstream.#server.listen(0, '127.0.0.1', resolve)
    })
    return upstream
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** The most often that one call arrived. */
  get mostTimes(): number {
    let most = 0
    for (const { times } of this.ledger.values()) most = Math.max(most, times)
    return most
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  #draw(): Fate {
    let left = this.#random()
    for (const fate of FATES) {
      if (fate === 'whole') continue
      left -= this.weather[fate] ?? 0
      if (left < 0) return fate
    }
    return 'whole'
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const id = request.headers[ID_HEADER]
    request.on('error', ignore)
    response.on('error', ignore)
    if (typeof id !== 'string') {
      this.strangers += 1
      response.writeHead(400).end()
      return
    }
    const fate = this.#draw()
    const entry = this.ledger.get(id)
    if (entry === undefined) this.ledger.set(id, { times: 1, fate })
    else entry.times += 1
    if (fate === 'early') {
      request.resume()
      refuse(response, id, 413)
      return
    }
    const hash = createHash('sha256')
    const chunks: Buffer[] = []
    let kept = 0
    request.on('data', (chunk: Buffer) => {
      hash.update(chunk)
      if (kept < HEAD_BYTES) chunks.push(chunk)
      kept += chunk.length
    })
    request.on('end', () => {
      const asked = {
        id,
        digest: hash.digest('hex').slice(0, 32),
        head: Buffer.concat(chunks).toString('latin1'),
      }
      setTimeout(() => void this.#answer(fate, request, response, asked), this.weather.serviceMs)
    })
  }

  async #answer(
    fate: Fate,
    request: IncomingMessage,
    response: ServerResponse,
    asked: { readonly id: string; readonly digest: string; readonly head: string },
  ): Promise<void> {
    if (response.destroyed || fate === 'hung') return
    if (fate === 'reset') {
      response.socket?.resetAndDestroy()
      return
    }
    const { id } = asked
    if (fate === 'refused') {
      refuse(response, id, [429, 500, 503][Math.floor(3 * this.#random())]!)
      return
    }
    const url = new URL(request.url ?? '/', 'http://upstream')
    const bytes = Math.min(8 * 1024 * 1024, Number(url.searchParams.get('bytes') ?? 200))
    const events = Number(url.searchParams.get('events') ?? (asked.head.includes('"stream":true') ? 5 : 0))
    const headers = { [ECHO_HEADER]: id, [DIGEST_HEADER]: asked.digest }
    if (events > 0) {
      const gapMs = Number(url.searchParams.get('gap') ?? 5)
      await this.#stream(fate, response, headers, framesOf(url.pathname, id, events), gapMs)
      return
    }
    const body = documentOf(url.pathname, id, bytes)
    response.writeHead(200, {
      ...headers,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    })
    if (fate === 'whole') {
      response.end(body)
      return
    }
    response.write(body.slice(0, body.length >> 1))
    await pause(5)
    if (fate === 'cut') response.socket?.resetAndDestroy()
    else response.socket?.end()
  }

  async #stream(
    fate: Fate,
    response: ServerResponse,
    headers: Record<string, string>,
    frames: readonly string[],
    gapMs: number,
  ): Promise<void> {
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' })
    response.flushHeaders()
    for (const [index, frame] of frames.entries()) {
      if (response.destroyed) return
      if (fate !== 'whole' && index === frames.length >> 1) {
        if (fate === 'cut') response.socket?.resetAndDestroy()
        else response.socket?.end()
        return
      }
      response.write(frame)
      if (gapMs > 0) await pause(gapMs)
    }
    response.end()
  }
}

function refuse(response: ServerResponse, id: string, status: number): void {
  const body = JSON.stringify({ error: { type: 'weather', message: `not ${id}` } })
  response.writeHead(status, {
    [ECHO_HEADER]: id,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(status === 429 ? { 'retry-after': '1' } : {}),
  })
  response.end(body)
}

/** The whole answer to a call that does not stream. */
export function documentOf(path: string, id: string, bytes: number): string {
  const content = answerText(id, bytes)
  if (path.endsWith('/chat/completions')) {
    return JSON.stringify({
      id: `chatcmpl-${id}`,
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    })
  }
  if (path.endsWith('/messages')) {
    return JSON.stringify({
      id: `msg_${id}`,
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: content }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 1 },
    })
  }
  return content
}

/** All frames of a stream, the end included. */
export function framesOf(path: string, id: string, events: number): string[] {
  const isChat = path.endsWith('/chat/completions')
  const frames = Array.from({ length: events }, (_, n) => {
    const content = answerText(`${id}/${n}`, 64)
    const delta = { index: 0, delta: { content }, finish_reason: null }
    const data = isChat
      ? { id: `chatcmpl-${id}`, object: 'chat.completion.chunk', created: 1, model: 'm', choices: [delta] }
      : { id, n, content }
    return `data: ${JSON.stringify(data)}\n\n`
  })
  return [...frames, 'data: [DONE]\n\n']
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

function ignore(): void {}
