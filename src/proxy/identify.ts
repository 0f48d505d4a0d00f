/**
 * Who calls, in which workflow, for how long it waits, and whether it says that it tries again: from the headers,
 * the peer's address and the path alone. Total: whatever the headers hold, a call gets a well formed agent.
 *
 * Order of sources: `AGENT_SOURCES` in `known-headers.ts`. Of workflows (wire.md 9): a workflow header, the base
 * URL, the trace, baggage, a harness session, a gateway session, the MCP session; else the core infers one.
 */
import { familyOf } from '../core/families.ts'
import type { Arrival, Millis } from '../core/model.ts'
import type { CallFacts } from './call.ts'
import { createFamilyReader } from './client-family.ts'
import { HeaderScan } from './header-scan.ts'
import { NOT_SAID, readBaggage, spanIdIn, traceIdIn } from './header-values.ts'
import { isIdentifier } from './identifier.ts'
import { KeyedHash, SecretNames, shortHex } from './keyed-hash.ts'
import { HeaderTable, TRUST_OF, type AgentSource } from './known-headers.ts'
import type { OwnRoute, UpstreamRoute } from './route.ts'

export interface IdentifiedFacts extends CallFacts {
  /** The name's source: for logs, and for permissions, which bind to `verified` only. */
  readonly agentSource: AgentSource
  /** The request goes on with something that was cut: it is no retry. '' = it does not. */
  readonly resume: 'last-event-id' | 'range' | ''
  /** The client itself named how long it waits; else `patienceMs` is its family's habit. */
  readonly patienceIsExplicit: boolean
}

export type Identifier = (
  rawHeaders: readonly string[],
  remoteAddress: string,
  routed: UpstreamRoute | OwnRoute,
  method: string,
  arrival: Arrival,
  /** The agent whom a checked credential belongs to (`identity/gate.ts`): it beats every claim. '' = none was shown. */
  verified?: string,
) => IdentifiedFacts

export interface IdentifierOptions {
  /** Key of every hash that stands for a credential or a peer. */
  readonly hashKey: Buffer
  /** Header that names the agent besides `weir-agent`, lower case; '' = none. */
  readonly agentHeader: string
  /** Names that only a credential gives: whoever merely claims one is named by what is known of it. */
  readonly isReserved?: ((name: string) => boolean) | undefined
  /** Wall clock in ms since 1970, for deadlines that are given as dates. */
  readonly wallClock?: () => number
}

/** Route of all of Weir's own paths: they are no latency classes. */
const OWN_TEMPLATE = '/weir'
/**
 * Fills `agent`, `trust`, `workflow`, `parent`, `method`, `upstream`, `path`, `route`, `bytes`, `priority`,
 * `family`, `patienceMs`, `attempt`, `onceKey`, `fingerprint`, `credential`, `longLived`, `holdable` and
 * `deferrable` of the arrival; `at` and `call` are the caller's.
 */
