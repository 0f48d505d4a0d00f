/**
 * The revisions with a handshake: the official SDK speaks the protocol, over a transport of one message each. What has to
 * be known from one request to the next is a session in the store, so any replica goes on with it; a request without a
 * session is answered as well, by what needs none.
 *
 * Sources: specification 2025-11-25, basic/transports (sessions, streams), basic/utilities/progress, client/elicitation,
 * server/resources (subscriptions), server/utilities/logging.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  isInitializeRequest,
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  JSONRPCMessageSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  PingRequestSchema,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
  type JSONRPCMessage,
  type JSONRPCRequest,
} from '@modelcontextprotocol/sdk/types.js'
import type { Millis } from '../../core/model.ts'
import { isObject, type Json, type JsonObject } from '../json.ts'
import { readBack } from '../read-back.ts'
import { Refused } from '../refused.ts'
import {
  abilitiesOf,
  checkedAnswer,
  demandAbilities,
  type Answers,
  type Conversation,
  type Questions,
} from './conversation.ts'
import { McpFault } from './fault.ts'
import { Notices } from './notices.ts'
import { CAPABILITIES, told, type McpOffer } from './offer.ts'
import type { Reply } from './reply.ts'
import type { Said, Session, Sessions } from './sessions.ts'
import type { ServerInfo } from './stateless.ts'
import type { CallContext } from './tools.ts'

/** A message that is known to be one. */
export interface HandshakeExchange {
  readonly message: JSONRPCMessage
  readonly reply: Reply
  /** Undefined = the client has none, or begins. */
  readonly session: Session | undefined
}

export interface Handshaking {
  readonly offer: McpOffer
  readonly info: ServerInfo
  readonly sessions: Sessions
  readonly context: CallContext
}

/** A call that asks. */
interface Asking {
  readonly reply: Reply
  readonly session: Session
  readonly notices: Notices
}

export const SESSION_HEADER = 'mcp-session-id'
/** Longest that a call waits for the client's person or model. */
const ANSWER_MS: Millis = 300_000
/** How often it is looked whether an answer is there; any replica may have taken it. */
const LOOK_MS: Millis = 100
/** How often a call that waits for an answer says so. */
const TOLD_MS: Millis = 1000

/** @throws Refused */
export async function answerHandshake(exchange: HandshakeExchange, to: Handshaking): Promise<void> {
  const { message, reply, session } = exchange
  if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) {
    await takeAnswer(message, exchange, to)
  } else if (isJSONRPCRequest(message) && isInitializeRequest(message)) {
    const opened = await opening(message.params.capabilities, to)
    if (opened !== undefined) reply.header(SESSION_HEADER, opened.id)
    await answerRequest(message, { reply, session: opened }, to)
  } else if (isJSONRPCRequest(message)) await answerRequest(message, { reply, session }, to)
  // A notification: nothing that Weir does waits for one.
  else await reply.end({ status: 202 })
}

/** The stream of a session: what it follows, until a newer stream listens, the session ends, or Weir goes. */
export async function listenFor(session: Session, reply: Reply, to: Handshaking): Promise<void> {
  const { sessions, context, offer } = to
  const listener = await sessions.listen(session)
  const follow = await offer.changes()
  reply.open()
  await follow({
    async wanted() {
      const now = await sessions.find(session.id, context.caller)
      return now?.listener === listener ? new Set(now.uris) : undefined
    },
    tell: (uri) => reply.tell({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } }),
    signal: context.signal,
  })
}

/** None when the store has no room for one: what needs no session is offered all the same. */
async function opening(
  capabilities: unknown,
  { sessions, context }: Handshaking,
): Promise<Session | undefined> {
  try {
    return await sessions.open(context.caller, abilitiesOf(asJson(capabilities)))
  } catch (error) {
    if (error instanceof Refused && error.why === 'full') return undefined
    throw error
  }
}

