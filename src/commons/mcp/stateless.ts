/**
 * MCP 2026-07-28, which has no handshake and no sessions: one POST, one answer. The official SDK of this package
 * (1.x) ends at 2025-11-25; what a server needs of the new revision is the checks of one request, a few methods, and
 * questions and subscriptions that keep nothing between two requests.
 *
 * Sources: specification 2026-07-28, basic (`_meta`, error codes), basic/versioning, basic/transports/streamable-http
 * (request metadata), basic/patterns (mrtr, progress, subscriptions), server/utilities/logging, server/discover;
 * SEP-2243 (headers), SEP-2322 (multi round-trip requests), SEP-2549 (`ttlMs`, `cacheScope`), SEP-2575.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Millis } from '../../core/model.ts'
import { isObject, type Json, type JsonObject } from '../json.ts'
import { Refused } from '../refused.ts'
import type { CompletionAsked } from './completion.ts'
import {
  abilitiesOf,
  demandAbilities,
  isLogLevel,
  MISSING_CAPABILITY,
  type Conversation,
  type LogLevel,
} from './conversation.ts'
import { INVALID_PARAMS, McpFault } from './fault.ts'
import { listened } from './listen.ts'
import { Notices } from './notices.ts'
import { CAPABILITIES, told, type McpOffer } from './offer.ts'
import type { Ending, Reply } from './reply.ts'
import { STATELESS } from './revisions.ts'
import { InputRequired, Rounds } from './rounds.ts'
import type { Seal } from './seal.ts'
import type { CallContext } from './tools.ts'

export interface ServerInfo {
  readonly name: string
  readonly title: string
  readonly version: string
}

const META = {
  version: 'io.modelcontextprotocol/protocolVersion',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  server: 'io.modelcontextprotocol/serverInfo',
} as const

/** JSON-RPC 2.0 (5.1) and the codes of the specification's own. */
const CODES = {
  invalidRequest: -32600,
  methodNotFound: -32601,
  internal: -32603,
  headerMismatch: -32020,
  missingCapability: MISSING_CAPABILITY,
  unsupportedVersion: -32022,
} as const

/** Errors that HTTP tells as well; all others are answers to a request that was understood. */
const STATUS = new Map<number, number>([
  [CODES.invalidRequest, 400],
  [CODES.methodNotFound, 404],
  [CODES.headerMismatch, 400],
  [CODES.missingCapability, 400],
  [CODES.unsupportedVersion, 400],
])

/** What is offered changes with the version of Weir; what is read, at any moment. */
const OFFER_TTL_MS: Millis = 300_000
/** Which field of the parameters the header `Mcp-Name` repeats. */
const NAMED: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['resources/read', 'uri'],
  ['prompts/get', 'name'],
])

/** Whether a message is of this revision: it says so in its header or its `_meta`, or asks what only this one has. */
export function isStateless(message: Json, headers: IncomingHttpHeaders): boolean {
  if (headers['mcp-protocol-version'] === STATELESS) return true
  if (!isObject(message)) return false
  return message['method'] === 'server/discover' || saidMeta(message)?.[META.version] !== undefined
}

/** The revision that a message says, to be counted; '' = none. */
export function saidRevision(message: Json, headers: IncomingHttpHeaders): string {
  const said = isObject(message) ? saidMeta(message)?.[META.version] : undefined
  const header = headers['mcp-protocol-version']
  return typeof said === 'string' ? said : typeof header === 'string' ? header : ''
}

/** What answers: the same for each request of a face, but for who asks. */
export interface Answering {
  readonly offer: McpOffer
  readonly info: ServerInfo
  readonly seal: Seal
  readonly context: CallContext
}

/** One request, checked. */
interface Request {
  readonly id: string | number
  readonly method: string
  readonly params: JsonObject
  readonly meta: JsonObject
}

export async function answerStateless(
  message: Json,
  headers: IncomingHttpHeaders,
  reply: Reply,
  answering: Answering,
): Promise<void> {
  await reply.end(await endingOf(message, headers, reply, answering))
}

