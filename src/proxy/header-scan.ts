/**
 * One pass over the raw headers of a request: keeps the values that Weir reads, unparsed where they may not be
 * needed. Of a repeated header the first well formed value counts. The record is reused for every call.
 */
import { PRIORITIES, type Millis, type Priority } from '../core/model.ts'
import { secretIn, secretInProtocols } from './credential.ts'
import {
  isWord,
  NOT_SAID,
  readAmzRequest,
  readCount,
  readGrpcTimeout,
  readLength,
  readPrefer,
  readSeconds,
} from './header-values.ts'
import { isIdentifier } from './identifier.ts'
import {
  AGENT_SOURCES,
  type AgentSource,
  type HeaderTable,
  type KnownHeader,
  type Reads,
} from './known-headers.ts'

const RANK_OF = new Map<string, number>(AGENT_SOURCES.map((source, rank) => [source, rank]))
const PRIORITY_OF = new Map<string, Priority>(PRIORITIES.map((priority) => [priority, priority]))
/** A count beyond this is no attempt number. */
const MOST_ATTEMPTS = 1000

export class HeaderScan {
  agent = ''
  /** Where `agent` is from; '' while there is none. */
  agentSource: AgentSource | '' = ''
  agentUnderSession = false
  workflow = ''
  session = ''
  gatewaySession = ''
  parent = ''
  parentIsSession = false
  project = ''
  secret = ''
  mcpSession = ''
  traceparent = ''
  baggage = ''
  priority: Priority = 'normal'
  respondAsync = false
  waitMs: Millis = NOT_SAID
  /** As `Arrival.attempt`. */
  attempt = 0
  once = ''
  onceWeak = ''
  /** The shortest timeout that the client names; Infinity = none. */
  timeoutMs: Millis = Infinity
  /** Wall clock, ms since 1970; -1 = none. */
  ttlAt = NOT_SAID
  length = NOT_SAID
  isChunked = false
  type = ''
  bodyHash = ''
  accept = ''
  isFetch = false
  userAgent = ''
  sdkLang = ''
  sdkVersion = ''
  sdkRuntime = ''
  isAnthropic = false
  hasBrowserAccess = false
  isMcp = false
  mcpMethod = ''
  expectContinue = false
  upgrade: 'websocket' | '' = ''
  wantsTrailers = false
  hasRange = false
  hasLastEventId = false

  /** @param rawHeaders flat list of names and values as Node gives it */
  read(rawHeaders: readonly string[], table: HeaderTable): void {
    this.#reset()
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const known = table.find(rawHeaders[i]!)
      if (known.reads !== 'nothing') TAKE[known.reads](this, rawHeaders[i + 1]!, known)
    }
  }

  #reset(): void {
    this.agent = ''
    this.agentSource = ''
    this.agentUnderSession = false
    this.workflow = ''
    this.session = ''
    this.gatewaySession = ''
    this.parent = ''
    this.parentIsSession = false
    this.project = ''
    this.secret = ''
    this.mcpSession = ''
    this.traceparent = ''
    this.baggage = ''
    this.priority = 'normal'
    this.respondAsync = false
    this.waitMs = NOT_SAID
    this.attempt = 0
    this.once = ''
    this.onceWeak = ''
    this.timeoutMs = Infinity
    this.ttlAt = NOT_SAID
    this.length = NOT_SAID
    this.isChunked = false
    this.type = ''
    this.bodyHash = ''
    this.accept = ''
    this.isFetch = false
    this.userAgent = ''
    this.sdkLang = ''
    this.sdkVersion = ''
    this.sdkRuntime = ''
    this.isAnthropic = false
    this.hasBrowserAccess = false
    this.isMcp = false
    this.mcpMethod = ''
    this.expectContinue = false
    this.upgrade = ''
    this.wantsTrailers = false
    this.hasRange = false
    this.hasLastEventId = false
  }
}

type Take = (scan: HeaderScan, value: string, known: KnownHeader) => void

