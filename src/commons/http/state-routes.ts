/** Shared state over HTTP. */
import { z } from 'zod'
import { demand } from '../caller.ts'
import { parseJson } from '../json.ts'
import { anyJson, stateKey, statePrefix } from '../names.ts'
import type { Document } from '../state/document.ts'
import { conditionOf, etag } from './conditions.ts'
import { placeToStart } from './last-event.ts'
import { limit, wholeNumber } from './query.ts'
import { route, type Route } from './route.ts'

const documentView = z
  .object({
    key: stateKey,
    etag: z.string(),
    value: anyJson,
    by: z.string(),
    at: z.string(),
    expiresAt: z.string().optional(),
  })
  .meta({ id: 'Document' })

const key = z.strictObject({ key: stateKey })
const conditions = {
  'If-Match': 'ETags one of which the document must have, or * = there must be one',
  'If-None-Match': 'ETags none of which the document may have, or * = there must be none',
}
const LARGEST_TTL_MS = 365 * 86_400_000

function shown({ key: name, version, value, by, at, expiresAt }: Document): z.output<typeof documentView> {
  return {
    key: name,
    etag: etag(version),
    value,
    by,
    at: new Date(at).toISOString(),
    ...(expiresAt === 0 ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
  }
}

export const stateRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/weir/v1/state',
    id: 'listState',
    tag: 'state',
    summary:
      'Documents by prefix; with Accept: text/event-stream, their changes from now on or after Last-Event-ID',
    query: z.strictObject({
      prefix: statePrefix.optional().default(''),
      after: statePrefix.optional().default(''),
      limit,
    }),
    headers: { 'Last-Event-ID': 'The last change that was seen' },
    answers: {
      200: {
        description: 'A page',
        schema: z.object({ documents: z.array(documentView), next: z.string().optional() }),
      },
    },
    async run(asked) {
      const { commons, query, caller } = asked
      if (asked.headers.accept?.includes('text/event-stream') === true) {
        demand(commons.may, caller, { do: 'state.read', on: query.prefix })
        let at = await placeToStart(asked.headers, async () => (await commons.changes.page(Infinity, 1)).last)
        const stream = asked.stream()
        while (!asked.signal.aborted) {
          const { entries, first, last } = await commons.changes.page(at, 256)
          if (at > last || at + 1 < first) {
            await stream.send('weir.gap', { from: at + 1, to: first - 1 })
            at = first - 1
            continue
          }
          for (const { offset, version, item } of entries) {
            at = offset
            if (!item.key.startsWith(query.prefix)) continue
            const { value, ...rest } = item
            const tag = item.change === 'written' ? { etag: etag(version) } : {}
            await stream.send(
              item.change,
              { ...rest, ...tag, ...(value === undefined ? {} : { value }) },
              offset,
            )
          }
          if (entries.length === 0) await commons.changes.grown(15_000, asked.signal)
        }
        return undefined
      }
      const documents = await commons.state.list(caller, query.prefix, query.after, query.limit)
      const next = documents.length < query.limit ? undefined : documents.at(-1)?.key
      return {
        status: 200,
        body: { documents: documents.map(shown), ...(next === undefined ? {} : { next }) },
      }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/state/{key*}',
    id: 'readState',
    tag: 'state',
    summary: 'One document; with history=true, its last versions too',
    params: key,
    query: z.strictObject({ history: z.enum(['true', 'false']).optional() }),
    headers: { 'If-None-Match': conditions['If-None-Match'] },
    answers: {
      200: {
        description: 'The document, or its versions, the newest first',
        schema: z.union([documentView, z.object({ versions: z.array(documentView) })]),
      },
      304: { description: 'It is still the one that was seen' },
    },
    async run({ commons, caller, params, query, headers }) {
      if (query.history === 'true') {
        const versions = await commons.state.history(caller, params.key)
        return { status: 200, body: { versions: versions.map(shown) } }
      }
      const document = await commons.state.read(caller, params.key)
      const tag = { etag: etag(document.version) }
      const { noneMatch } = conditionOf(headers)
      const isSeen = noneMatch === '*' || noneMatch?.includes(document.version) === true
      return isSeen ? { status: 304, headers: tag } : { status: 200, headers: tag, body: shown(document) }
    },
  }),
  route({
    method: 'PUT',
    path: '/weir/v1/state/{key*}',
    id: 'writeState',
    tag: 'state',
    summary: 'Writes a document: any JSON',
    params: key,
    query: z.strictObject({
      ttlMs: wholeNumber(1, LARGEST_TTL_MS)
        .optional()
        .meta({ description: 'Then it is gone; absent = it stays' }),
    }),
    raw: ['application/json'],
    headers: conditions,
    answers: {
      200: { description: 'Written over', schema: z.object({ key: stateKey, etag: z.string() }) },
      201: { description: 'Created', schema: z.object({ key: stateKey, etag: z.string() }) },
    },
    async run({ commons, caller, params, query, headers, bytes }) {
      const value = parseJson(bytes.toString('utf8'), 'body', commons.limits.recordBytes)
      const written = await commons.state.write(
        caller,
        params.key,
        value,
        conditionOf(headers),
        query.ttlMs ?? 0,
      )
      const tag = etag(written.version)
      return {
        status: written.created ? 201 : 200,
        headers: { etag: tag },
        body: { key: params.key, etag: tag },
      }
    },
  }),
  route({
    method: 'DELETE',
    path: '/weir/v1/state/{key*}',
    id: 'deleteState',
    tag: 'state',
    summary: 'Takes a document away, with its history',
    params: key,
    headers: conditions,
    answers: { 204: { description: 'Gone' } },
    async run({ commons, caller, params, headers }) {
      await commons.state.remove(caller, params.key, conditionOf(headers))
      return { status: 204 }
    },
  }),
]