async function endingOf(
  message: Json,
  headers: IncomingHttpHeaders,
  reply: Reply,
  answering: Answering,
): Promise<Ending> {
  const { info, context } = answering
  const id = isObject(message) ? message['id'] : undefined
  const known = typeof id === 'string' || typeof id === 'number' ? { id } : {}
  try {
    const { method, params } = checkedRequest(message, headers)
    if (id === undefined) return { status: 202 }
    const request = { id: known.id ?? '', method, params, meta: metaOf(params) ?? {} }
    const result = await resultOf(request, reply, answering)
    const server = { [META.server]: { name: info.name, title: info.title, version: info.version } }
    const said = { resultType: 'complete', ...result, _meta: { ...server, ...result['_meta'] } }
    return { status: 200, body: { jsonrpc: '2.0', ...known, result: said } }
  } catch (error) {
    const { code, message: text, data } = faultOf(error, context)
    const isRefused = code === INVALID_PARAMS && error instanceof BadMeta
    const status = isRefused ? 400 : (STATUS.get(code) ?? 200)
    return {
      status,
      body: {
        jsonrpc: '2.0',
        ...known,
        error: { code, message: text, ...(data === undefined ? {} : { data }) },
      },
    }
  }
}

/** `_meta` lacks what every request must say. */
class BadMeta extends McpFault {}

/** @throws McpFault */
function checkedRequest(
  message: Json,
  headers: IncomingHttpHeaders,
): { readonly method: string; readonly params: JsonObject } {
  if (!isObject(message) || message['jsonrpc'] !== '2.0' || typeof message['method'] !== 'string') {
    throw new McpFault(CODES.invalidRequest, 'not a request of JSON-RPC 2.0')
  }
  const { method } = message
  const params = isObject(message['params']) ? message['params'] : {}
  const isNotification = message['id'] === undefined
  const meta = metaOf(params)
  const version = meta?.[META.version]
  if (!isNotification) {
    if (typeof version !== 'string') throw new BadMeta(INVALID_PARAMS, `_meta lacks ${META.version}`)
    if (!isObject(meta?.[META.capabilities]))
      throw new BadMeta(INVALID_PARAMS, `_meta lacks ${META.capabilities}`)
    const header = headers['mcp-protocol-version']
    if (header !== version) throw mismatch('MCP-Protocol-Version', header, version)
    if (version !== STATELESS) {
      throw new McpFault(CODES.unsupportedVersion, `revision ${version.slice(0, 32)} is not supported`, {
        supported: [STATELESS],
        requested: version,
      })
    }
    checkMirrored(method, params, headers)
  }
  return { method, params }
}

/** Intermediaries route by these headers: they must say what the body says. */
function checkMirrored(method: string, params: JsonObject, headers: IncomingHttpHeaders): void {
  if (headers['mcp-method'] !== method) throw mismatch('Mcp-Method', headers['mcp-method'], method)
  const field = NAMED.get(method)
  const named = field === undefined ? undefined : params[field]
  if (field === undefined) return
  if (typeof named !== 'string') throw new McpFault(INVALID_PARAMS, `params.${field} is missing`)
  const header = headers['mcp-name']
  if (typeof header !== 'string' || decoded(header) !== named) throw mismatch('Mcp-Name', header, named)
}

/** Values that no header can hold are `=?base64?...?=` (streamable-http, value encoding). */
function decoded(value: string): string {
  const isEncoded = value.startsWith('=?base64?') && value.endsWith('?=')
  return isEncoded ? Buffer.from(value.slice('=?base64?'.length, -2), 'base64').toString('utf8') : value
}

function mismatch(header: string, found: string | string[] | undefined, wanted: string): McpFault {
  const is = found === undefined ? 'is missing' : `says ${String(found).slice(0, 128)}`
  return new McpFault(CODES.headerMismatch, `header ${header} ${is}; the body says ${wanted.slice(0, 128)}`)
}

interface Result {
  readonly _meta?: object
  readonly [field: string]: unknown
}

/** @throws McpFault, Refused */
async function resultOf(request: Request, reply: Reply, answering: Answering): Promise<Result> {
  const { method, params } = request
  const { offer } = answering
  switch (method) {
    case 'server/discover':
      return {
        supportedVersions: [STATELESS],
        capabilities: CAPABILITIES,
        instructions: offer.instructions,
        ...kept(OFFER_TTL_MS),
      }
    case 'tools/list':
      return { tools: offer.tools, ...kept(OFFER_TTL_MS) }
    case 'tools/call':
      return inRounds(request, reply, answering, (conversation) => {
        const given = params['arguments']
        return offer.call(textOf(params, 'name'), isObject(given) ? given : {}, conversation)
      })
    case 'resources/list':
      return { resources: offer.resources.filter(({ uri }) => !uri.includes('{')), ...kept(OFFER_TTL_MS) }
    case 'resources/templates/list': {
      const templates = offer.resources.filter(({ uri }) => uri.includes('{'))
      const resourceTemplates = templates.map(({ uri, ...rest }) => ({ uriTemplate: uri, ...rest }))
      return { resourceTemplates, ...kept(OFFER_TTL_MS) }
    }
    case 'resources/read':
      return inRounds(request, reply, answering, async (conversation) => ({
        ...(await read(offer, textOf(params, 'uri'), conversation)),
        ...kept(0),
      }))
    case 'prompts/list':
      return { prompts: offer.prompts, ...kept(OFFER_TTL_MS) }
    case 'prompts/get':
      return inRounds(request, reply, answering, (conversation) =>
        offer.prompt(textOf(params, 'name'), textsOf(params['arguments']), conversation),
      )
    case 'completion/complete':
      return { completion: await offer.complete(completionAsked(params)) }
    case 'subscriptions/listen':
      return listened(request, reply, answering.offer, answering.context)
    default:
      throw new McpFault(CODES.methodNotFound, `method ${method.slice(0, 64)} is not offered`)
  }
}