/** One line for each way of reading a header; the type makes the table complete. */
const TAKE: Readonly<Record<Reads, Take>> = {
  nothing: () => undefined,

  agent: takeAgent,
  workflow: (scan, value) => {
    if (scan.workflow === '' && isIdentifier(value)) scan.workflow = value
  },
  session: (scan, value) => {
    if (scan.session === '' && isIdentifier(value)) scan.session = value
  },
  'gateway-session': (scan, value) => {
    if (scan.gatewaySession === '' && isIdentifier(value)) scan.gatewaySession = value
  },
  parent: (scan, value) => {
    if (scan.parent === '' && isIdentifier(value)) scan.parent = value
  },
  'parent-session': (scan, value) => {
    if (scan.parent !== '' || !isIdentifier(value)) return
    scan.parent = value
    scan.parentIsSession = true
  },
  project: (scan, value) => {
    if (scan.project === '' && isIdentifier(value)) scan.project = value
  },
  // Wins over the other places of keys: it is what most upstreams read when both are there.
  authorization: (scan, value) => {
    scan.secret = secretIn(value) || scan.secret
  },
  key: (scan, value) => {
    scan.secret ||= value
  },
  protocols: (scan, value) => {
    scan.secret ||= secretInProtocols(value)
  },
  'mcp-session': (scan, value) => {
    scan.mcpSession ||= value
    scan.isMcp = true
  },
  traceparent: (scan, value) => {
    scan.traceparent ||= value
  },
  baggage: (scan, value) => {
    scan.baggage = scan.baggage === '' ? value : `${scan.baggage},${value}`
  },

  'retry-count': (scan, value) => tried(scan, readCount(value) + 1, 2),
  'attempt-count': (scan, value) => tried(scan, readCount(value), 2),
  'amz-request': (scan, value) => {
    const { attempt, ttlAt } = readAmzRequest(value)
    // AWS clients number every try: 1 is a proof too.
    tried(scan, attempt, 1)
    scan.ttlAt = ttlAt
  },
  once: (scan, value) => {
    scan.once ||= value
  },
  'once-weak': (scan, value) => {
    scan.onceWeak ||= value
  },

  prefer: (scan, value) => {
    const { respondAsync, waitMs } = readPrefer(value)
    scan.respondAsync ||= respondAsync
    if (scan.waitMs === NOT_SAID) scan.waitMs = waitMs
  },
  priority: (scan, value) => {
    scan.priority = PRIORITY_OF.get(value.toLowerCase()) ?? scan.priority
  },
  'timeout-s': (scan, value) => waits(scan, readSeconds(value)),
  'timeout-ms': (scan, value) => waits(scan, readCount(value)),
  'timeout-grpc': (scan, value) => waits(scan, readGrpcTimeout(value)),

  mcp: (scan) => {
    scan.isMcp = true
  },
  'mcp-method': (scan, value) => {
    scan.isMcp = true
    scan.mcpMethod = value
  },
  'user-agent': (scan, value) => {
    scan.userAgent ||= value
  },
  'sdk-lang': (scan, value) => {
    scan.sdkLang = value
  },
  'sdk-version': (scan, value) => {
    scan.sdkVersion = value
  },
  'sdk-runtime': (scan, value) => {
    scan.sdkRuntime = value
  },
  anthropic: (scan) => {
    scan.isAnthropic = true
  },
  'browser-access': (scan, value) => {
    scan.hasBrowserAccess = value === 'true'
  },
  'accept-language': (scan, value) => {
    scan.isFetch = value === '*'
  },

  length: (scan, value) => {
    scan.length = readLength(value)
  },
  chunked: (scan) => {
    scan.isChunked = true
  },
  type: (scan, value) => {
    scan.type ||= value
  },
  'body-hash': (scan, value) => {
    scan.bodyHash = value
  },
  accept: (scan, value) => {
    scan.accept ||= value
  },
  expect: (scan, value) => {
    scan.expectContinue = isWord(value, '100-continue')
  },
  upgrade: (scan, value) => {
    scan.upgrade = isWord(value, 'websocket') ? 'websocket' : ''
  },
  te: (scan, value) => {
    scan.wantsTrailers = value.toLowerCase().includes('trailers')
  },
  range: (scan) => {
    scan.hasRange = true
  },
  'last-event-id': (scan) => {
    scan.hasLastEventId = true
  },
}

function takeAgent(scan: HeaderScan, value: string, known: KnownHeader): void {
  const source = known.source ?? 'harness-agent'
  const isLater = scan.agentSource !== '' && rankOf(source) >= rankOf(scan.agentSource)
  if (isLater || !isIdentifier(value)) return
  scan.agentSource = source
  scan.agent = value
  scan.agentUnderSession = known.underSession === true
}

function rankOf(source: AgentSource): number {
  return RANK_OF.get(source) ?? AGENT_SOURCES.length
}

/** A number below `least` proves nothing. */
function tried(scan: HeaderScan, attempt: number, least: number): void {
  if (attempt >= least && attempt <= MOST_ATTEMPTS) scan.attempt = Math.max(scan.attempt, attempt)
}

function waits(scan: HeaderScan, ms: Millis): void {
  if (ms > 0 && ms < scan.timeoutMs) scan.timeoutMs = ms
}
