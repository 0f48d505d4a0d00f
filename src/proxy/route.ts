/**
 * Where a call goes, from the raw request target alone: `/{upstream}/rest`, with an identity before it
 * (`/@{agent}/...`, `/@{agent}.{workflow}/...`), or `/weir/...` for Weir itself. The upstream's host never comes
 * from the client, and the target for it is the client's own bytes behind the configured base path.
 *
 * In the base URL the first dot ends the agent's name: `@kyc.run-7` is agent `kyc` in workflow `run-7`.
 */
import { isIdentifier } from './identifier.ts'
import { PathTemplates } from './path-template.ts'
import { RecentMap } from './recent-map.ts'
import { normalPath, refuseQuery } from './request-target.ts'

interface Identified {
  /** From `/@agent.workflow/`; '' = none, or none that is well formed. */
  readonly agent: string
  readonly workflow: string
  /** Ticket of the 307 hold chain, taken out of `target`; '' = none. */
  readonly ticket: string
}

export interface UpstreamRoute extends Identified {
  readonly ok: true
  readonly own: false
  readonly upstream: number
  /** Origin-form for the upstream: base path and rest, the client's bytes untouched. */
  readonly target: string
  /** Normal form of the rest without query and base path: rules match it. */
  readonly path: string
  /** `path` with ids folded to `*`, of bounded variety: latency classes. */
  readonly template: string
}

export interface OwnRoute extends Identified {
  readonly ok: true
  readonly own: true
  /** Normal form, `/weir/...`, without query. */
  readonly path: string
  /** The same as sent, with its query. */
  readonly target: string
}

export interface NoRoute {
  readonly ok: false
  readonly status: 400 | 404 | 405 | 414
  readonly reason: string
}

export type Routed = UpstreamRoute | OwnRoute | NoRoute

/** Answers for one request line; equal targets may get the same object. */
export type Router = (method: string, target: string) => Routed

/** Name of Weir's own API in paths, reserved among upstreams. */
const OWN_NAME = 'weir'
/** Query parameter of the 307 hold chain. */
const TICKET = '__weir='
const REMEMBERED_TARGETS = 4096
const LONGEST_REMEMBERED = 256

/**
 * Results of equal targets may be the same object.
 *
 * @param upstreams in the order of their indexes; `basePath` '' or '/' or '/base', a last '/' counts for nothing
 * @param limits `urlBytes`: longer targets are 414
 * @param ownAuthorities lower-case `host:port` names of our own listener: absolute-form targets for them are
 *   taken as origin-form, all others refused (promises.md 26)
 */
export function createRouter(
  upstreams: readonly { readonly name: string; readonly basePath: string }[],
  limits: { readonly urlBytes: number },
  ownAuthorities: ReadonlySet<string> = new Set(),
): Router {
  const indexes = new Map(upstreams.map(({ name }, index) => [name, index]))
  const bases = upstreams.map(({ basePath }) => withoutLastSlash(basePath))
  const templates = upstreams.map(() => new PathTemplates())
  const recent = new RecentMap<Routed>(REMEMBERED_TARGETS)

  function find(target: string): Routed {
    const queryAt = target.indexOf('?')
    const rawPath = queryAt === -1 ? target : target.slice(0, queryAt)
    const rawQuery = queryAt === -1 ? '' : target.slice(queryAt)
    const path = normalPath(rawPath)
    if (!path.startsWith('/')) return refuse(400, path)
    const badQuery = refuseQuery(rawQuery)
    if (badQuery !== '') return refuse(400, badQuery)

    const ticket = ticketOf(rawQuery)
    const query = ticket === undefined ? rawQuery : withoutTicket(rawQuery)
    let from = 1
    let rawFrom = 1
    let name = segmentAt(path, from)
    let agent = ''
    let workflow = ''
    if (name.startsWith('@') || name.startsWith('%40')) {
      ;({ agent, workflow } = identityIn(name))
      from += name.length + 1
      rawFrom = rawPath.indexOf('/', rawFrom) + 1
      name = rawFrom === 0 ? '' : segmentAt(path, from)
    }
    const identified = { agent, workflow, ticket: ticket ?? '' }
    if (name === OWN_NAME) {
      return {
        ok: true,
        own: true,
        path: path.slice(from - 1),
        target: rawPath.slice(rawFrom - 1) + query,
        ...identified,
      }
    }
    const upstream = name === '' ? undefined : indexes.get(name)
    if (upstream === undefined) return refuse(404, 'unknown upstream')
    const rest = path.slice(from + name.length)
    const rawEnd = rawPath.indexOf('/', rawFrom)
    const rawRest = rawEnd === -1 ? '' : rawPath.slice(rawEnd)
    const rulePath = rest === '' ? '/' : rest
    return {
      ok: true,
      own: false,
      upstream,
      target: (bases[upstream] + rawRest || '/') + query,
      path: rulePath,
      template: templates[upstream]!.of(rulePath),
      ...identified,
    }
  }

  return (method, target) => {
    if (method === 'CONNECT' || method === 'TRACE') return refuse(405, `${method} is not served`)
    const known = recent.get(target)
    if (known !== undefined) return known
    if (target.length > limits.urlBytes)
      return refuse(414, `the request target is over ${limits.urlBytes} bytes`)
    const origin = target.startsWith('/') ? target : originForm(target, ownAuthorities)
    if (origin === '') return refuse(400, 'the request target is not a path of this listener')
    const routed = find(origin)
    if (routed.ok && routed.ticket === '' && target.length <= LONGEST_REMEMBERED) recent.set(target, routed)
    return routed
  }
}

function refuse(status: NoRoute['status'], reason: string): NoRoute {
  return { ok: false, status, reason }
}

function withoutLastSlash(basePath: string): string {
  return basePath.endsWith('/') ? basePath.slice(0, -1) : basePath
}

function segmentAt(path: string, from: number): string {
  const to = path.indexOf('/', from)
  return path.slice(from, to === -1 ? path.length : to)
}

/** A malformed name counts as none: it never fails a call. */
function identityIn(segment: string): { agent: string; workflow: string } {
  const from = segment.startsWith('@') ? 1 : 3
  const dot = segment.indexOf('.', from)
  const agent = segment.slice(from, dot === -1 ? segment.length : dot)
  const workflow = dot === -1 ? '' : segment.slice(dot + 1)
  return { agent: isIdentifier(agent) ? agent : '', workflow: isIdentifier(workflow) ? workflow : '' }
}

/** '' = not one of ours. */
function originForm(target: string, ownAuthorities: ReadonlySet<string>): string {
  const scheme = target.slice(0, 8).toLowerCase()
  const from = scheme.startsWith('http://') ? 7 : scheme === 'https://' ? 8 : -1
  if (from === -1 || ownAuthorities.size === 0) return ''
  const slash = target.indexOf('/', from)
  const authority = target.slice(from, slash === -1 ? target.length : slash)
  if (!ownAuthorities.has(authority.toLowerCase())) return ''
  return slash === -1 ? '/' : target.slice(slash)
}

/** The first ticket in a query that begins with `?`; undefined = none. */
function ticketOf(query: string): string | undefined {
  if (!query.includes(TICKET)) return undefined
  return query
    .slice(1)
    .split('&')
    .find((parameter) => parameter.startsWith(TICKET))
    ?.slice(TICKET.length)
}

/** All tickets go, the other parameters stay byte for byte. */
function withoutTicket(query: string): string {
  const rest = query
    .slice(1)
    .split('&')
    .filter((parameter) => !parameter.startsWith(TICKET))
    .join('&')
  return rest === '' ? '' : `?${rest}`
}
