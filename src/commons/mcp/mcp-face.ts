/**
 * `/weir/v1/mcp`: Streamable HTTP. A message says which revision it is of; the newest is answered by `stateless.ts`, where
 * each POST stands for itself, those with a handshake by `handshake.ts`, where a client has a session. Nothing that is
 * needed for the next request is kept in the process, so whatever replica of a store gets it can answer it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ErrorCode, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { Commons } from '../commons.ts'
import { send } from '../http/answers.ts'
import type { ExtraFace } from '../http/face.ts'
import { Places } from '../http/places.ts'
import { readBody } from '../http/read-body.ts'
import { parseJson, type Json } from '../json.ts'
import { Refused } from '../refused.ts'
import {
  answerHandshake,
  listenFor,
  messageOf,
  refusal,
  SESSION_HEADER,
  type Handshaking,
} from './handshake.ts'
import { McpCount } from './mcp-count.ts'
import { commonsOffer, type MakeOffer } from './offer.ts'
import { Reply } from './reply.ts'
import { STATELESS } from './revisions.ts'
import { Seal } from './seal.ts'
import { Sessions, type Session } from './sessions.ts'
import { answerStateless, isStateless, saidRevision } from './stateless.ts'

const ENVELOPE_BYTES = 16 * 1024
const VERSION_HEADER = 'mcp-protocol-version'
/** MCP 2025-11-25, basic/transports: a session that there is not. */
const NO_SESSION = -32001

export interface McpFaceOptions {
  readonly count?: McpCount
  /** What is offered; the operations of the commons unless a test of the protocol offers its own. */
  readonly offer?: MakeOffer
}

export function createMcpFace(commons: Commons, version: string, options: McpFaceOptions = {}): ExtraFace {
  const { count = new McpCount(), offer: makeOffer = commonsOffer } = options
  const info = { name: 'weir', title: 'Weir', version }
  const sessions = new Sessions(commons.store)
  const seal = new Seal(commons.store)
  // Of their own: the SDK opens a stream for each session, which must not take the places of those who wait.
  const streams = new Places(commons.limits.listeners, commons.limits.listenersPerAgent)
  return async (request, response, caller, signal, wait) => {
    const context = { commons, caller, signal, wait: once(wait) }
    const to: Handshaking = { offer: makeOffer(context), info, sessions, context }
    const reply = new Reply(request, response)
    let end = ignore
    try {
      if (request.method === 'POST') {
        const message = await readMessage(request, commons)
        end = count.begin(saidRevision(message, request.headers))
        if (isStateless(message, request.headers)) {
          await answerStateless(message, request.headers, reply, { ...to, seal })
        } else await handshake(message, request, reply, to)
      } else {
        request.resume()
        end = count.begin(saidRevision(null, request.headers))
        await withoutMessage(request, response, reply, { ...to, streams })
      }
    } finally {
      reply.close()
      end()
    }
  }
}

/** @throws Refused */
async function readMessage(request: IncomingMessage, { limits }: Commons): Promise<Json> {
  const mostBytes = limits.recordBytes + ENVELOPE_BYTES
  const bytes = await readBody(request, mostBytes)
  const message = parseJson(bytes.toString('utf8'), 'body', mostBytes)
  if (!Array.isArray(message)) return message
  throw new Refused('malformed', 'batches are no longer part of MCP; send one message')
}

/** @throws Refused */
async function handshake(said: Json, request: IncomingMessage, reply: Reply, to: Handshaking): Promise<void> {
  const wrong = wrongHeader(request)
  if (wrong !== undefined) return reply.end(wrong)
  const message = messageOf(said)
  const session = await sessionOf(request, to)
  if (session === null) return reply.end(refusal(404, NO_SESSION, 'there is no such session; begin anew'))
  return answerHandshake({ message, reply, session }, to)
}

/** GET listens and DELETE ends, both for a session; without one there is no stream to open and nothing to end. */
async function withoutMessage(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  to: Handshaking & { readonly streams: Places },
): Promise<void> {
  const isNewest = request.headers[VERSION_HEADER] === STATELESS
  const session = isNewest ? undefined : await sessionOf(request, to)
  if (session === undefined || (request.method !== 'GET' && request.method !== 'DELETE')) {
    const headers = { allow: 'POST', 'content-type': 'application/json' }
    const { body } = refusal(405, -32000, 'only POST without a session; GET and DELETE are for one')
    send(response, { status: 405, headers, body })
  } else if (session === null) await reply.end(refusal(404, NO_SESSION, 'there is no such session'))
  else if (request.method === 'DELETE') {
    await to.sessions.end(session)
    send(response, { status: 204 })
  } else if (!reply.mayStream) await reply.end(refusal(406, -32000, 'Accept must name text/event-stream'))
  else {
    const leave = to.streams.take(to.context.caller.agent)
    await listenFor(session, reply, to).finally(leave)
  }
}

/** Undefined = none was said; null = there is no such one for this caller. */
async function sessionOf(
  { headers }: IncomingMessage,
  { sessions, context }: Handshaking,
): Promise<Session | undefined | null> {
  const id = headers[SESSION_HEADER]
  return typeof id === 'string' ? ((await sessions.find(id, context.caller)) ?? null) : undefined
}

/** As MCP 2025-11-25 wants them (basic/transports). */
function wrongHeader({ headers }: IncomingMessage): ReturnType<typeof refusal> | undefined {
  const { accept = '', 'content-type': type = '' } = headers
  if (!accept.includes('application/json') || !accept.includes('text/event-stream'))
    return refusal(406, -32000, 'Accept must name application/json and text/event-stream')
  if (type.split(';', 1)[0]?.trim().toLowerCase() !== 'application/json')
    return refusal(415, -32000, 'Content-Type must be application/json')
  const version = headers[VERSION_HEADER]
  if (version === undefined || SUPPORTED_PROTOCOL_VERSIONS.some((each) => each === version)) return undefined
  return refusal(400, ErrorCode.InvalidRequest, 'this revision of MCP is not spoken')
}

/** One call takes one place, however often it waits. */
function once(wait: () => void): () => void {
  let isTaken = false
  return () => {
    if (!isTaken) wait()
    isTaken = true
  }
}

function ignore(): void {}
