/**
 * Clients of all kinds at a fixed rate, whatever becomes of their calls: most ask a small question, some send half a
 * megabyte, some listen to a stream, some leave in the middle, some break off their own request. A new agent now and
 * then, so that tables fill and forget.
 */
import { Agent, request as httpRequest, type ClientRequest } from 'node:http'
import { seeded } from '../../src/core/random.ts'

export interface Load {
  /** Calls begun, and how they ended. */
  readonly count: { started: number; readonly byEnd: Record<string, number> }
  start(): void
  /** No new calls; resolves when all have ended, or after ten seconds. */
  stop(): Promise<void>
}

const SMALL = Buffer.alloc(2048, 'a')
const LARGE = Buffer.alloc(524_288, 'b')
const TICK_MS = 5
const LEAVE_AFTER_MS = 40
const AGENTS = 50_000
const STOP_WITHIN_MS = 10_000
/** More at once than this would be a test of the client. */
const MOST_OPEN = 3000

interface Kind {
  readonly share: number
  readonly path: string
  readonly body?: Buffer
  readonly leaves?: boolean
  readonly breaks?: boolean
}

const KINDS: readonly Kind[] = [
  { share: 0.45, path: '/v1/models' },
  { share: 0.3, path: '/v1/chat/completions', body: SMALL },
  { share: 0.02, path: '/v1/files', body: LARGE },
  { share: 0.1, path: '/sse' },
  { share: 0.05, path: '/sse', leaves: true },
  { share: 0.05, path: '/v1/chat/completions', body: SMALL, leaves: true },
  { share: 0.03, path: '/v1/files', body: LARGE, breaks: true },
]

export function createLoad(port: number, prefix: string, callsPerSecond: number): Load {
  const random = seeded(5)
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_OPEN })
  const count: Load['count'] = { started: 0, byEnd: {} }
  const open = new Set<ClientRequest>()
  let timer: NodeJS.Timeout | undefined

  function pick(): Kind {
    let luck = random()
    for (const kind of KINDS) {
      luck -= kind.share
      if (luck < 0) return kind
    }
    return KINDS[0]!
  }

  function call(): void {
    const kind = pick()
    const headers: Record<string, string> = { 'weir-agent': `agent-${Math.floor(random() ** 3 * AGENTS)}` }
    if (kind.body !== undefined) headers['content-length'] = String(kind.body.length)
    const method = kind.body === undefined ? 'GET' : 'POST'
    const options = { host: '127.0.0.1', port, path: prefix + kind.path, method, headers, agent }
    count.started += 1
    let isOver = false
    const ended = (how: string): void => {
      if (isOver) return
      isOver = true
      open.delete(request)
      count.byEnd[how] = (count.byEnd[how] ?? 0) + 1
    }
    const request = httpRequest(options, (response) => {
      response.resume()
      response.on('end', () => ended(String(response.statusCode)))
      response.on('error', () => ended('cut'))
    })
    open.add(request)
    request.on('error', () => ended('failed'))
    request.on('close', () => ended('closed'))
    if (kind.breaks === true) request.write(kind.body?.subarray(0, 100_000))
    else request.end(kind.body)
    if (kind.leaves === true || kind.breaks === true) setTimeout(() => request.destroy(), LEAVE_AFTER_MS)
  }

  return {
    count,
    start() {
      const startedAt = performance.now()
      let due = 0
      timer = setInterval(() => {
        due = ((performance.now() - startedAt) / 1000) * callsPerSecond
        while (count.started < due && open.size < MOST_OPEN) call()
      }, TICK_MS)
    },
    async stop() {
      clearInterval(timer)
      for (let waited = 0; open.size > 0 && waited < STOP_WITHIN_MS; waited += 50) {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      for (const request of open) request.destroy()
      agent.destroy()
    },
  }
}
