/**
 * Shared state: documents under keys, written by compare-and-set, with an end of their own if they want one. A
 * document whose time is over is gone for every reader and writer at that instant, whenever the sweep comes.
 */
import type { Millis } from '../../core/model.ts'
import { demand, type Caller, type May } from '../caller.ts'
import type { Json } from '../json.ts'
import { Refused } from '../refused.ts'
import type { SchemaBook } from '../schemas/schema-book.ts'
import { step, type Decided } from '../step.ts'
import type { Change, Store, Stored } from '../store.ts'
import {
  documentOf,
  historyKeyOf,
  holds,
  recordOf,
  stateKeyOf,
  type ChangeRecord,
  type Condition,
  type Document,
  type DocumentRecord,
} from './document.ts'
import { readBack } from '../read-back.ts'

export interface Written {
  readonly version: number
  readonly created: boolean
}

export interface StateOptions {
  /** Versions of a document that are kept besides the newest. */
  readonly history: number
  readonly recordBytes: number
}

/** Larger values are not copied into the log: watchers fetch them. */
const LOGGED_BYTES = 16 * 1024
/** Documents that one sweep takes away. */
const SWEEP = 256
/** Index of documents with an end. */
const DUE = 'state-due'
/** Who takes away what has expired. */
const NOBODY = 'weir'

export class State {
  readonly #store: Store
  readonly #may: May
  readonly #schemas: SchemaBook
  readonly #options: StateOptions

  constructor(store: Store, may: May, schemas: SchemaBook, options: StateOptions) {
    this.#store = store
    this.#may = may
    this.#schemas = schemas
    this.#options = options
  }

