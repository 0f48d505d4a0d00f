/** How an agent of the workflow demo speaks to Weir's commons: by HTTP, or by MCP with the official SDK. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Millis } from '../../core/model.ts'

/** What was answered: the fields of a JSON object, or none. */
export type Told = Readonly<Record<string, unknown>>

/** Does an operation of the commons by its name in MCP. @throws Refusal when Weir says no */
export type Speak = (operation: string, given: Told) => Promise<Told>

/** Weir said no: the task is somebody else's, or the store does not answer. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: string

  constructor(code: string, detail: string) {
    super(detail)
    this.code = code
  }
}

const PATIENCE_MS: Millis = 15_000

/** By HTTP: where each operation is, and what of its arguments stands in the path. */
const PLACES: Readonly<Record<string, (given: Told) => readonly [string, string]>> = {
  register_agent: (given) => ['PUT', `/agents/${textOf(given, 'agent')}`],
  heartbeat_agent: (given) => ['POST', `/agents/${textOf(given, 'agent')}/heartbeat`],
  create_task: () => ['POST', '/tasks'],
  claim_task: () => ['POST', '/tasks/claim'],
  heartbeat_task: (given) => ['POST', `/tasks/${textOf(given, 'id')}/heartbeat`],
  complete_task: (given) => ['POST', `/tasks/${textOf(given, 'id')}/complete`],
  fail_task: (given) => ['POST', `/tasks/${textOf(given, 'id')}/fail`],
}

export function byHttp(origin: string, agent: string): Speak {
  return async (operation, given) => {
    const [method, path] = PLACES[operation]?.(given) ?? ['GET', `/${operation}`]
    const inPath = new Set(operation === 'create_task' ? [] : ['agent', 'id'])
    const body = Object.fromEntries(Object.entries(given).filter(([name]) => !inPath.has(name)))
    const answer = await fetch(`${origin}/weir/v1${path}`, {
      method,
      headers: { 'weir-agent': agent, 'content-type': 'application/json' },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    const told = record(answer.status === 204 ? undefined : await answer.json())
    if (answer.ok) return told
    throw new Refusal(textOf(told, 'code'), textOf(told, 'detail'))
  }
}

export async function byMcp(origin: string, agent: string): Promise<Speak> {
  const client = new Client({ name: agent, version: '1' })
  const requestInit = { headers: { 'weir-agent': agent } }
  const transport = new StreamableHTTPClientTransport(new URL(`${origin}/weir/v1/mcp`), { requestInit })
  await client.connect(transport)
  return async (name, given) => {
    const result = await client.callTool({ name, arguments: given }, undefined, { timeout: PATIENCE_MS })
    const told = record(result.structuredContent)
    if (result.isError !== true) return told
    const { content } = record(result)
    const [first] = Array.isArray(content) ? content.map(record) : []
    const problem = record(JSON.parse(textOf(first ?? {}, 'text') || '{}'))
    throw new Refusal(textOf(problem, 'code'), textOf(problem, 'detail'))
  }
}

/** '' = it is no text. */
export function textOf(told: Told, name: string): string {
  const value = told[name]
  return typeof value === 'string' ? value : ''
}

export function record(value: unknown): Told {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
