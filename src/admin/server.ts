/**
 * The operator's listener: probes, metrics, state, events and the dashboard, on a port of its own, so that agents can
 * reach none of it. It only reads, but for the switch of `rule-switch.ts`. It answers while the data path is full, draining or not yet open, and touches nothing outside
 * this process.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Millis } from '../core/model.ts'
import type { Coordinator } from '../core/coordinator.ts'
import type { UpstreamOptions } from '../proxy/options.ts'
import type { EventFeed } from '../telemetry/event-feed.ts'
import type { Log } from '../telemetry/log.ts'
import { errorFields } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { sendJson, sendPage, sendProblem } from './answers.ts'
import type { Page } from './answers.ts'
import { MAX_STREAMS, streamEvents, streamFrames } from './event-stream.ts'
import { isOwnHost } from './host-check.ts'
import type { LiveFeed } from './live-feed.ts'
import { ruleOfPath, switchRule, type RuleSwitch } from './rule-switch.ts'
import { agentsView, upstreamsView, workflowsView } from './views.ts'
import type { EventView } from './views.ts'

/** Where this process is between start and end; ready for calls only in the middle. */
export type Readiness = 'starting' | 'ready' | 'draining'

export interface AdminSources {
  readonly core: Pick<Coordinator, 'read' | 'agents' | 'workflows'>
  readonly clock: () => Millis
  readonly upstreams: readonly UpstreamOptions[]
  readonly metrics: Metrics
  readonly feed: EventFeed<EventView>
  readonly log: Log
  readiness(): Readiness
  policies(): object
  config(): object
  /** What is known of other replicas; absent or undefined = there is no board. */
  board?(): object | undefined
  /** Counts of deferred calls; absent = nothing is deferred. */
  deferred?(): object
  /** Frames for the dashboard and `weir top`. */
  readonly live?: LiveFeed
  /** Absent = rules cannot be switched from here. */
  readonly rules?: RuleSwitch
  /** The dashboard and its files by path; `/` is the dashboard itself. */
  readonly pages?: ReadonlyMap<string, () => Page>
}

export interface AdminOptions {
  readonly host: string
  readonly port: number
}

export interface Admin {
  /** Rejects when the port is taken. */
  listen(): Promise<{ host: string; port: number }>
  /** Ends streams and closes. */
  close(): Promise<void>
}

/** Rows of a list by default and at most. */
const defaultRows = 100
const maxRows = 1000
/** Scrapers and people, not agents. */
const maxConnections = 256

type Answer = (
  response: ServerResponse,
  request: IncomingMessage,
  query: URLSearchParams,
) => void | Promise<void>

export function createAdmin(sources: AdminSources, options: AdminOptions): Admin {
  const routes = routesOf(sources)
  const own = [options.host.toLowerCase()]
  const server = createServer({ headersTimeout: 5000, requestTimeout: 10_000, keepAliveTimeout: 5000 })
  server.maxConnections = maxConnections
  server.on('request', (request, response) => {
    serve(routes, own, sources.rules, request, response).catch((error: unknown) => {
      sources.log.limited('error', 'admin', errorFields(error), 'the operator API failed to answer')
      if (response.headersSent) response.destroy()
      else sendProblem(response, 500, 'Internal error', 'the log of this process says more')
    })
  })
  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(options.port, options.host, () => {
          server.removeListener('error', reject)
          const address = server.address()
          const port = typeof address === 'object' && address !== null ? address.port : options.port
          resolve({ host: options.host, port })
        })
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(
  routes: ReadonlyMap<string, Answer>,
  own: readonly string[],
  rules: RuleSwitch | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume()
  const target = request.url ?? '/'
  const mark = target.indexOf('?')
  const path = mark < 0 ? target : target.slice(0, mark)
  const answer = routes.get(path)
  if (!isOwnHost(request.headers.host, own) && !PROBES.has(path)) {
    return sendProblem(response, 403, 'Forbidden', 'Host must be an address or a name of this listener')
  }
  const rule = ruleOfPath(path)
  if (rule !== undefined) return switchRule(rules, rule, request, response)
  if (answer === undefined) {
    return sendProblem(response, 404, 'Not found', `one of: ${[...routes.keys()].join(' ')}`)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD').setHeader('connection', 'close')
    return sendProblem(response, 405, 'Method not allowed', 'this API only reads: GET or HEAD')
  }
  await answer(response, request, new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)))
}

