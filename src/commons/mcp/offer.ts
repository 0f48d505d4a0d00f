/**
 * What the face offers, whatever revision of the protocol asks: tools, resources and prompts, with their answers in the
 * words of MCP. The faces know the protocol, the offer knows what is offered.
 */
import type { CallToolResult, GetPromptResult, ReadResourceResult } from '@modelcontextprotocol/sdk/types.js'
import { problemOf } from '../http/answers.ts'
import type { JsonObject } from '../json.ts'
import { checkFollowed, sinceNow, tellChanges, type Following } from './changes.ts'
import { complete, type Completion, type CompletionAsked } from './completion.ts'
import type { Conversation } from './conversation.ts'
import { INVALID_PARAMS, McpFault } from './fault.ts'
import { withDecision } from './gate-question.ts'
import { heardWaiting } from './meanwhile.ts'
import { PROMPT_OFFERS, promptMessages, type PromptOffer } from './prompts.ts'
import { InputRequired } from './rounds.ts'
import { callTool, readResource, RESOURCES, TOOLS, type CallContext } from './tools.ts'

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
  call(name: string, given: JsonObject, conversation: Conversation): Promise<CallToolResult>
  /** @throws Refused `unknown` when there is none */
  read(uri: string, conversation: Conversation): Promise<ReadResourceResult>
  /** @throws Refused */
  prompt(
    name: string,
    given: Readonly<Record<string, string>>,
    conversation: Conversation,
  ): Promise<GetPromptResult>
  /** Whether changes of a resource can be told. @throws Refused */
  checkFollowed(uri: string): Promise<void>
  /** What is changed from now on, as soon as it is known from when: answers how to tell it until nobody listens. */
  changes(): Promise<(following: Following) => Promise<void>>
  /** @throws Refused */
  complete(asked: CompletionAsked): Promise<Completion>
}

/** What a server of this offer can do for a client that it knows again, or that says all in each request. */
export const CAPABILITIES = {
  tools: {},
  resources: { subscribe: true },
  prompts: {},
  completions: {},
  logging: {},
} as const

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
    async call(name, given, conversation) {
      if (!TOOLS.some((tool) => tool.name === name)) {
        const allowed = TOOLS.map((tool) => tool.name).join(', ')
        throw new McpFault(INVALID_PARAMS, `Unknown tool: ${name.slice(0, 64)}`, { allowed })
      }
      const heard = heardWaiting({ name, given }, context, conversation)
      try {
        const whole = await withDecision({ name, given }, context, conversation)
        const { body = name === 'claim_task' ? { task: null } : { done: true } } = await callTool(
          name,
          whole,
          heard.context,
        )
        const content = [{ type: 'text' as const, text: JSON.stringify(body) }]
        return isRecord(body) ? { content, structuredContent: { ...body } } : { content }
      } catch (error) {
        if (error instanceof InputRequired || error instanceof McpFault) throw error
        return { content: [{ type: 'text', text: JSON.stringify(told(error, context)) }], isError: true }
      } finally {
        heard.end()
      }
    },
    async read(uri) {
      const { body } = await readResource(uri, context)
      return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(body ?? null) }] }
    },
    prompt: async (name, given, conversation) => ({
      ...(await promptMessages(name, given, context, conversation)),
    }),
    checkFollowed: (uri) => checkFollowed(uri, context),
    async changes() {
      const since = await sinceNow(context)
      return (following) => tellChanges(following, since, context)
    },
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
