/**
 * The operations of the HTTP API as tools: one table serves both, so that an agent can do by MCP what it can do by HTTP,
 * with the same checks and the same words. Parameters, query and the fields of a body become arguments side by side.
 */
import { z } from 'zod'
import type { Caller } from '../caller.ts'
import type { Commons } from '../commons.ts'
import { checked } from '../http/checked.ts'
import { matchPath, type Answer, type Route } from '../http/route.ts'
import { ROUTES } from '../http/routes.ts'
import type { Json, JsonObject } from '../json.ts'
import { Refused } from '../refused.ts'
import { VERSIONED } from '../version-path.ts'

type Schema = Record<string, unknown>

interface Tool {
  readonly name: string
  readonly description: string
  readonly inputSchema: {
    readonly type: 'object'
    readonly properties: Record<string, Schema>
    readonly [key: string]: unknown
  }
  readonly annotations: { readonly readOnlyHint: boolean }
}

/** Whose name in the HTTP API would not say what it is for here. */
const NAMES: Readonly<Record<string, string>> = { listUpstreams: 'upstream_status' }
/** Bodies that are one value, by the argument that holds it. */
const BODIES: Readonly<Record<string, string>> = {
  publishEvents: 'event',
  writeState: 'value',
  putSchema: 'schema',
  decideTask: 'decision',
}
/** Arguments that a person before the client is asked for when they are absent, by the operation. */
const ASKED: Readonly<Record<string, string>> = {
  decideTask: 'Absent = the person before the client is asked, where the client can ask',
}
const HEADERS: Readonly<Record<string, string>> = { 'If-Match': 'ifMatch', 'If-None-Match': 'ifNoneMatch' }

interface Operation {
  readonly tool: Tool
  readonly row: Route
}

const OPERATIONS: ReadonlyMap<string, Operation> = new Map(
  ROUTES.map((row) => {
    const tool = toolOf(row)
    return [tool.name, { tool, row }]
  }),
)

export const TOOLS: readonly Tool[] = [...OPERATIONS.values()].map(({ tool }) => tool)

/** What a call brings with it. */
export interface CallContext {
  readonly commons: Commons
  readonly caller: Caller
  readonly signal: AbortSignal
  wait(): void
}

/** @throws Refused */
export async function callTool(name: string, given: JsonObject, context: CallContext): Promise<Answer> {
  const operation = OPERATIONS.get(name)
  if (operation === undefined) throw new Refused('unknown', `there is no tool ${name.slice(0, 64)}`)
  const { row } = operation
  const rest: Record<string, Json> = { ...given }
  const take = (schema: z.ZodType | undefined): Record<string, Json> => {
    const taken: Record<string, Json> = {}
    for (const key of keysOf(schema)) {
      if (rest[key] === undefined) continue
      taken[key] = rest[key]
      delete rest[key]
    }
    return taken
  }
  const params = take(row.params)
  const query = asText(take(row.query))
  const headers: Record<string, string> = {}
  for (const [header, argument] of Object.entries(HEADERS)) {
    if (row.headers?.[header] === undefined || rest[argument] === undefined) continue
    const said = rest[argument]
    headers[header.toLowerCase()] = typeof said === 'string' ? said : ''
    delete rest[argument]
  }
  const single = BODIES[row.id]
  const value = single === undefined ? undefined : (rest[single] ?? null)
  if (single !== undefined) delete rest[single]
  const isFields = single === undefined && row.body !== undefined
  if (!isFields && Object.keys(rest).length > 0) throw unknownArguments(rest, operation.tool)
  return run(row, { params, query, headers, body: isFields ? rest : value }, context)
}

/** `weir://tasks/1` is what GET answers for `/weir/v1/tasks/1`. @throws Refused */
export async function readResource(uri: string, context: CallContext): Promise<Answer> {
  const path = uri.startsWith('weir://') ? `${VERSIONED}/${uri.slice('weir://'.length)}` : ''
  for (const row of ROUTES) {
    const params = row.method === 'GET' ? matchPath(row.path, path) : undefined
    if (params !== undefined) return run(row, { params, query: {}, headers: {}, body: undefined }, context)
  }
  throw new Refused('unknown', 'there is no such resource', [
    {
      where: 'uri',
      found: uri.slice(0, 128),
      allowed: 'what resources/list and resources/templates/list name',
    },
  ])
}

