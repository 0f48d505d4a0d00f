/**
 * What the face offers, whatever revision of the protocol asks: tools, resources and prompts, with their answers in the
 * words of MCP. The faces know the protocol, the offer knows what is offered.
 */
import type { CallToolResult, GetPromptResult, ReadResourceResult } from '@modelcontextprotocol/sdk/types.js'
import { problemOf } from '../http/answers.ts'
import type { JsonObject } from '../json.ts'
import { complete, type Completion, type CompletionAsked } from './completion.ts'
import { PROMPT_OFFERS, promptMessages, type PromptOffer } from './prompts.ts'
import { callTool, readResource, RESOURCES, TOOLS, type CallContext } from './tools.ts'

/** An answer that is none: an error of JSON-RPC. */
export class McpFault extends Error {
  override readonly name = 'McpFault'
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.code = code
    this.data = data
  }
}

/** JSON-RPC 2.0, 5.1. */
export const INVALID_PARAMS = -32602

export interface ToolOffer {
  readonly name: string
  readonly description: string
  readonly inputSchema: { readonly type: 'object'; readonly [key: string]: unknown }
  readonly annotations?: { readonly readOnlyHint: boolean }
}

export interface ResourceOffer {
  readonly uri: string
  readonly name: string
  readonly description: string
  readonly mimeType: string
}

export interface McpOffer {
  readonly instructions: string
  /** In an order that stays. */
  readonly tools: readonly ToolOffer[]
  /** Those with `{` in their address are templates. */
  readonly resources: readonly ResourceOffer[]
  readonly prompts: readonly PromptOffer[]
  /** A failure of what is asked is a result (`isError`). @throws McpFault when there is no such tool */
  call(name: string, given: JsonObject): Promise<CallToolResult>
  /** @throws Refused `unknown` when there is none */
  read(uri: string): Promise<ReadResourceResult>
  /** @throws Refused */
  prompt(name: string, given: Readonly<Record<string, string>>): Promise<GetPromptResult>
  /** @throws Refused */
  complete(asked: CompletionAsked): Promise<Completion>
}

/** What a server of this offer can do; it never sends anything of its own accord. */
export const CAPABILITIES = { tools: {}, resources: {}, prompts: {}, completions: {} } as const

export type MakeOffer = (context: CallContext) => McpOffer

const INSTRUCTIONS =
  'Weir coordinates agents. Ask upstream_status before you start work that depends on an upstream, and await_upstream instead of retrying. Find others with find_agents, hand work over with create_task, take work with claim_task, and prove with heartbeat_task that you are at it. list_handoffs tells who handed what to whom, what_if_task_fails what happens when a step fails now.'

/** The operations of the commons. */
export function commonsOffer(context: CallContext): McpOffer {
  return {
    instructions: INSTRUCTIONS,
    tools: TOOLS,
    resources: RESOURCES,
    prompts: PROMPT_OFFERS,
    async call(name, given) {
      if (!TOOLS.some((tool) => tool.name === name)) {
        const allowed = TOOLS.map((tool) => tool.name).join(', ')
        throw new McpFault(INVALID_PARAMS, `Unknown tool: ${name.slice(0, 64)}`, { allowed })
      }
      try {
        const { body = name === 'claim_task' ? { task: null } : { done: true } } = await callTool(
          name,
          given,
          context,
        )
        const content = [{ type: 'text' as const, text: JSON.stringify(body) }]
        return isRecord(body) ? { content, structuredContent: { ...body } } : { content }
      } catch (error) {
        return { content: [{ type: 'text', text: JSON.stringify(told(error, context)) }], isError: true }
      }
    },
    async read(uri) {
      const { body } = await readResource(uri, context)
      return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(body ?? null) }] }
    },
    prompt: async (name, given) => ({ ...(await promptMessages(name, given, context)) }),
    complete: (asked) => complete(asked, context),
  }
}

/** The problem that the HTTP API would answer; what is Weir's own fault goes into its log. */
export function told(error: unknown, { commons }: Pick<CallContext, 'commons'>): unknown {
  const { answer, isOurs } = problemOf(error)
  if (isOurs) commons.onTrouble(error)
  return answer.body
}

function isRecord(body: unknown): body is object {
  return typeof body === 'object' && body !== null && !Array.isArray(body)
}
