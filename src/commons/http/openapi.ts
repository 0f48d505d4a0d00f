/** The API in OpenAPI 3.1, written from the rows and their zod schemas. */
import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { readBack } from '../read-back.ts'
import { VERSIONED } from '../version-path.ts'
import type { Route } from './route.ts'

type Schema = Record<string, unknown>

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().meta({ description: 'The cause, as one word' }),
    detail: z.string(),
    errors: z.array(z.object({ where: z.string(), found: z.string(), allowed: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })

/** What a row says of itself; what runs it is of no interest here. */
export type RouteNote = Omit<Route, 'run'>

const ABOUT = {
  title: 'Weir: the commons',
  description: 'What agents share through Weir on purpose: registry, events, state and tasks.',
}

export function openApi(routes: readonly RouteNote[], version: string, about = ABOUT): Schema {
  const components: Record<string, Schema> = {}
  const paths: Record<string, Schema> = {}
  for (const row of routes) {
    const path = row.path.replaceAll('*}', '}')
    const operations = (paths[path] ??= {})
    operations[row.method.toLowerCase()] = operation(row, components)
  }
  schemaOf(problem, 'output', components)
  return {
    openapi: '3.1.0',
    info: {
      ...about,
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: "The agents' port" }],
    paths,
    components: {
      schemas: components,
      responses: {
        Problem: {
          description: 'Refused: what is wrong, where, and what is allowed',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
    externalDocs: { url: `${VERSIONED}/openapi.json` },
  }
}

function operation(row: RouteNote, components: Record<string, Schema>): Schema {
  const parameters = [
    ...parametersOf(row.params, 'path', components),
    ...parametersOf(row.query, 'query', components),
    ...Object.entries(row.headers ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      required: false,
      description,
      schema: { type: 'string' },
    })),
  ]
  const types = row.raw ?? (row.body === undefined ? [] : ['application/json'])
  const body = row.body === undefined ? {} : schemaOf(row.body, 'input', components)
  return {
    operationId: row.id,
    summary: row.summary,
    tags: [row.tag],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(types.length === 0
      ? {}
      : {
          requestBody: {
            required: row.raw !== undefined,
            content: Object.fromEntries(types.map((type) => [type, { schema: body }])),
          },
        }),
    responses: {
      ...Object.fromEntries(
        Object.entries(row.answers).map(([status, note]) => [status, answerOf(row, note, components)]),
      ),
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function answerOf(
  row: RouteNote,
  note: RouteNote['answers'][number],
  components: Record<string, Schema>,
): Schema {
  const isStream = row.headers?.['Last-Event-ID'] !== undefined
  const content =
    note.schema === undefined
      ? undefined
      : {
          'application/json': { schema: schemaOf(note.schema, 'output', components) },
          ...(isStream ? { 'text/event-stream': { schema: { type: 'string' } } } : {}),
        }
  return { description: note.description || STATUS_CODES[200], ...(content === undefined ? {} : { content }) }
}

function parametersOf(
  schema: z.ZodType | undefined,
  place: 'path' | 'query',
  components: Record<string, Schema>,
): Schema[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = schemaOf(schema, 'input', components) as {
    properties?: Record<string, Schema>
    required?: string[]
  }
  return Object.entries(properties).map(([name, inner]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(typeof inner['description'] === 'string' ? { description: inner['description'] } : {}),
    schema: inner,
  }))
}

/** Named schemas move to the components; what is left refers to them. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', components: Record<string, Schema>): Schema {
  const made = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any' }) as Schema
  const { $schema: _, $defs = {}, id, ...rest } = made as Schema & { $defs?: Record<string, Schema> }
  for (const [name, inner] of Object.entries($defs)) components[name] ??= withoutId(moved(inner))
  const own = moved(rest)
  if (typeof id !== 'string') return own
  components[id] ??= own
  return { $ref: `#/components/schemas/${id}` }
}

function withoutId(schema: Schema): Schema {
  const { id: _, ...rest } = schema
  return rest
}

function moved(value: Schema): Schema {
  const text = JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/')
  return readBack<Schema>(text)
}