async function takeAnswer(
  message: JSONRPCMessage,
  { reply, session }: HandshakeExchange,
  { sessions }: Handshaking,
): Promise<void> {
  const id = 'id' in message ? String(message.id) : ''
  const said: Said =
    'result' in message
      ? { result: asJson(message.result) }
      : { error: 'error' in message ? message.error.message.slice(0, 200) : '' }
  if (session !== undefined && (await sessions.answered(session, id, said))) await reply.end({ status: 202 })
  else await reply.end(refusal(400, ErrorCode.InvalidRequest, 'nothing was asked under this id'))
}

/** What HTTP says as well. */
export function refusal(
  status: number,
  code: number,
  message: string,
): { readonly status: number; readonly body: object } {
  return { status, body: { jsonrpc: '2.0', error: { code, message }, id: null } }
}

async function answerRequest(
  message: JSONRPCRequest,
  { reply, session }: Pick<HandshakeExchange, 'reply' | 'session'>,
  to: Handshaking,
): Promise<void> {
  const conversation = conversationOf(message, { reply, session }, to)
  const server = serverFor(session, conversation, to)
  let settle: (answer: object) => void
  const answered = new Promise<object>((resolve) => {
    settle = resolve
  })
  const transport: Transport = {
    start: () => Promise.resolve(),
    close: () => Promise.resolve(),
    send(sent) {
      settle(sent)
      return Promise.resolve()
    },
  }
  await server.connect(transport)
  try {
    transport.onmessage?.(message)
    await reply.end({ status: 200, body: await answered })
  } finally {
    await server.close()
  }
}

function conversationOf(
  { params }: JSONRPCRequest,
  { reply, session }: Pick<HandshakeExchange, 'reply' | 'session'>,
  to: Handshaking,
): Conversation {
  const { _meta: about } = params ?? {}
  const meta = asJson(about)
  const notices = new Notices({
    meta: isObject(meta) ? meta : {},
    level: session?.level,
    tell: (message) => reply.note(message),
  })
  const able: Conversation['can'] = (ability) =>
    reply.mayStream && session?.abilities.includes(ability) === true
  return {
    hears: reply.mayStream ? notices.hears : { progress: false, log: false },
    progress: (...said) => notices.progress(...said),
    log: (...said) => notices.log(...said),
    can: able,
    async ask(questions) {
      demandAbilities(questions, able)
      if (session === undefined) throw needsSession()
      return answersTo(questions, { reply, session, notices }, to)
    },
  }
}

/** Asks over the stream of the call; the answers come by requests of their own, to whatever replica. */
async function answersTo(
  questions: Questions,
  { reply, session, notices }: Asking,
  { sessions, context }: Handshaking,
): Promise<Answers> {
  context.wait()
  const ids = await sessions.asked(session, Object.keys(questions))
  try {
    for (const [name, { method, params }] of Object.entries(questions)) {
      await reply.tell({ jsonrpc: '2.0', id: ids.get(name), method, params })
    }
    const said = await allSaid([...ids.values()], { session, notices }, { sessions, context })
    const answer = (name: string): JsonObject => {
      const given = said[ids.get(name) ?? '']
      if (given === undefined || given === null) throw new McpFault(NO_ANSWER, 'the client did not answer')
      if ('error' in given) throw new McpFault(NO_ANSWER, `the client did not answer: ${given.error}`)
      return checkedAnswer(name, questions[name]!, given.result)
    }
    return Object.fromEntries(Object.keys(questions).map((name) => [name, answer(name)]))
  } finally {
    await sessions.forget(session, ids.values())
  }
}

/**
 * What there is when all have answered, when time is over, or when there is nobody to answer to. A client that hears
 * that its call goes on need not give it up while its person thinks.
 */
async function allSaid(
  ids: readonly string[],
  { session, notices }: Pick<Asking, 'session' | 'notices'>,
  { sessions, context }: Pick<Handshaking, 'sessions' | 'context'>,
): Promise<Readonly<Record<string, Said | null>>> {
  const { store } = context.commons
  const began = store.now()
  for (let seconds = -1; ;) {
    const said = await sessions.said(session)
    const waited = store.now() - began
    const isWhole = said === undefined || ids.every((id) => (said[id] ?? null) !== null)
    if (isWhole || context.signal.aborted || waited >= ANSWER_MS) return said ?? {}
    if (Math.floor(waited / TOLD_MS) > seconds) {
      seconds = Math.floor(waited / TOLD_MS)
      notices.progress(waited, ANSWER_MS, 'waits for an answer')
    }
    await sleep(LOOK_MS)
  }
}