/** Probes say nothing that a foreign page could use, and some probers send odd hosts. */
const PROBES = new Set(['/livez', '/readyz', '/healthz'])

/** Alive means: this answers. It looks at nothing, so that nothing else's failure restarts this process. */
const live: Answer = (response) => sendJson(response, { live: true })

function routesOf(sources: AdminSources): ReadonlyMap<string, Answer> {
  const { core, clock, feed, metrics } = sources
  const ready: Answer = (response) => {
    const state = sources.readiness()
    sendJson(response, { ready: state === 'ready', state }, state === 'ready' ? 200 : 503)
  }
  const routes = new Map<string, Answer>([
    ['/livez', live],
    ['/healthz', live],
    ['/readyz', ready],
    [
      '/metrics',
      async (response) =>
        sendPage(response, { contentType: metrics.contentType, body: await metrics.scrape() }),
    ],
    [
      '/api/v1/upstreams',
      (response) => sendJson(response, upstreamsView(core.read(clock()), sources.upstreams)),
    ],
    [
      '/api/v1/agents',
      limited((response, most) => {
        const now = clock()
        sendJson(response, agentsView(core.read(now).agentsKnown, core.agents(now, most), now))
      }),
    ],
    [
      '/api/v1/workflows',
      limited((response, most) => {
        const now = clock()
        sendJson(response, workflowsView(core.read(now).workflowsKnown, core.workflows(now, most), now))
      }),
    ],
    ['/api/v1/deferred', (response) => sendJson(response, sources.deferred?.() ?? { configured: false })],
    ['/api/v1/board', (response) => sendJson(response, sources.board?.() ?? { kind: 'none' })],
    ['/api/v1/policies', (response) => sendJson(response, sources.policies())],
    ['/api/v1/config', (response) => sendJson(response, sources.config())],
    [
      '/api/v1/events',
      stream(
        () => feed.listeners,
        (response, request) => streamEvents(feed, response, lastEventId(request)),
      ),
    ],
  ])
  const frames = sources.live
  if (frames !== undefined) {
    const watch = stream(
      () => frames.watchers,
      (response) => streamFrames(frames, response),
    )
    routes.set('/api/v1/live', watch)
  }
  for (const [path, page] of sources.pages ?? []) routes.set(path, (response) => sendPage(response, page()))
  if (!routes.has('/')) routes.set('/', (response) => sendJson(response, { paths: [...routes.keys()] }))
  return routes
}

/** A stream, of which there are only so many. */
function stream(open: () => number, answer: Answer): Answer {
  return (response, request, query) => {
    if (request.method === 'HEAD') return sendPage(response, { contentType: 'text/event-stream', body: '' })
    if (open() < MAX_STREAMS) return answer(response, request, query)
    sendProblem(response, 503, 'Too many streams', `at most ${MAX_STREAMS} at once`)
  }
}

/** A list with `?limit=`. */
function limited(answer: (response: ServerResponse, most: number) => void): Answer {
  return (response, _request, query) => {
    const text = query.get('limit')
    const most = text === null ? defaultRows : Number(text)
    if (Number.isInteger(most) && most >= 1 && most <= maxRows) return answer(response, most)
    sendProblem(response, 400, 'Bad limit', `limit must be a whole number from 1 to ${maxRows}`)
  }
}

function lastEventId(request: IncomingMessage): number {
  const id = Number(request.headers['last-event-id'] ?? 0)
  return Number.isSafeInteger(id) && id > 0 ? id : 0
}
