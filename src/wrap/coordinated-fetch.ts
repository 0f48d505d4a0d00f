/** `fetch`, with a core before it. */
import { carry, type Carried } from './carried.ts'
import { Coordination, type CoordinationOptions } from './coordination.ts'
import { isFailure, methodOf, urlOf, type Fetch } from './fetch-input.ts'
import { throughWeir, type ThroughWeirOptions } from './through-weir.ts'
import { watchedResponse } from './watched-response.ts'

export interface InProcessFetchOptions extends CoordinationOptions {
  /** What sends; absent = the global `fetch`, as it is at each call. */
  readonly fetch?: Fetch
}

/**
 * A `fetch` for any SDK that takes one. With `weir`, the address of a Weir, requests go there instead of to their
 * upstream; without it, the same core runs in this process. Requests to no known upstream go as they are.
 *
 * @throws TypeError when the options are not in order; the fetch itself throws what `fetch` throws, and `CallRefused`
 *   with `onRefusal: 'throw'`
 */
export function coordinatedFetch(options: InProcessFetchOptions | ThroughWeirOptions | Coordination): Fetch {
  if (options instanceof Coordination) return fetchThrough(options)
  if ('weir' in options) return throughWeir(options)
  const { fetch, ...rest } = options
  return fetchThrough(new Coordination(rest), fetch)
}

/** Headers that are for Weir alone; nobody else is to see them. */
const isOwn = (name: string): boolean => name.startsWith('weir-')

function fetchThrough(coordination: Coordination, inner?: Fetch): Fetch {
  return async (input, init) => {
    const send = inner ?? globalThis.fetch
    const url = urlOf(input)
    if (!coordination.covers(url)) return send(input, init)
    const method = methodOf(input, init)
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined)
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    const carried = carry(headers, method, url.split('?', 1)[0]!, coordination.caller)
    const rawHeaders = [...headers, ...carried.trace, ...carried.own].flat()
    const bytes = bytesOf(init?.body, headers)
    const passage = await coordination.admit({ method, url, rawHeaders, bytes }, signal)
    const sent = sentHeaders(headers, carried)
    if (passage === undefined) return send(input, { ...init, headers: sent })
    if (passage.is === 'refused') {
      carried.ended(true)
      if (coordination.onRefusal === 'throw') throw passage.error
      const { status, headers: said, body } = passage.text
      return new Response(method === 'HEAD' ? null : body, { status, headers: said })
    }
    const { turn, family } = passage
    turn.sent()
    let response: Response
    try {
      response = await send(retargeted(input, url, passage.url), { ...init, headers: sent })
    } catch (error) {
      carried.ended(true)
      turn.settle({ kind: signal?.aborted === true ? 'cancelled' : 'failure', status: 0, answered: false })
      throw error
    }
    carried.ended(isFailure(response.status))
    return watchedResponse(response, {
      turn,
      method,
      family,
      clock: coordination.clock,
      signal: signal ?? undefined,
    })
  }
}

function sentHeaders(headers: Headers, { trace }: Carried): Headers {
  const sent = new Headers(trace.map(([name, value]): [string, string] => [name, value]))
  for (const [name, value] of headers) if (!isOwn(name)) sent.append(name, value)
  return sent
}

/** The same, unless it goes to another member of its upstream's group. */
function retargeted(input: Parameters<Fetch>[0], from: string, to: string): Parameters<Fetch>[0] {
  if (from === to) return input
  return input instanceof Request ? new Request(to, input) : to
}

/** Its length alone; -1 = unknown. */
function bytesOf(body: RequestInit['body'], headers: Headers): number {
  if (body === undefined || body === null) return Number(headers.get('content-length') ?? 0)
  if (typeof body === 'string') return Buffer.byteLength(body)
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) return body.byteLength
  if (body instanceof URLSearchParams) return Buffer.byteLength(body.toString())
  return body instanceof Blob ? body.size : -1
}