function serverFor(session: Session | undefined, conversation: Conversation, to: Handshaking): Server {
  const { offer, info, context, sessions } = to
  const { instructions } = offer
  const { logging: _, ...rest } = CAPABILITIES
  const capabilities = session === undefined ? { ...rest, resources: {} } : CAPABILITIES
  const server = new Server({ ...info }, { capabilities, instructions })
  server.setRequestHandler(PingRequestSchema, () => ({}))
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...offer.tools] }))
  server.setRequestHandler(CallToolRequestSchema, ({ params }) =>
    orInvalid(offer.call(params.name, argumentsOf(params), conversation), context),
  )
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: offer.resources.filter(({ uri }) => !uri.includes('{')),
  }))
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: offer.resources
      .filter(({ uri }) => uri.includes('{'))
      .map(({ uri, ...each }) => ({ uriTemplate: uri, ...each })),
  }))
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params }) => {
    try {
      return await offer.read(params.uri, conversation)
    } catch (error) {
      if (error instanceof McpFault) throw asMcpError(error)
      const isUnknown = error instanceof Refused && error.why === 'unknown'
      throw new McpError(
        isUnknown ? RESOURCE_NOT_FOUND : ErrorCode.InvalidParams,
        'cannot be read',
        told(error, context),
      )
    }
  })
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: offer.prompts.map(({ arguments: takes, ...each }) => ({ ...each, arguments: [...takes] })),
  }))
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) =>
    orInvalid(offer.prompt(params.name, params.arguments ?? {}, conversation), context),
  )
  server.setRequestHandler(CompleteRequestSchema, async ({ params }) => ({
    completion: await orInvalid(offer.complete(params), context),
  }))
  if (session === undefined) return server
  server.setRequestHandler(SetLevelRequestSchema, async ({ params }) => {
    await orInvalid(sessions.setLevel(session, params.level), context)
    return {}
  })
  server.setRequestHandler(SubscribeRequestSchema, async ({ params }) => {
    await orInvalid(offer.checkFollowed(params.uri), context)
    await orInvalid(sessions.follow(session, params.uri), context)
    return {}
  })
  server.setRequestHandler(UnsubscribeRequestSchema, async ({ params }) => {
    await orInvalid(sessions.unfollow(session, params.uri), context)
    return {}
  })
  return server
}

async function orInvalid<T>(work: Promise<T>, context: Pick<CallContext, 'commons'>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof McpFault) throw asMcpError(error)
    const code = error instanceof Refused ? ErrorCode.InvalidParams : ErrorCode.InternalError
    throw new McpError(code, 'cannot be answered', told(error, context))
  }
}

function asMcpError({ code, message, data }: McpFault): McpError {
  return new McpError(code, message, data)
}

function needsSession(): McpFault {
  return new McpFault(ErrorCode.InvalidRequest, 'this needs a session')
}

/** @throws Refused `malformed` */
export function messageOf(said: unknown): JSONRPCMessage {
  const read = JSONRPCMessageSchema.safeParse(said)
  if (read.success) return read.data
  throw new Refused('malformed', 'the body is no message of JSON-RPC 2.0')
}

function asJson(said: unknown): Json {
  return readBack<Json>(JSON.stringify(said ?? null))
}

/** MCP 2025-11-25, resources: error handling. */
const RESOURCE_NOT_FOUND = -32002
/** Of this server's own: JSON-RPC 2.0, 5.1. */
const NO_ANSWER = -32000

/** Read from JSON text by `parseJson`, whatever the SDK's type says. */
function argumentsOf(params: { readonly arguments?: unknown }): JsonObject {
  const given = asJson(params.arguments)
  return isObject(given) ? given : {}
}