/** Resources without parameters, and templates of those with. */
export const RESOURCES = ROUTES.filter(({ method }) => method === 'GET').map(({ path, id, summary }) => ({
  uri: path.replace(`${VERSIONED}/`, 'weir://').replace('*}', '}'),
  name: id,
  description: summary,
  mimeType: 'application/json',
}))

async function run(
  row: Route,
  given: { params: unknown; query: unknown; headers: Record<string, string>; body: unknown },
  context: CallContext,
): Promise<Answer> {
  const text = row.raw === undefined ? '' : JSON.stringify(given.body)
  // What is published by MCP is an event in JSON: structured mode.
  const type = row.id === 'publishEvents' ? 'application/cloudevents+json' : 'application/json'
  const answer = await row.run({
    caller: context.caller,
    params: checked(row.params, given.params, 'arguments'),
    query: checked(row.query, given.query, 'arguments'),
    body: checked(row.body, given.body, ''),
    headers: { ...given.headers, 'content-type': type },
    bytes: Buffer.from(text),
    commons: context.commons,
    signal: context.signal,
    wait: () => context.wait(),
    stream: () => {
      throw new Refused('not-acceptable', 'streams are read over HTTP')
    },
  })
  return answer ?? { status: 204 }
}

function toolOf(row: Route): Tool {
  const properties: Record<string, Schema> = {}
  const required: string[] = []
  const $defs: Record<string, unknown> = {}
  const add = (schema: z.ZodType | undefined): void => {
    if (schema === undefined) return
    const made = jsonSchemaOf(schema)
    Object.assign($defs, made.$defs)
    Object.assign(properties, made.properties)
    required.push(...(made.required ?? []))
  }
  add(row.params)
  if (row.query !== undefined) {
    add(row.query)
    for (const key of keysOf(row.query)) properties[key] = asNumber(properties[key] ?? {})
  }
  for (const [header, argument] of Object.entries(HEADERS)) {
    const description = row.headers?.[header]
    if (description !== undefined) properties[argument] = { type: 'string', description }
  }
  const single = BODIES[row.id]
  if (single === undefined) add(row.body)
  else {
    const { $defs: inner, $schema: _, ...schema } = row.body === undefined ? {} : jsonSchemaOf(row.body)
    Object.assign($defs, inner)
    const asked = ASKED[row.id]
    properties[single] = asked === undefined ? schema : { ...schema, description: asked }
    if (asked === undefined) required.push(single)
  }
  return {
    name: NAMES[row.id] ?? row.id.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    description: row.summary,
    inputSchema: {
      type: 'object',
      properties,
      required,
      additionalProperties: false,
      ...(Object.keys($defs).length === 0 ? {} : { $defs }),
    },
    annotations: { readOnlyHint: row.method === 'GET' },
  }
}

interface ObjectSchema extends Schema {
  readonly $schema?: string
  readonly $defs?: Record<string, unknown>
  readonly properties?: Record<string, Schema>
  readonly required?: readonly string[]
}

function jsonSchemaOf(schema: z.ZodType): ObjectSchema {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- properties of a schema of ours are schemas
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as ObjectSchema
}

/** Whole numbers of a query are text on the wire only. */
function asNumber(schema: Schema): Schema {
  if (schema['pattern'] !== '^[0-9]{1,16}$') return schema
  const { pattern: _, type: _type, default: _default, ...rest } = schema
  return { type: 'integer', ...rest }
}

function keysOf(schema: z.ZodType | undefined): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

function asText(query: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(query).map(([key, value]) => [
      key,
      typeof value === 'number' || typeof value === 'boolean' ? String(value) : value,
    ]),
  )
}

function unknownArguments(rest: object, tool: Tool): Refused {
  const known = Object.keys(tool.inputSchema.properties)
  const found = Object.keys(rest).join(', ').slice(0, 200)
  return new Refused('malformed', `${tool.name} takes no ${found}`, [
    { where: 'arguments', found, allowed: known.join(', ') },
  ])
}