/** Methods that may answer with what they need to know first. */
async function inRounds(
  { method, params, meta }: Request,
  reply: Reply,
  { seal, context }: Answering,
  work: (conversation: Conversation) => Promise<object>,
): Promise<Result> {
  const { caller, commons } = context
  const rounds = await Rounds.of({ seal, caller, method, params, now: commons.store.now() })
  const notices = new Notices({ meta, level: levelOf(meta), tell: (message) => reply.note(message) })
  const abilities = abilitiesOf(meta[META.capabilities])
  const conversation: Conversation = {
    hears: reply.mayStream ? notices.hears : { progress: false, log: false },
    progress: (...said) => notices.progress(...said),
    log: (...said) => notices.log(...said),
    can: (ability) => abilities.has(ability),
    async ask(questions) {
      demandAbilities(questions, (ability) => abilities.has(ability))
      return rounds.answers(questions)
    },
  }
  try {
    return { ...(await work(conversation)) }
  } catch (error) {
    if (error instanceof InputRequired) return { ...(await rounds.wants(error)) }
    throw error
  }
}

/** @throws McpFault */
function levelOf(meta: JsonObject): LogLevel | undefined {
  const said = meta[META.logLevel]
  if (said === undefined || isLogLevel(said)) return said
  throw new BadMeta(INVALID_PARAMS, `${META.logLevel} is no level of a log`)
}

async function read(offer: McpOffer, uri: string, conversation: Conversation): Promise<object> {
  try {
    return await offer.read(uri, conversation)
  } catch (error) {
    if (!(error instanceof Refused) || error.why !== 'unknown') throw error
    throw new McpFault(INVALID_PARAMS, 'there is no such resource', { uri })
  }
}

/** Never shared between callers: what one may see, another may not. */
function kept(ttlMs: Millis): { readonly ttlMs: Millis; readonly cacheScope: 'private' } {
  return { ttlMs, cacheScope: 'private' }
}

function faultOf(error: unknown, context: Pick<CallContext, 'commons'>): McpFault {
  if (error instanceof McpFault) return error
  const code = error instanceof Refused ? INVALID_PARAMS : CODES.internal
  return new McpFault(code, 'cannot be answered', told(error, context))
}

function textOf(params: JsonObject, name: string): string {
  const value = params[name]
  return typeof value === 'string' ? value : ''
}

/** @throws McpFault when a value is no text */
function textsOf(given: Json | undefined): Record<string, string> {
  const texts: Record<string, string> = {}
  for (const [name, value] of Object.entries(isObject(given) ? given : {})) {
    if (typeof value !== 'string')
      throw new McpFault(INVALID_PARAMS, `argument ${name.slice(0, 64)} is no text`)
    texts[name] = value
  }
  return texts
}

/** @throws McpFault */
function completionAsked({ ref, argument }: JsonObject): CompletionAsked {
  if (!isObject(ref) || !isObject(argument)) throw new McpFault(INVALID_PARAMS, 'ref or argument is missing')
  const asked = { name: textOf(argument, 'name'), value: textOf(argument, 'value') }
  const type = ref['type']
  if (type === 'ref/prompt') return { ref: { type, name: textOf(ref, 'name') }, argument: asked }
  if (type === 'ref/resource') return { ref: { type, uri: textOf(ref, 'uri') }, argument: asked }
  throw new McpFault(INVALID_PARAMS, 'ref.type is neither ref/prompt nor ref/resource')
}

function metaOf({ _meta: meta }: JsonObject): JsonObject | undefined {
  return isObject(meta) ? meta : undefined
}

function saidMeta({ params }: JsonObject): JsonObject | undefined {
  return isObject(params) ? metaOf(params) : undefined
}
