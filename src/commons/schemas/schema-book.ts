/**
 * Schemas that agents agree on: one per type of event, one per prefix of state (the longest that fits counts). What is
 * read is remembered for a moment, so that a burst of events costs one look; a change is in force everywhere by then.
 */
import type { Millis } from '../../core/model.ts'
import { demand, type Caller, type May } from '../caller.ts'
import type { Json } from '../json.ts'
import { Refused } from '../refused.ts'
import { step } from '../step.ts'
import type { Store } from '../store.ts'
import type { Validate, Validators } from './validator.ts'
import { readBack } from '../read-back.ts'

export const SCHEMA_SUBJECTS = ['event', 'state'] as const
export type SchemaSubject = (typeof SCHEMA_SUBJECTS)[number]

export interface SchemaView {
  readonly for: SchemaSubject
  readonly name: string
  readonly schema: Json
  readonly by: string
  readonly version: number
}

interface Remembered {
  readonly at: Millis
  readonly schema: Json | undefined
}

/** Replicas share a store and nothing else: so long may one of them not know what another has registered. */
const REMEMBERED_MS: Millis = 1000
const REMEMBERED = 4096

export class SchemaBook {
  readonly #store: Store
  readonly #may: May
  readonly #validators: Validators
  readonly #remembered = new Map<string, Remembered>()

  constructor(store: Store, may: May, validators: Validators) {
    this.#store = store
    this.#may = may
    this.#validators = validators
  }

  /** @throws Refused `contract` when it is no schema that may be used */
  async put(caller: Caller, subject: SchemaSubject, name: string, schema: Json): Promise<SchemaView> {
    demand(this.#may, caller, { do: 'schema.write', on: `${subject}/${name}` })
    this.#validators.of(schema)
    const key = keyOf(subject, name)
    const value = JSON.stringify({ schema, by: caller.agent })
    const view = await step(this.#store, async () => ({
      changes: [{ do: 'put', key, value, expected: 'any', bounded: true }],
      result: ({ version }) => ({ for: subject, name, schema, by: caller.agent, version }),
    }))
    this.#remembered.delete(key)
    return view
  }

  async get(caller: Caller, subject: SchemaSubject, name: string): Promise<SchemaView> {
    demand(this.#may, caller, { do: 'schema.read', on: `${subject}/${name}` })
    const stored = await this.#store.get(keyOf(subject, name))
    if (stored === undefined) throw new Refused('unknown', `no schema is registered for ${subject} ${name}`)
    const { schema, by } = readBack<{ schema: Json; by: string }>(stored.value)
    return { for: subject, name, schema, by, version: stored.version }
  }

  async remove(caller: Caller, subject: SchemaSubject, name: string): Promise<void> {
    demand(this.#may, caller, { do: 'schema.write', on: `${subject}/${name}` })
    const key = keyOf(subject, name)
    await step(this.#store, async () => {
      const stored = await this.#store.get(key)
      if (stored === undefined) throw new Refused('unknown', `no schema is registered for ${subject} ${name}`)
      return { changes: [{ do: 'delete', key, expected: stored.version }], result: () => undefined }
    })
    this.#remembered.delete(key)
  }

  async list(
    caller: Caller,
    subject: SchemaSubject,
    after: string,
    most: number,
  ): Promise<readonly SchemaView[]> {
    demand(this.#may, caller, { do: 'schema.read', on: `${subject}/` })
    const prefix = keyOf(subject, '')
    const rows = await this.#store.scan(prefix, after === '' ? '' : prefix + after, most)
    return rows.map(({ key, value, version }) => {
      const { schema, by } = readBack<{ schema: Json; by: string }>(value)
      return { for: subject, name: key.slice(prefix.length), schema, by, version }
    })
  }

  /** What messages of this type have to fit; undefined = nothing is agreed. */
  async ofEvent(type: string): Promise<Validate | undefined> {
    const schema = await this.#look(keyOf('event', type))
    return schema === undefined ? undefined : this.#validators.of(schema)
  }

  /** What the document has to fit: of the registered prefixes of its key the longest one's schema. */
  async ofKey(key: string): Promise<Validate | undefined> {
    const ends = [key.length]
    for (let at = key.lastIndexOf('/'); at > 0; at = key.lastIndexOf('/', at - 1)) ends.push(at + 1, at)
    for (const end of ends) {
      const schema = await this.#look(keyOf('state', key.slice(0, end)))
      if (schema !== undefined) return this.#validators.of(schema)
    }
    return undefined
  }

  async #look(key: string): Promise<Json | undefined> {
    const now = this.#store.now()
    const known = this.#remembered.get(key)
    if (known !== undefined && now - known.at < REMEMBERED_MS && now >= known.at) return known.schema
    const stored = await this.#store.get(key)
    const schema = stored === undefined ? undefined : readBack<{ schema: Json }>(stored.value).schema
    this.#remembered.delete(key)
    this.#remembered.set(key, { at: now, schema })
    if (this.#remembered.size > REMEMBERED)
      this.#remembered.delete(this.#remembered.keys().next().value ?? '')
    return schema
  }
}

function keyOf(subject: SchemaSubject, name: string): string {
  return `schema/${subject}/${name}`
}
