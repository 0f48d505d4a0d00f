/**
 * `/weir/v1/mcp`: Streamable HTTP without sessions. Each POST stands for itself, whatever replica gets it: who calls is
 * told by the request, what is shared is in the store, and nothing is kept between two calls. A message says which
 * revision it is of; the newest is answered by `stateless.ts`, those with a handshake by the official SDK.
 */
import type { Commons } from '../commons.ts'
import { send } from '../http/answers.ts'
import type { ExtraFace } from '../http/face.ts'
import { readBody } from '../http/read-body.ts'
import { parseJson } from '../json.ts'
import { Refused } from '../refused.ts'
import { answerHandshake } from './handshake.ts'
import { McpCount } from './mcp-count.ts'
import { commonsOffer, type MakeOffer } from './offer.ts'
import { answerStateless, isStateless, saidRevision } from './stateless.ts'

const ENVELOPE_BYTES = 16 * 1024

export interface McpFaceOptions {
  readonly count?: McpCount
  /** What is offered; the operations of the commons unless a test of the protocol offers its own. */
  readonly offer?: MakeOffer
}

export function createMcpFace(commons: Commons, version: string, options: McpFaceOptions = {}): ExtraFace {
  const { count = new McpCount(), offer: makeOffer = commonsOffer } = options
  const info = { name: 'weir', title: 'Weir', version }
  return async (request, response, caller, signal, wait) => {
    if (request.method !== 'POST') {
      // Without sessions there is no stream to open and nothing to end.
      request.resume()
      const error = { code: -32000, message: 'only POST: there are no sessions' }
      const headers = { allow: 'POST', 'content-type': 'application/json' }
      send(response, { status: 405, headers, body: { jsonrpc: '2.0', error, id: null } })
      return
    }
    const bytes = await readBody(request, commons.limits.recordBytes + ENVELOPE_BYTES)
    const message = parseJson(bytes.toString('utf8'), 'body', commons.limits.recordBytes + ENVELOPE_BYTES)
    if (Array.isArray(message))
      throw new Refused('malformed', 'batches are no longer part of MCP; send one message')
    const context = { commons, caller, signal, wait }
    const offer = makeOffer(context)
    const end = count.begin(saidRevision(message, request.headers))
    try {
      if (isStateless(message, request.headers)) {
        const { status, body } = await answerStateless(message, request.headers, offer, info, context)
        const headers = { 'content-type': 'application/json' }
        send(response, { status, headers, ...(body === undefined ? {} : { body }) })
      } else await answerHandshake({ request, response, message }, offer, info, context)
    } finally {
      end()
    }
  }
}