  /** @throws Refused `unknown` */
  async read(caller: Caller, key: string): Promise<Document> {
    demand(this.#may, caller, { do: 'state.read', on: key })
    const document = documentOf(key, await this.#store.get(stateKeyOf(key)), this.#store.now())
    if (document === undefined) throw new Refused('unknown', `there is no document ${key}`)
    return document
  }

  /**
   * @param ttlMs 0 = it stays
   * @throws Refused `changed` when the condition does not hold, `contract`, `too-large`, `full`
   */
  async write(
    caller: Caller,
    key: string,
    value: Json,
    condition: Condition,
    ttlMs: Millis,
  ): Promise<Written> {
    demand(this.#may, caller, { do: 'state.write', on: key })
    const fault = (await this.#schemas.ofKey(key))?.(value)
    if (fault !== undefined) {
      throw new Refused('contract', `${key} does not fit its schema: ${fault.found} at ${fault.where}`, [
        fault,
      ])
    }
    let keepsHistory = this.#options.history > 0
    for (;;) {
      try {
        return await step(this.#store, () =>
          this.#writing(caller, key, value, condition, ttlMs, keepsHistory),
        )
      } catch (error) {
        // What was is worth less than what is: without room for it the write goes on.
        if (!keepsHistory || !(error instanceof Refused) || error.why !== 'full') throw error
        keepsHistory = false
      }
    }
  }

  async remove(caller: Caller, key: string, condition: Condition): Promise<void> {
    demand(this.#may, caller, { do: 'state.write', on: key })
    await step(this.#store, async () => {
      const stored = await this.#store.get(stateKeyOf(key))
      const document = documentOf(key, stored, this.#store.now())
      check(condition, document)
      if (stored === undefined || document === undefined) {
        throw new Refused('unknown', `there is no document ${key}`)
      }
      return { changes: this.#removal(key, stored, 'deleted', caller.agent), result: () => undefined }
    })
  }

  /** By key, after the key `after`. */
  async list(caller: Caller, prefix: string, after: string, most: number): Promise<readonly Document[]> {
    demand(this.#may, caller, { do: 'state.read', on: prefix })
    const from = after === '' ? '' : stateKeyOf(after)
    const rows = await this.#store.scan(stateKeyOf(prefix), from, most)
    const now = this.#store.now()
    return rows.flatMap((stored) => documentOf(stored.key.slice('state/'.length), stored, now) ?? [])
  }

  /** The newest first, the current one among them. */
  async history(caller: Caller, key: string): Promise<readonly Document[]> {
    const current = await this.read(caller, key)
    const before = await this.#store.scan(`state-history/${key}@`, '', this.#options.history + 1)
    const older = before.map(({ key: at, value }): Document => {
      const { value: then, by, at: when, expiresAt } = readBack<DocumentRecord>(value)
      return { key, version: Number(at.slice(at.lastIndexOf('@') + 1)), value: then, by, at: when, expiresAt }
    })
    return [current, ...older.toReversed()]
  }

  /** Takes away documents whose time is over; answers how many. */
  async sweep(): Promise<number> {
    const due = await this.#store.marked(DUE, this.#store.now(), SWEEP)
    let gone = 0
    for (const stored of due) {
      const key = stored.key.slice('state/'.length)
      const commit = await this.#store.commit(this.#removal(key, stored, 'expired', NOBODY))
      if (commit.ok) gone += 1
    }
    return gone
  }

  async #writing(
    caller: Caller,
    key: string,
    value: Json,
    condition: Condition,
    ttlMs: Millis,
    keepsHistory: boolean,
  ): Promise<Decided<Written>> {
    const now = this.#store.now()
    const stored = await this.#store.get(stateKeyOf(key))
    const document = documentOf(key, stored, now)
    check(condition, document)
    const past = stored === undefined ? undefined : recordOf(stored)
    const history = [...(past?.history ?? [])]
    const changes: Change[] = []
    if (stored !== undefined && document !== undefined && keepsHistory) {
      history.push(stored.version)
      changes.push({
        do: 'put',
        key: historyKeyOf(key, stored.version),
        value: JSON.stringify({ ...past, history: [] }),
        expected: 'any',
        bounded: true,
      })
    }
    const kept = document === undefined ? 0 : this.#options.history
    while (history.length > kept) {
      changes.push({ do: 'delete', key: historyKeyOf(key, history.shift()!), expected: 'any' })
    }
    const expiresAt = ttlMs === 0 ? 0 : now + ttlMs
    const text = JSON.stringify({
      value,
      by: caller.agent,
      at: now,
      expiresAt,
      history,
    } satisfies DocumentRecord)
    if (text.length > this.#options.recordBytes + 4096) {
      throw new Refused(
        'too-large',
        `${key} would have ${text.length} bytes; at most ${this.#options.recordBytes}`,
      )
    }
    changes.push(
      {
        do: 'put',
        key: stateKeyOf(key),
        value: text,
        expected: stored?.version ?? 'absent',
        marks: expiresAt === 0 ? {} : { [DUE]: expiresAt },
        bounded: true,
      },
      logged({ key, change: 'written', by: caller.agent, at: now, value }),
    )
    return { changes, result: ({ version }) => ({ version, created: document === undefined }) }
  }

  #removal(key: string, stored: Stored, change: 'deleted' | 'expired', by: string): Change[] {
    const { history } = recordOf(stored)
    return [
      { do: 'delete', key: stored.key, expected: stored.version },
      ...history.map((version): Change => ({
        do: 'delete',
        key: historyKeyOf(key, version),
        expected: 'any',
      })),
      logged({ key, change, by, at: this.#store.now() }),
    ]
  }
}

function check(condition: Condition, document: Document | undefined): void {
  if (holds(condition, document?.version)) return
  const found = document === undefined ? 'there is none' : `its ETag is "${document.version}"`
  throw new Refused('changed', `the document is not as the request expects: ${found}`, [
    {
      where: condition.match === undefined ? 'If-None-Match' : 'If-Match',
      found,
      allowed: 'read it again, then write',
    },
  ])
}

function logged(record: ChangeRecord): Change {
  const text = JSON.stringify(record)
  if (text.length <= LOGGED_BYTES) return { do: 'append', log: 'state', value: text }
  const { value: _, ...rest } = record
  return { do: 'append', log: 'state', value: JSON.stringify(rest) }
}
