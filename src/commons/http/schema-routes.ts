/** Schemas that agents agree on, over HTTP. */
import { z } from 'zod'
import { anyJson } from '../names.ts'
import { SCHEMA_SUBJECTS } from '../schemas/schema-book.ts'
import { limit } from './query.ts'
import { route, type Route } from './route.ts'

const subject = z.enum(SCHEMA_SUBJECTS)
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/:-]{0,255}$/)
  .meta({ description: 'Type of an event, or prefix of keys of state' })
const params = z.strictObject({ subject, name })
const schemaView = z
  .object({ for: subject, name: z.string(), schema: anyJson, by: z.string(), version: z.number().int() })
  .meta({ id: 'RegisteredSchema' })

export const schemaRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/weir/v1/schemas/{subject}',
    id: 'listSchemas',
    tag: 'schemas',
    summary: 'What messages and documents have to fit',
    params: z.strictObject({ subject }),
    query: z.strictObject({ after: z.string().max(256).optional().default(''), limit }),
    answers: { 200: { description: 'Schemas by name', schema: z.object({ schemas: z.array(schemaView) }) } },
    async run({ commons, caller, params: where, query }) {
      const schemas = await commons.schemas.list(caller, where.subject, query.after, query.limit)
      return { status: 200, body: { schemas } }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/schemas/{subject}/{name*}',
    id: 'readSchema',
    tag: 'schemas',
    summary: 'One schema',
    params,
    answers: { 200: { description: 'The schema', schema: schemaView } },
    async run({ commons, caller, params: where }) {
      return { status: 200, body: await commons.schemas.get(caller, where.subject, where.name) }
    },
  }),
  route({
    method: 'PUT',
    path: '/weir/v1/schemas/{subject}/{name*}',
    id: 'putSchema',
    tag: 'schemas',
    summary:
      'Agrees on a JSON Schema (2020-12) for a type of event or a prefix of state; in force from the next message on',
    params,
    body: anyJson,
    answers: { 200: { description: 'In force', schema: schemaView } },
    async run({ commons, caller, params: where, body }) {
      return { status: 200, body: await commons.schemas.put(caller, where.subject, where.name, body) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/weir/v1/schemas/{subject}/{name*}',
    id: 'deleteSchema',
    tag: 'schemas',
    summary: 'Ends an agreement',
    params,
    answers: { 204: { description: 'Gone' } },
    async run({ commons, caller, params: where }) {
      await commons.schemas.remove(caller, where.subject, where.name)
      return { status: 204 }
    },
  }),
]
