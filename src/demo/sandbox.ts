/**
 * The sandbox upstream: model and tool APIs on loopback, without keys, that behave as a script says and keep a
 * ledger of what really arrived. The demo, the tests and the benches stand on it; nothing in production does.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Millis } from '../core/model.ts'
import { seeded } from '../core/random.ts'
import { digestOf } from './sandbox-answer.ts'
import type { Answer, SandboxRequest } from './sandbox-answer.ts'
import { Capacity } from './sandbox-capacity.ts'
import type { Fate } from './sandbox-capacity.ts'
import { Ledger } from './sandbox-ledger.ts'
import { quotaHeaders, refusalBody, retryHeaders } from './sandbox-refusal.ts'
import { answerTo, dialectOf } from './sandbox-routes.ts'
import { HEALTHY } from './sandbox-script.ts'
import type { SandboxBehaviour } from './sandbox-script.ts'

export interface SandboxOptions {
  readonly behaviour?: Partial<SandboxBehaviour>
  /** Of the service times and errors. */
  readonly seed?: number
  /** Header that names a logical call, the same on every attempt; lower case. */
  readonly idHeader?: string
}

export interface Sandbox {
  readonly ledger: Ledger
  /** Origin, such as `http://127.0.0.1:41234`; '' before `listen`. */
  readonly url: string
  /** Calls in service and waiting for a server. */
  readonly load: { readonly busy: number; readonly waiting: number }
  /** Starts on loopback; 0 = a free port. Answers the origin. */
  listen(port?: number): Promise<string>
  /** Changes the named parts of the behaviour; the phases of the script count from now. */
  behave(behaviour: Partial<SandboxBehaviour>): void
  /** Cuts what is open. */
  close(): Promise<void>
}

/** The largest request body that is read, in bytes; beyond it 413. */
const maxBodyBytes = 64 * 1024 * 1024

const clock = (): Millis => performance.now()

export function createSandbox(options: SandboxOptions = {}): Sandbox {
  const idHeader = options.idHeader ?? 'x-call-id'
  let behaviour: SandboxBehaviour = { ...HEALTHY, ...options.behaviour }
  let url = ''
  const ledger = new Ledger(clock)
  const capacity = new Capacity(behaviour, clock, seeded(options.seed ?? 1))
  const server = createServer({ keepAliveTimeout: 75_000, requestTimeout: 0, noDelay: true })
  server.on('connection', (socket: Socket) => {
    if (capacity.stopped) socket.resetAndDestroy()
  })
  server.on('request', (request, response) => {
    const header = request.headers[idHeader]
    const exchange = new Exchange(
      request,
      response,
      typeof header === 'string' ? header : '',
      ledger,
      capacity,
    )
    exchange.begin(behaviour)
  })
  return {
    ledger,
    get url() {
      return url
    },
    get load() {
      return capacity.load
    },
    async listen(port = 0) {
      await listening(server, port)
      const address = server.address()
      if (typeof address === 'object' && address !== null) url = `http://127.0.0.1:${address.port}`
      return url
    },
    behave(changes) {
      behaviour = { ...behaviour, ...changes }
      capacity.behave(behaviour)
    },
    async close() {
      capacity.close()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

/** One call at the sandbox. It ends exactly once in the ledger: answered whole, or cut. */
class Exchange {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #id: string
  readonly #ledger: Ledger
  readonly #capacity: Capacity
  readonly #path: string
  readonly #query: string
  #timer: NodeJS.Timeout | undefined
  #leave: (() => void) | undefined
  #status = 0

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    ledger: Ledger,
    capacity: Capacity,
  ) {
    this.#request = request
    this.#response = response
    this.#id = id
    this.#ledger = ledger
    this.#capacity = capacity
    const target = request.url ?? '/'
    const mark = target.indexOf('?')
    this.#path = mark < 0 ? target : target.slice(0, mark)
    this.#query = mark < 0 ? '' : target.slice(mark + 1)
  }

  begin(behaviour: SandboxBehaviour): void {
    this.#ledger.arrived(this.#id)
    this.#response.on('close', () => {
      if (this.#response.writableFinished) this.#ledger.answered(this.#id, this.#status)
      else this.#ledger.cut()
      if (!behaviour.worksOn) this.#leave?.()
    })
    this.#response.on('error', () => {})
    const chunks: Buffer[] = []
    let bytes = 0
    this.#request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= maxBodyBytes) chunks.push(chunk)
    })
    this.#request.on('error', () => {})
    this.#request.on('end', () => {
      if (bytes > maxBodyBytes) return this.#refuse(413, -1)
      const body = Buffer.concat(chunks)
      const leave = this.#capacity.enter((fate) => this.#meet(fate, body, behaviour))
      this.#leave ??= leave
    })
  }

  #meet(fate: Fate, body: Buffer, behaviour: SandboxBehaviour): void {
    switch (fate.kind) {
      case 'hang':
        return
      case 'reset':
        this.#request.socket.resetAndDestroy()
        return
      case 'refuse':
        return this.#refuse(fate.status, fate.retryAfterMs)
      case 'serve':
        return this.#serve(fate, body, behaviour.firstByteShare)
    }
  }

  #serve(fate: Fate & { kind: 'serve' }, body: Buffer, firstByteShare: number): void {
    const answer = answerTo(this.#seen(body))
    this.#leave = () => {
      clearTimeout(this.#timer)
      fate.done()
    }
    const { serviceMs } = fate
    if (!answer.streaming) {
      this.#after(serviceMs, () => {
        fate.done()
        this.#head(answer)
        this.#response.end(answer.parts[0])
      })
      return
    }
    const last = answer.parts.length - 1
    const gapMs = last === 0 ? 0 : (serviceMs * (1 - firstByteShare)) / last
    const send = (at: number): void => {
      if (at === 0) this.#head(answer)
      this.#response.write(answer.parts[at])
      if (at < last) return this.#after(gapMs, () => send(at + 1))
      fate.done()
      this.#response.end()
    }
    this.#after(serviceMs * firstByteShare, () => send(0))
  }

  #head(answer: Answer): void {
    if (this.#response.headersSent || this.#response.destroyed) return
    this.#status = answer.status
    const headers: Record<string, string> = { 'content-type': answer.contentType, ...this.#quota() }
    if (answer.streaming) headers['cache-control'] = 'no-cache'
    else headers['content-length'] = String(Buffer.byteLength(answer.parts[0] ?? ''))
    this.#response.writeHead(answer.status, headers)
  }

  #refuse(status: number, retryAfterMs: Millis): void {
    if (this.#response.destroyed) return
    this.#status = status
    const body = refusalBody(dialectOf(this.#path), status)
    this.#response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      ...retryHeaders(retryAfterMs),
      ...this.#quota(),
    })
    this.#response.end(body)
  }

  #quota(): Record<string, string> {
    const quota = this.#capacity.quota()
    return quota === undefined ? {} : quotaHeaders(dialectOf(this.#path), quota, Date.now())
  }

  #seen(body: Buffer): SandboxRequest {
    const method = this.#request.method ?? 'GET'
    return {
      method,
      path: this.#path,
      query: new URLSearchParams(this.#query),
      rawHeaders: this.#request.rawHeaders,
      body,
      digest: digestOf(method, this.#request.url ?? '/', body),
    }
  }

  /** Without a wait there is no timer: the sandbox must not be what a bench measures. */
  #after(waitMs: Millis, act: () => void): void {
    if (waitMs <= 0) act()
    else this.#timer = setTimeout(act, waitMs)
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}
