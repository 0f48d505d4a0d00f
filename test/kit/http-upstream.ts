/** A programmable upstream on node:http: each request takes the next step of its script, the last one for ever. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export type Step =
  /** Answers. */
  | {
      readonly status?: number
      readonly headers?: Record<string, string>
      readonly body?: string | Buffer
      readonly delayMs?: number
    }
  /** Reads the request and never answers. */
  | { readonly hang: true }
  /** Resets the connection: before the head, or after these bytes of the body. */
  | { readonly reset: true; readonly after?: string }
  /** Sends the pieces with a gap between them, and ends. */
  | { readonly trickle: readonly string[]; readonly gapMs: number; readonly headers?: Record<string, string> }
  | ((request: IncomingMessage, response: ServerResponse) => void | Promise<void>)

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingMessage['headers']
  body: Buffer
  /** The proxy broke off. */
  aborted: boolean
}

export class HttpUpstream {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly seen: SeenRequest[] = []
  steps: Step[]
  /** Requests being answered now, and the most at one time. */
  inFlight = 0
  mostInFlight = 0

  private constructor(steps: Step[]) {
    this.steps = steps
    this.#server = createServer((request, response) => this.#serve(request, response))
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(...steps: Step[]): Promise<HttpUpstream> {
    const upstream = new HttpUpstream(steps.length === 0 ? [{}] : steps)
    await new Promise<void>((resolve) => {
      upstream.#server.listen(0, '127.0.0.1', resolve)
    })
    return upstream
  }

  get server(): Server {
    return this.#server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.port}`)
  }

  get connections(): number {
    return this.#sockets.size
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.inFlight += 1
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
    const { method = '', url = '', rawHeaders, headers } = request
    const seen: SeenRequest = { method, url, rawHeaders, headers, body: Buffer.alloc(0), aborted: false }
    this.seen.push(seen)
    response.on('close', () => {
      this.inFlight -= 1
      seen.aborted = !response.writableFinished
    })
    const step = this.steps.length > 1 ? this.steps.shift()! : this.steps[0]!
    if (typeof step === 'function') {
      void step(request, response)
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
    })
    request.on('error', () => {})
    request.on('end', () => {
      seen.body = Buffer.concat(chunks)
      void act(step, response)
    })
  }
}

async function act(step: Exclude<Step, (...args: never[]) => void>, response: ServerResponse): Promise<void> {
  if ('hang' in step) return
  if ('reset' in step) {
    if (step.after !== undefined) {
      response.writeHead(200, { 'content-type': 'text/plain' })
      await new Promise<void>((resolve) => {
        response.write(step.after, () => setTimeout(resolve, 10))
      })
    }
    response.socket?.resetAndDestroy()
    return
  }
  if ('trickle' in step) {
    response.writeHead(200, step.headers ?? { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    for (const piece of step.trickle) {
      if (response.destroyed) return
      response.write(piece)
      await wait(step.gapMs)
    }
    response.end()
    return
  }
  if (step.delayMs !== undefined) await wait(step.delayMs)
  if (response.destroyed) return
  response.writeHead(step.status ?? 200, { 'content-type': 'application/json', ...step.headers })
  response.end(step.body ?? '{"ok":true}')
}

async function wait(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