export function createIdentifier(options: IdentifierOptions): Identifier {
  const { isReserved, wallClock = Date.now } = options
  const table = new HeaderTable(options.agentHeader)
  const scan = new HeaderScan()
  const hash = new KeyedHash(options.hashKey)
  const secrets = new SecretNames(options.hashKey)
  const familyOfClient = createFamilyReader()

  /** Sets agent, trust, parent, workflow and credential; says where the name is from. */
  function nameCaller(
    arrival: Arrival,
    routed: UpstreamRoute | OwnRoute,
    verified: string,
    peer: string,
  ): AgentSource {
    const traceId = scan.traceparent === '' ? '' : traceIdIn(scan.traceparent)
    const baggage = scan.baggage === '' ? undefined : readBaggage(scan.baggage)
    const secret = scan.secret === '' ? undefined : secrets.nameOf(scan.secret)
    arrival.credential = secret === undefined ? 0 : secret.hash
    let source: AgentSource
    if (verified !== '') {
      source = 'verified'
      arrival.agent = verified
    } else if (routed.agent !== '') {
      source = 'base-url'
      arrival.agent = routed.agent
    } else if (scan.agentSource !== '') {
      source = scan.agentSource
      arrival.agent = scan.agent
    } else if (scan.session !== '') {
      source = 'harness-session'
      arrival.agent = scan.session
    } else if (baggage !== undefined && isIdentifier(baggage.agent)) {
      source = 'baggage'
      arrival.agent = baggage.agent
    } else if (scan.project !== '') {
      source = 'project'
      arrival.agent = scan.project
    } else if (secret !== undefined) {
      source = 'key'
      arrival.agent = `key-${secret.hex}`
    } else if (scan.mcpSession !== '') {
      source = 'mcp-session'
      arrival.agent = `mcp-${secrets.nameOf(scan.mcpSession).hex}`
    } else {
      source = 'peer'
      arrival.agent = peerName(peer)
    }
    if (isReserved !== undefined && TRUST_OF[source] === 'claimed' && isReserved(arrival.agent)) {
      source = secret === undefined ? 'peer' : 'key'
      arrival.agent = secret === undefined ? peerName(peer) : `key-${secret.hex}`
    }
    arrival.trust = TRUST_OF[source]
    arrival.workflow = workflowOf(routed, traceId, baggage?.session ?? '')
    arrival.parent = parentOf(arrival, source, traceId)
    return source
  }

  /** Low confidence: all agents of one process, or of one NAT address, share it. */
  function peerName(remoteAddress: string): string {
    hash.begin().text(remoteAddress).text(scan.userAgent).text(scan.sdkVersion).text(scan.sdkRuntime)
    return `peer-${shortHex(hash.end())}`
  }

  function workflowOf(routed: UpstreamRoute | OwnRoute, traceId: string, baggageSession: string): string {
    if (scan.workflow !== '') return scan.workflow
    if (routed.workflow !== '') return routed.workflow
    if (traceId !== '') return traceId
    if (isIdentifier(baggageSession)) return baggageSession
    if (scan.parentIsSession) return scan.parent
    if (scan.session !== '') return scan.session
    if (scan.gatewaySession !== '') return scan.gatewaySession
    return scan.mcpSession === '' ? '' : `mcp-${secrets.nameOf(scan.mcpSession).hex}`
  }

  function parentOf(arrival: Arrival, source: AgentSource, traceId: string): string {
    if (scan.parent !== '') return scan.parent === arrival.agent ? '' : scan.parent
    // A sub-agent of Claude Code that names no parent hangs under the main agent, which is the session.
    if (source === 'harness-agent' && scan.agentUnderSession && scan.session !== arrival.agent)
      return scan.session
    return traceId !== '' && arrival.workflow === traceId ? spanIdIn(scan.traceparent) : ''
  }

  /** An SDK's own timer never outlasts what its HTTP stack bears (wire.md 0.6), a stated wish does. */
  function patienceOf(family: string): Millis {
    const dated = scan.ttlAt === NOT_SAID ? Infinity : Math.max(0, scan.ttlAt - wallClock())
    const told = Math.min(scan.timeoutMs, dated)
    if (scan.waitMs !== NOT_SAID) return Math.min(told, scan.waitMs)
    return Math.min(told, familyOf(family).silenceMs)
  }

  return (rawHeaders, remoteAddress, routed, method, arrival, verified = '') => {
    scan.read(rawHeaders, table)
    const source = nameCaller(arrival, routed, verified, remoteAddress)

    arrival.method = method
    arrival.upstream = routed.own ? NOT_SAID : routed.upstream
    arrival.path = routed.path
    arrival.route = routed.own ? OWN_TEMPLATE : routed.template
    arrival.bytes = scan.isChunked ? NOT_SAID : Math.max(0, scan.length)
    arrival.priority = scan.priority
    arrival.family = familyOfClient(scan)
    arrival.patienceMs = patienceOf(arrival.family)
    arrival.attempt = scan.attempt
    arrival.longLived = isLongLived(scan, method, routed.path)
    arrival.holdable = !arrival.longLived || scan.upgrade !== ''
    arrival.deferrable = scan.respondAsync

    hash.begin().text(arrival.agent).text(scan.userAgent).text(method).text(routed.target).text(scan.type)
    if (scan.bodyHash !== '') hash.text(scan.bodyHash)
    arrival.fingerprint = hash.number(arrival.upstream).number(arrival.bytes).end()
    arrival.onceKey = onceKeyOf(hash, scan, arrival, routed.target)

    return {
      agentSource: source,
      expectContinue: scan.expectContinue,
      upgrade: scan.upgrade,
      wantsTrailers: scan.wantsTrailers,
      preferWaitMs: scan.waitMs,
      resume: scan.hasLastEventId ? 'last-event-id' : scan.hasRange ? 'range' : '',
      patienceIsExplicit: scan.waitMs !== NOT_SAID || scan.timeoutMs !== Infinity || scan.ttlAt !== NOT_SAID,
    }
  }
}

/**
 * wire.md 8.1. An id that is made for one logical call stands for itself; ids that may be shared by a whole
 * workflow or span count only together with the fingerprint.
 */
function onceKeyOf(hash: KeyedHash, scan: HeaderScan, arrival: Arrival, target: string): number {
  if (scan.once !== '')
    return hash.begin().text(arrival.agent).text(arrival.method).text(target).text(scan.once).end()
  const weak = scan.onceWeak === '' ? scan.traceparent : scan.onceWeak
  return weak === '' ? 0 : hash.begin().number(arrival.fingerprint).text(weak).end()
}

/** Subscriptions and polls: peers.md 5 (MCP `subscriptions/listen`, `tasks/get`; A2A `:subscribe`), GET of SSE. */
function isLongLived(scan: HeaderScan, method: string, path: string): boolean {
  if (scan.upgrade !== '') return true
  if (method === 'GET' && scan.accept.includes('text/event-stream')) return true
  if (scan.mcpMethod !== '' && (scan.mcpMethod === 'subscriptions/listen' || scan.mcpMethod === 'tasks/get'))
    return true
  return path.endsWith(':subscribe')
}
