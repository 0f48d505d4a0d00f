/**
 * The revisions with a handshake, by the official SDK, without sessions: each POST stands for itself, whatever replica
 * gets it. The SDK is told of no session, so it keeps none.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  PingRequestSchema,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { JsonObject } from '../json.ts'
import { readBack } from '../read-back.ts'
import { Refused } from '../refused.ts'
import { CAPABILITIES, McpFault, told, type McpOffer } from './offer.ts'
import type { ServerInfo } from './stateless.ts'
import type { CallContext } from './tools.ts'

export interface HandshakeExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The body, read and parsed. */
  readonly message: unknown
}

export async function answerHandshake(
  { request, response, message }: HandshakeExchange,
  offer: McpOffer,
  info: ServerInfo,
  context: Pick<CallContext, 'commons'>,
): Promise<void> {
  const server = serverFor(offer, info, context)
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  await server.connect(transport)
  try {
    await transport.handleRequest(request, response, message)
  } finally {
    await server.close()
  }
}

function serverFor(offer: McpOffer, info: ServerInfo, context: Pick<CallContext, 'commons'>): Server {
  const { instructions } = offer
  const server = new Server({ ...info }, { capabilities: CAPABILITIES, instructions })
  server.setRequestHandler(PingRequestSchema, () => ({}))
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...offer.tools] }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    try {
      return await offer.call(params.name, argumentsOf(params))
    } catch (error) {
      if (error instanceof McpFault) throw new McpError(error.code, error.message, error.data)
      throw error
    }
  })
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: offer.resources.filter(({ uri }) => !uri.includes('{')),
  }))
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: offer.resources
      .filter(({ uri }) => uri.includes('{'))
      .map(({ uri, ...rest }) => ({ uriTemplate: uri, ...rest })),
  }))
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params }) => {
    try {
      return await offer.read(params.uri)
    } catch (error) {
      const isUnknown = error instanceof Refused && error.why === 'unknown'
      throw new McpError(
        isUnknown ? RESOURCE_NOT_FOUND : ErrorCode.InvalidParams,
        'cannot be read',
        told(error, context),
      )
    }
  })
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: offer.prompts.map(({ arguments: takes, ...rest }) => ({ ...rest, arguments: [...takes] })),
  }))
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) =>
    orInvalid(offer.prompt(params.name, params.arguments ?? {}), context),
  )
  server.setRequestHandler(CompleteRequestSchema, async ({ params }) => ({
    completion: await orInvalid(offer.complete(params), context),
  }))
  return server
}

async function orInvalid<T>(work: Promise<T>, context: Pick<CallContext, 'commons'>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const code = error instanceof Refused ? ErrorCode.InvalidParams : ErrorCode.InternalError
    throw new McpError(code, 'cannot be answered', told(error, context))
  }
}

/** MCP 2025-11-25, resources: error handling. */
const RESOURCE_NOT_FOUND = -32002

/** Read from JSON text by `parseJson`, whatever the SDK's type says. */
function argumentsOf(params: { readonly arguments?: unknown }): JsonObject {
  return readBack<JsonObject>(JSON.stringify(params.arguments ?? {}))
}
