/**
 * `/weir/v1/deferred/{id}`, for the agent that was told 202: poll, wait (`Prefer: wait=N`, RFC 7240), listen (server
 * sent events), and cancel.
 *
 * Who may: whoever knows the id. It is a capability of 128 random bits that only the 202 carried, over the same
 * connection as the call itself; the names that agents claim for themselves protect nothing. A call of an agent that
 * had proved who it is can besides be fetched by that agent only: an id that leaked is then of no use. A foreigner
 * learns nothing, not even that the call exists.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Millis, Trust } from '../core/model.ts'
import { isEnding, type DeferredView } from './deferred-call.ts'
import type { Deferral } from './deferral.ts'
import { ended, gone, nothing, pending, problem, removed, replay, unavailable } from './face-answers.ts'

export const DEFERRED_PATH = '/weir/v1/deferred/'

/** Who asks, as the identifier sees it. */
export interface Caller {
  readonly agent: string
  readonly trust: Trust
}

/** Below the idle timeout of load balancers (60 s by default on AWS). */
const LONGEST_WAIT_MS: Millis = 55_000
const HEARTBEAT_MS: Millis = 15_000
/** base64url of 16 bytes. */
const ID = /^[A-Za-z0-9_-]{22}$/
/** Streams end after so long, and clients of event streams come again. */
const LONGEST_STREAM_MS: Millis = 15 * 60_000

/** False = the path is none of these. */
export function serveDeferred(
  deferral: Deferral,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  caller: Caller,
): boolean {
  if (!path.startsWith(DEFERRED_PATH)) return false
  request.resume()
  response.on('error', ignore)
  const id = path.slice(DEFERRED_PATH.length)
  serve(deferral, request, response, ID.test(id) ? id : '', caller).catch(() => unavailable(response))
  return true
}

async function serve(
  deferral: Deferral,
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
  caller: Caller,
): Promise<void> {
  const { method } = request
  if (method !== 'GET' && method !== 'HEAD' && method !== 'DELETE') {
    response.setHeader('allow', 'GET, HEAD, DELETE')
    problem(
      response,
      405,
      'method_not_allowed',
      'A deferred call is fetched with GET and cancelled with DELETE.',
    )
    return
  }
  const view = id === '' ? undefined : await deferral.view(id)
  if (view === undefined || !mayFetch(view, caller)) {
    nothing(response)
    return
  }
  if (method === 'DELETE') {
    await cancel(deferral, response, id)
    return
  }
  if (request.headers.accept?.includes('text/event-stream') === true && !isEnding(view.state)) {
    await stream(deferral, response, view)
    return
  }
  const waitMs = isEnding(view.state) ? 0 : preferredWait(request)
  if (waitMs > 0) {
    response.setHeader('preference-applied', `wait=${waitMs / 1000}`)
    await deferral.wait(id, waitMs, (leave) => response.once('close', leave))
    if (response.destroyed) return
  }
  await answerNow(deferral, response, id)
}

function mayFetch(view: DeferredView, { agent, trust }: Caller): boolean {
  return view.trust !== 'verified' || (trust === 'verified' && agent === view.agent)
}

/** What is known of the call at this moment; the whole original answer when it is done. */
export async function answerNow(deferral: Deferral, response: ServerResponse, id: string): Promise<void> {
  const view = await deferral.view(id)
  if (view === undefined) {
    nothing(response)
    return
  }
  if (!isEnding(view.state)) {
    pending(response, view, deferral.retryAfterMs)
    return
  }
  const kept = view.status === 0 ? undefined : await deferral.answer(id)
  if (kept?.is === 'answer' && view.state === 'done') replay(response, kept.answer, view.state)
  else if (kept?.is === 'no-key') {
    const text = `The answer is kept sealed under key ${kept.keyId}, which is not configured; it is not lost.`
    problem(response, 503, 'key_missing', text)
  } else if (kept !== undefined && view.state === 'done') {
    problem(response, 502, 'damaged', 'The call was answered, and what is stored of the answer is damaged.')
  } else if (kept?.is === 'answer') {
    ended(response, view, kept.answer)
  } else gone(response, view)
}

/** For a client that waits at its own call: the whole answer if there is one by now. False = there is none yet. */
export async function replayIfDone(
  deferral: Deferral,
  response: ServerResponse,
  id: string,
): Promise<boolean> {
  const view = await deferral.view(id)
  if (view?.state !== 'done') return false
  const kept = await deferral.answer(id)
  if (kept.is !== 'answer') return false
  response.setHeader('preference-applied', 'respond-async, wait')
  replay(response, kept.answer, view.state)
  return true
}

async function cancel(deferral: Deferral, response: ServerResponse, id: string): Promise<void> {
  switch (await deferral.cancel(id)) {
    case 'cancelled':
    case 'removed':
      removed(response)
      return
    case 'running':
      problem(
        response,
        409,
        'running',
        'The call is under way and cannot be taken back; its answer will be kept.',
      )
      return
    case 'none':
      nothing(response)
      return
  }
}

/** One event per state, the last one when the call has ended; then the stream ends. */
async function stream(deferral: Deferral, response: ServerResponse, first: DeferredView): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'weir-source': 'proxy',
  })
  const since = performance.now()
  let told = ''
  let view: DeferredView | undefined = first
  while (view !== undefined && !response.destroyed) {
    const state: string = view.state === 'leased' ? 'waiting' : view.state
    if (state === told) response.write(': still there\n\n')
    else {
      const { id, status, why } = view
      const data = { id, state, ...(status === 0 ? {} : { status }), ...(why === '' ? {} : { why }) }
      response.write(`event: ${state}\ndata: ${JSON.stringify(data)}\n\n`)
    }
    told = state
    if (isEnding(view.state) || performance.now() - since > LONGEST_STREAM_MS) break
    await deferral.wait(first.id, HEARTBEAT_MS, (leave) => response.once('close', leave))
    if (!deferral.isOpen) break
    view = await deferral.view(first.id)
  }
  response.end()
}

/** Whole seconds, in ms, never longer than connections live. */
function preferredWait(request: IncomingMessage): Millis {
  const text = request.headers['prefer']
  const found = /(?:^|,)\s*wait\s*=\s*"?([0-9]{1,6})"?\s*(?:,|;|$)/i.exec(String(text ?? ''))
  return found === null ? 0 : Math.min(LONGEST_WAIT_MS, Number(found[1]) * 1000)
}

function ignore(): void {}
