/** The file of API keys: read as a whole or not at all, and written by `weir keys`, comments and all. */
import { parseDocument, YAMLSeq, type Document } from 'yaml'
import { z } from 'zod'
import { readDocument } from '../policy/document.ts'
import { needed, option, scalar, text as line } from '../policy/fields.ts'
import { formatProblem } from '../policy/problems.ts'
import { AGENT_NAME_ALLOWED, isAgentName } from './agent-name.ts'
import { KEY_ID, KEY_ID_ALLOWED, type KeyRecord } from './api-key.ts'

/** Bounded by the size of the file as well (1 MiB). */
const MOST_KEYS = 10_000

function instant(): z.ZodType<number> {
  return scalar({
    read: (value) => {
      const at =
        typeof value === 'string' && /^\d{4}-\d\d-\d\d(T|$)/.test(value) ? Date.parse(value) : Number.NaN
      return Number.isNaN(at) ? undefined : at
    },
    allowed: 'a date, or an instant as RFC 3339 writes it',
    example: '2027-01-31T00:00:00Z',
    json: { type: 'string', format: 'date-time' },
  })
}

function agentName(): z.ZodType<string> {
  return scalar({
    read: (value) => (typeof value === 'string' && isAgentName(value) ? value : undefined),
    allowed: AGENT_NAME_ALLOWED,
    json: { type: 'string', minLength: 1, maxLength: 128 },
  })
}

const keysFile = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        id: needed(line(64, KEY_ID_ALLOWED, KEY_ID), 'What stands before the dot of the key.'),
        agent: needed(agentName(), 'Whose key it is; an agent may have several.'),
        sha256: needed(line(64, '64 hex digits', /^[0-9a-f]{64}$/), 'Of the secret after the dot.'),
        created: option(instant(), 'When it was made.'),
        expires: option(instant(), "From then on it is nobody's."),
      }),
    )
    .max(MOST_KEYS),
})

export type ReadKeys =
  | { readonly ok: true; readonly records: readonly KeyRecord[] }
  | { readonly ok: false; readonly problems: readonly string[] }

/** @param name of the file, for people */
export function readKeys(name: string, content: string): ReadKeys {
  const read = readDocument(name, content === '' ? 'keys: []' : content, keysFile)
  if (!read.ok) return { ok: false, problems: read.problems.map(formatProblem) }
  const seen = new Set<string>()
  const problems: string[] = []
  const records = read.value.keys.map(({ id, agent, sha256, created, expires }): KeyRecord => {
    if (seen.has(id)) problems.push(`${name}: two keys have the id ${id}; fix: give one of them another`)
    seen.add(id)
    return { id, agent, sha256, createdAt: created ?? 0, expiresAt: expires ?? Infinity }
  })
  return problems.length === 0 ? { ok: true, records } : { ok: false, problems }
}

/** The text of the file with one more key. @throws when the text is not in order */
export function withKey(
  name: string,
  content: string,
  { id, agent, sha256, createdAt, expiresAt }: KeyRecord,
): string {
  demandOrder(name, content)
  const document = parseDocument(content === '' ? 'keys: []\n' : content)
  const keys = document.get('keys')
  if (!(keys instanceof YAMLSeq)) throw new Error(`${name}: keys is not a list`)
  keys.flow = false
  keys.add(
    document.createNode({
      id,
      agent,
      sha256,
      created: shown(createdAt),
      ...(expiresAt === Infinity ? {} : { expires: shown(expiresAt) }),
    }),
  )
  const written = textOf(document)
  demandOrder(name, written)
  return written
}

/** The text of the file without a key; undefined = there is none of that id. @throws as `withKey` */
export function withoutKey(name: string, content: string, id: string): string | undefined {
  const records = demandOrder(name, content)
  const index = records.findIndex((record) => record.id === id)
  if (index === -1) return undefined
  const document = parseDocument(content)
  document.deleteIn(['keys', index])
  return textOf(document)
}

function textOf(document: Document.Parsed): string {
  const text = document.toString({ lineWidth: 0 })
  return text.endsWith('\n') ? text : `${text}\n`
}

function demandOrder(name: string, content: string): readonly KeyRecord[] {
  const read = readKeys(name, content)
  if (read.ok) return read.records
  throw new Error(read.problems.join('\n'))
}

function shown(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z')
}
