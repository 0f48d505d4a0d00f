/**
 * `fetch` by way of a Weir: a request to a known upstream goes to `{weir}/{upstream}/rest`, with the names of whoever
 * calls. For code whose base URL cannot be changed, or that wants its identity carried.
 */
import { carry } from './carried.ts'
import type { Traces } from './scope.ts'
import { isFailure, methodOf, urlOf, type Fetch } from './fetch-input.ts'

export interface ThroughWeirOptions {
  /** Base of the agents' listener, such as `http://127.0.0.1:8080`. */
  readonly weir: string | URL
  /** As the Weir knows them, by name: the base of the URLs that go there otherwise. */
  readonly upstreams: Readonly<Record<string, string | URL>>
  /** Name of whoever calls outside of every `withAgent`. */
  readonly agent?: string
  /** Calls that get a `traceparent` where they have none. Default: workflow. */
  readonly traces?: Traces
  /** A Weir that cannot be reached: fail, or go to the upstream itself where nothing was sent yet. Default: error. */
  readonly onUnreachable?: 'error' | 'direct'
  readonly fetch?: Fetch
}

/** Nothing of a request has left this machine when a connection ends like this. */
const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
])

/** @throws TypeError for an address that is none */
export function throughWeir(options: ThroughWeirOptions): Fetch {
  const weir = new URL(options.weir).href.replace(/\/+$/, '')
  const bases = Object.entries(options.upstreams)
    .map(([name, url]) => ({ name, base: new URL(url).href.replace(/\/+$/, '') }))
    .toSorted((one, other) => other.base.length - one.base.length)

  function placeOf(url: string): string | undefined {
    const found = bases.find(({ base }) => url.startsWith(base) && /^([/?#]|$)/.test(url.slice(base.length)))
    return found === undefined ? undefined : `${weir}/${found.name}${url.slice(found.base.length)}`
  }

  return async (input, init) => {
    const send = options.fetch ?? globalThis.fetch
    const url = urlOf(input)
    const place = placeOf(url)
    if (place === undefined) return send(input, init)
    const method = methodOf(input, init)
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    const carried = carry(headers, method, url.split('?', 1)[0]!, options)
    for (const [name, value] of [...carried.trace, ...carried.own]) headers.set(name, value)
    const mayGoDirect = options.onUnreachable === 'direct' && !(input instanceof Request)
    try {
      const target = input instanceof Request ? new Request(place, input) : place
      const response = await send(target, { ...init, headers })
      carried.ended(isFailure(response.status))
      return response
    } catch (error) {
      carried.ended(true)
      if (!mayGoDirect || !neverConnected(error)) throw error
      return send(input, init)
    }
  }
}

function neverConnected(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && NEVER_CONNECTED.has(String(cause.code))
}
