/**
 * External authorization over HTTP, so that a proxy that is already there gets Weir's verdicts: Envoy's `ext_authz`
 * sends the head of each request, as it is, below a path prefix; nginx's `auth_request` sends a GET and the original
 * method and target as it is told to. Either asks at `/weir/v1/authz/{upstream}/rest`, an identity before it if wanted.
 *
 * 200 = go on. 429 or 403 = refused, as the client's own SDK understands it. 503 = Weir itself has no room to think: the
 * asker decides whether it fails open (`failure_mode_allow`).
 *
 * How a call ended is not told by either protocol. Weir then counts the call and learns nothing of its upstream, unless
 * `weir-endings: reported` promises that somebody says so: the answer carries `weir-ticket` for `/weir/v1/admit/{ticket}`.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Arrival, Millis, Reason } from '../core/model.ts'
import { Refused } from '../commons/refused.ts'
import { sendProblem } from '../commons/http/answers.ts'
import type { Dialect } from '../proxy/options.ts'
import type { OwnCaller } from '../proxy/lifecycle.ts'
import type { FaceRoom } from './face.ts'
import { refusalText } from './refusal.ts'
import { AUTHZ_PATH } from './routes.ts'

export interface AuthzRoom extends FaceRoom {
  /** By upstream index. */
  readonly dialects: readonly Dialect[]
}

/** Weir itself is short of room: the one who asked may fail open. */
const OWN_TROUBLE: ReadonlySet<Reason> = new Set(['overload', 'draining'])
/** The only statuses that nginx passes on: every other one becomes a 500 there. */
const NGINX_STATUSES: ReadonlySet<string> = new Set(['401', '403'])
/** Below the idle timeout of load balancers (60 s by default on AWS). */
const LONGEST_WAIT_MS: Millis = 55_000
const MARK = { 'weir-source': 'proxy', 'cache-control': 'no-store' } as const

export function serveAuthz(
  room: AuthzRoom,
  request: IncomingMessage,
  response: ServerResponse,
  caller: OwnCaller,
): void {
  response.on('error', () => {})
  // A body is never of interest, and seldom sent.
  request.resume()
  answer(room, request, response, caller).catch((error: unknown) => {
    if (sendProblem(response, error, MARK)) room.onTrouble(error)
  })
}

async function answer(
  room: AuthzRoom,
  request: IncomingMessage,
  response: ServerResponse,
  caller: OwnCaller,
): Promise<void> {
  const { desk, clock } = room
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const holder = { agent: caller.agent, isVerified: caller.trust === 'verified' }
  const isReported = header(request, 'weir-endings') === 'reported'
  const waitMs = Math.min(LONGEST_WAIT_MS, preferredWait(header(request, 'prefer')))
  const terms = { isVerified: holder.isVerified, leaseMs: undefined, waitMs, isMeasured: isReported }
  const client = { family: '', dialect: 'problem' as Dialect, callId: randomUUID() }
  const view = await desk.ask(
    (arrival) => {
      fill(room, arrival, request, caller, waitMs)
      client.family = arrival.family
      client.dialect = room.dialects[arrival.upstream] ?? 'problem'
    },
    terms,
    gone.signal,
  )
  if (view.is === 'ended') return
  const { decision, id } = view
  if (decision.is === 'go') {
    // Nobody will say how it ended. A trial that nobody judges proves nothing, whichever way.
    if (!isReported)
      await desk.report(
        id,
        holder,
        { ended: decision.reason === 'probe' ? 'cancelled' : 'ignored' },
        gone.signal,
      )
    response.writeHead(200, {
      ...MARK,
      'weir-verdict': 'pass',
      'weir-reason': decision.reason,
      'weir-call-id': client.callId,
      ...(isReported ? { 'weir-ticket': id } : {}),
      'content-length': '0',
    })
    response.end()
    return
  }
  // The core ends a wait within what was said; if it has not, the caller comes back when it would have.
  if (decision.is === 'wait') await desk.report(id, holder, { ended: 'cancelled' }, gone.signal)
  const refused = decision.is === 'wait' ? { ...decision, is: 'slot' as const, at: decision.until } : decision
  const { headers, body, status } = refusalText(refused, client, clock())
  const shown = shownStatus(decision.reason, status)
  const wanted = header(request, 'weir-refuse-with')
  // What nginx makes a 500 of is what it may fail open on.
  const isTold = shown !== 503 && NGINX_STATUSES.has(wanted)
  response.writeHead(isTold ? Number(wanted) : shown, {
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
  })
  response.end(body)
}

/** The call as it came to the proxy that asks. @throws Refused */
function fill(
  { guests }: AuthzRoom,
  arrival: Arrival,
  request: IncomingMessage,
  caller: OwnCaller,
  waitMs: Millis,
): void {
  const { rawHeaders, socket } = request
  const method = header(request, 'x-original-method') || (request.method ?? 'GET')
  const uri = header(request, 'x-original-uri')
  const place = caller.target.slice(AUTHZ_PATH.length - 1)
  // nginx has a place of its own for the question, and tells the client's target beside it.
  const target = uri === '' ? place : `/${place.split(/[/?]/, 2)[1] ?? ''}${originOf(uri)}`
  const remoteAddress = socket.remoteAddress ?? ''
  const verified = caller.trust === 'verified' ? caller.agent : ''
  const found = guests.identify({ method, target, rawHeaders, remoteAddress, verified }, arrival)
  if (!found.ok) {
    if (found.status === 403) throw new Refused('forbidden', found.reason)
    throw found.status === 404
      ? new Refused('unknown', `no upstream at ${AUTHZ_PATH}{upstream}/...: ${found.reason}`)
      : new Refused('malformed', found.reason)
  }
  if (caller.trust !== 'derived') {
    // It was named before `/weir/...`, or proved: the same name as on every other path.
    arrival.agent = caller.agent
    arrival.trust = caller.trust
  }
  if (arrival.workflow === '') arrival.workflow = caller.workflow
  // The length that is here is that of the question.
  const bytes = header(request, 'x-original-content-length')
  arrival.bytes = /^\d{1,15}$/.test(bytes) ? Number(bytes) : -1
  arrival.patienceMs = Math.min(arrival.patienceMs, waitMs)
  arrival.holdable = waitMs > 0
  arrival.deferrable = false
}

/** Origin form of what may be absolute. */
function originOf(uri: string): string {
  return uri.startsWith('/') ? uri : `/${uri}`
}

/** Envoy takes every 5xx for a failure of the one it asked, and may let the call pass: a refusal is none. */
function shownStatus(reason: Reason, status: number): number {
  if (OWN_TROUBLE.has(reason)) return 503
  return status === 403 ? 403 : 429
}

/** RFC 7240 `wait`, in ms; 0 = not said. */
function preferredWait(text: string): Millis {
  const found = /(?:^|,)\s*wait\s*=\s*"?([0-9]{1,6})"?\s*(?:,|;|$)/i.exec(text)
  return found === null ? 0 : Number(found[1]) * 1000
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? value : ''
}
