/** `/weir/v1/*` of the commons: finds the row, checks what was sent by the row's schemas, runs it, answers. */
import { setMaxListeners } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import type { Caller } from '../caller.ts'
import type { Commons } from '../commons.ts'
import { parseJson } from '../json.ts'
import { Refused } from '../refused.ts'
import { VERSIONED } from '../version-path.ts'
import { send, sendProblem } from './answers.ts'
import { checked, refusedBy } from './checked.ts'
import { EventStream } from './event-stream.ts'
import { openApi } from './openapi.ts'
import { Places } from './places.ts'
import { readBody } from './read-body.ts'
import { ROUTES } from './routes.ts'
import { matchPath, type Answer, type Asked, type Route } from './route.ts'

/** Who asks, and with which target (path and query as sent). */
export interface FaceCaller extends Caller {
  readonly target: string
}

export interface Face {
  /** False = the path is none of these. */
  serve(request: IncomingMessage, response: ServerResponse, path: string, caller: FaceCaller): boolean
  /** Ends streams and waits; what comes then is refused with 503. */
  drain(): void
  /** Streams and long polls now. */
  readonly waiting: number
}

/** A handler of a path of its own, such as MCP. `wait` takes a place until the answer is out. */
export type ExtraFace = (
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
  signal: AbortSignal,
  wait: () => void,
) => Promise<void>

/** Of a request beyond the record in it: names and brackets. */
const ENVELOPE_BYTES = 16 * 1024

export function createFace(
  commons: Commons,
  version: string,
  extra: ReadonlyMap<string, ExtraFace> = new Map(),
): Face {
  const places = new Places(commons.limits.listeners, commons.limits.listenersPerAgent)
  const leaving = new AbortController()
  // One per request in progress: as many as there are connections.
  setMaxListeners(0, leaving.signal)
  const documents = new Map<string, () => object>([
    [`${VERSIONED}/openapi.json`, () => openApi(ROUTES, version)],
  ])

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    from: FaceCaller,
  ): Promise<void> {
    checkOrigin(request.headers.origin)
    if (leaving.signal.aborted) throw new Refused('draining', 'this Weir is going away; ask again')
    const { target, ...caller } = from
    const gone = goneSignal(response, leaving.signal)
    const other = extra.get(path)
    if (other !== undefined) {
      let leave = ignore
      const wait = (): void => {
        leave = places.take(caller.agent)
      }
      return other(request, response, caller, gone, wait).finally(() => leave())
    }
    const document = documents.get(path)
    if (document !== undefined && request.method === 'GET')
      return send(response, { status: 200, body: document() })
    const { row, params } = find(request.method ?? 'GET', path)
    const mostBytes = commons.limits.recordBytes + ENVELOPE_BYTES
    const takesBody = row.body !== undefined || row.raw !== undefined
    if (request.headers.expect !== undefined) response.writeContinue()
    const bytes = takesBody ? await readBody(request, mostBytes) : Buffer.alloc(0)
    if (!takesBody) request.resume()
    const text = row.body === undefined ? '' : bytes.toString('utf8')
    // An empty body is as good as an object with nothing in it.
    const body = row.body === undefined ? undefined : text === '' ? {} : parseJson(text, 'body', mostBytes)
    let giveBack = ignore
    let stream: EventStream | undefined
    const asked: Asked<unknown, unknown, unknown> = {
      caller,
      params: checked(row.params, params, 'path'),
      query: checked(row.query ?? z.strictObject({}), queryOf(target), 'query'),
      body: checked(row.body, body, ''),
      headers: request.headers,
      bytes,
      commons,
      signal: gone,
      wait: () => {
        giveBack = places.take(caller.agent)
      },
      stream: () => {
        giveBack = places.take(caller.agent)
        return (stream = new EventStream(response))
      },
    }
    try {
      const given: Answer | undefined = await row.run(asked)
      if (given !== undefined) send(response, given)
    } finally {
      stream?.end()
      giveBack()
    }
  }

  function serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    caller: FaceCaller,
  ): boolean {
    if (!isOwnPath(path, extra, documents)) return false
    response.on('error', ignore)
    answer(request, response, path, caller).catch((error: unknown) => {
      request.resume()
      const allow = error instanceof WrongMethod ? { allow: error.allowed } : {}
      const isOurs = sendProblem(response, error instanceof z.ZodError ? refusedBy(error, '') : error, allow)
      if (isOurs) commons.onTrouble(error)
    })
    return true
  }

  return {
    serve,
    drain: () => leaving.abort(),
    get waiting() {
      return places.taken
    },
  }
}

class WrongMethod extends Refused {
  readonly allowed: string

  constructor(method: string, allowed: string) {
    super('wrong-method', `${method} is not served here; allowed: ${allowed}`)
    this.allowed = allowed
  }
}

/**
 * Agents are not browsers: a page of somebody else must not speak for one that listens on this machine, by its own
 * name or by one that it points here. @throws Refused `forbidden`
 */
function checkOrigin(origin: string | undefined): void {
  if (origin === undefined || (URL.canParse(origin) && LOCAL.has(new URL(origin).hostname))) return
  throw new Refused('forbidden', 'pages of other origins have no access', [
    { where: 'Origin', found: 'a foreign origin', allowed: 'none, or one of this machine' },
  ])
}

const LOCAL: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

function isOwnPath(path: string, ...others: ReadonlyMap<string, unknown>[]): boolean {
  return (
    others.some((known) => known.has(path)) || ROUTES.some((row) => matchPath(row.path, path) !== undefined)
  )
}

/** Fixed paths before those with parameters. @throws Refused `wrong-method` */
function find(method: string, path: string): { row: Route; params: Record<string, string> } {
  const fitting = ROUTES.flatMap((row) => {
    const params = matchPath(row.path, path)
    return params === undefined ? [] : [{ row, params }]
  }).toSorted((one, other) => Object.keys(one.params).length - Object.keys(other.params).length)
  const found = fitting.find(({ row }) => row.method === method)
  if (found !== undefined) return found
  throw new WrongMethod(method, [...new Set(fitting.map(({ row }) => row.method))].join(', '))
}

function queryOf(target: string): Record<string, string | string[]> {
  const mark = target.indexOf('?')
  const query: Record<string, string | string[]> = {}
  if (mark === -1) return query
  const read = new URLSearchParams(target.slice(mark + 1))
  for (const name of new Set(read.keys())) {
    const values = read.getAll(name)
    query[name] = values.length === 1 ? values[0]! : values
  }
  return query
}

function goneSignal(response: ServerResponse, leaving: AbortSignal): AbortSignal {
  const gone = new AbortController()
  const abort = (): void => gone.abort()
  leaving.addEventListener('abort', abort, { once: true })
  response.once('close', () => {
    leaving.removeEventListener('abort', abort)
    abort()
  })
  return gone.signal
}

function ignore(): void {}
