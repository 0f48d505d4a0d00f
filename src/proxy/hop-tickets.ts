/**
 * Tickets of the 307 hold chain (wire.md 0.8): a held call is answered 307 to its own URL plus a ticket, the client
 * comes back at once with the same method, body and credentials, and waits on. It costs no retry and restarts the
 * client's and every balancer's idle timer.
 *
 * A ticket is 128 random bits, lives at most one hop, and opens only to the request that it was given to: another
 * client that learns it (a log, a referrer) has other credentials and is treated as a new call.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const PARAMETER = '__weir='
const TICKET_BYTES = 16

/** What stays byte for byte the same over a hop in every client that follows it (wire.md 0.8 and 2). */
const BOUND_HEADERS = [
  'weir-key',
  'authorization',
  'x-api-key',
  'x-goog-api-key',
  'content-length',
  'content-type',
  'user-agent',
] as const

/** The ticket in a request target; '' = none. */
export function ticketOf(url: string): string {
  const at = parameterAt(url)
  return at === -1 ? '' : url.slice(at + PARAMETER.length, endOf(url, at))
}

/** The target as the client first sent it. Unchanged when it has no ticket. */
export function withoutTicket(url: string): string {
  const at = parameterAt(url)
  if (at === -1) return url
  const end = endOf(url, at)
  const rest = url.slice(end + 1)
  return rest === '' ? url.slice(0, at - 1) : url.slice(0, at) + rest
}

/** `Location` of a hop: only a query, so that it survives every rewriting of the path in front of Weir. */
export function hopLocation(url: string, ticket: string): string {
  const original = withoutTicket(url)
  const at = original.indexOf('?')
  const query = at === -1 ? '' : original.slice(at + 1)
  return `?${query === '' ? '' : `${query}&`}${PARAMETER}${ticket}`
}

export class HopTickets<T extends { readonly call: { request: IncomingMessage } }> {
  readonly #waiting = new Map<string, T>()

  get size(): number {
    return this.#waiting.size
  }

  issue(holder: T): string {
    const ticket = randomBytes(TICKET_BYTES).toString('hex')
    this.#waiting.set(ticket, holder)
    return ticket
  }

  /** Whoever `request` is the next hop of; a ticket is good once. A request that does not match spends nothing. */
  redeem(ticket: string, request: IncomingMessage): T | undefined {
    const holder = this.#waiting.get(ticket)
    if (holder === undefined || !isSameRequest(holder.call.request, request)) return undefined
    this.#waiting.delete(ticket)
    return holder
  }

  revoke(ticket: string): void {
    this.#waiting.delete(ticket)
  }
}

function isSameRequest(before: IncomingMessage, now: IncomingMessage): boolean {
  if (before.method !== now.method) return false
  if (comparable(before.url ?? '') !== comparable(now.url ?? '')) return false
  return BOUND_HEADERS.every((name) => before.headers[name] === now.headers[name])
}

/** An empty query does not survive the way through `Location`. */
function comparable(url: string): string {
  const original = withoutTicket(url)
  return original.endsWith('?') ? original.slice(0, -1) : original
}

/** Where the parameter's name begins; it counts only as a whole parameter of the query. */
function parameterAt(url: string): number {
  const query = url.indexOf('?')
  if (query === -1) return -1
  if (url.startsWith(PARAMETER, query + 1)) return query + 1
  const at = url.indexOf(`&${PARAMETER}`, query)
  return at === -1 ? -1 : at + 1
}

function endOf(url: string, at: number): number {
  const end = url.indexOf('&', at)
  return end === -1 ? url.length : end
}
