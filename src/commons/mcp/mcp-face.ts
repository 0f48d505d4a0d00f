/**
 * `/weir/v1/mcp`: Streamable HTTP by the official SDK, without sessions. Each POST stands for itself, whatever replica
 * gets it: who calls is told by the request, what is shared is in the store, and nothing is kept between two calls.
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  CallToolRequestSchema,
  ErrorCode,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  PingRequestSchema,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { Commons } from '../commons.ts'
import { problemOf, send } from '../http/answers.ts'
import type { ExtraFace } from '../http/face.ts'
import { readBody } from '../http/read-body.ts'
import { parseJson, type JsonObject } from '../json.ts'
import { readBack } from '../read-back.ts'
import { Refused } from '../refused.ts'
import { callTool, readResource, RESOURCES, TOOLS, type CallContext } from './tools.ts'

const INSTRUCTIONS =
  'Weir coordinates agents. Ask upstream_status before you start work that depends on an upstream, and await_upstream instead of retrying. Find others with find_agents, hand work over with create_task, take work with claim_task, and prove with heartbeat_task that you are at it.'
const ENVELOPE_BYTES = 16 * 1024

export function createMcpFace(commons: Commons, version: string): ExtraFace {
  return async (request, response, caller, signal, wait) => {
    if (request.method !== 'POST') {
      // Without sessions there is no stream to open and nothing to end.
      request.resume()
      const body = {
        jsonrpc: '2.0',
        error: { code: -32000, message: 'only POST: there are no sessions' },
        id: null,
      }
      send(response, { status: 405, headers: { allow: 'POST', 'content-type': 'application/json' }, body })
      return
    }
    const bytes = await readBody(request, commons.limits.recordBytes + ENVELOPE_BYTES)
    const body = parseJson(bytes.toString('utf8'), 'body', commons.limits.recordBytes + ENVELOPE_BYTES)
    if (Array.isArray(body))
      throw new Refused('malformed', 'batches are no longer part of MCP; send one message')
    const server = serverFor({ commons, caller, signal, wait }, version)
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
    await server.connect(transport)
    try {
      await transport.handleRequest(request, response, body)
    } finally {
      await server.close()
    }
  }
}

function serverFor(context: CallContext, version: string): Server {
  const server = new Server(
    { name: 'weir', title: 'Weir', version },
    { capabilities: { tools: {}, resources: {} }, instructions: INSTRUCTIONS },
  )
  server.setRequestHandler(PingRequestSchema, () => ({}))
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...TOOLS] }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    try {
      const answer = await callTool(params.name, argumentsOf(params), context)
      const body = answer.body ?? (params.name === 'claim_task' ? { task: null } : { done: true })
      const structuredContent = recordOf(body)
      const content = [{ type: 'text' as const, text: JSON.stringify(body) }]
      return structuredContent === undefined ? { content } : { content, structuredContent }
    } catch (error) {
      return { content: [{ type: 'text', text: JSON.stringify(told(error, context)) }], isError: true }
    }
  })
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: RESOURCES.filter(({ uri }) => !uri.includes('{')),
  }))
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: RESOURCES.filter(({ uri }) => uri.includes('{')).map(({ uri, ...rest }) => ({
      uriTemplate: uri,
      ...rest,
    })),
  }))
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params }) => {
    try {
      const { body } = await readResource(params.uri, context)
      return {
        contents: [{ uri: params.uri, mimeType: 'application/json', text: JSON.stringify(body ?? null) }],
      }
    } catch (error) {
      const isUnknown = error instanceof Refused && error.why === 'unknown'
      throw new McpError(
        isUnknown ? RESOURCE_NOT_FOUND : ErrorCode.InvalidParams,
        'cannot be read',
        told(error, context),
      )
    }
  })
  return server
}

/** MCP 2025-11-25, resources: error handling. */
const RESOURCE_NOT_FOUND = -32002

/** Read from JSON text by `parseJson`, whatever the SDK's type says. */
function argumentsOf(params: { readonly arguments?: unknown }): JsonObject {
  return readBack<JsonObject>(JSON.stringify(params.arguments ?? {}))
}

function recordOf(body: unknown): Record<string, unknown> | undefined {
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : undefined
}

function told(error: unknown, { commons }: CallContext): unknown {
  const { answer, isOurs } = problemOf(error)
  if (isOurs) commons.onTrouble(error)
  return answer.body
}
