/**
 * The store of one machine: LMDB. Commits made at the same time share one transaction and one flush, on a thread of its
 * own; what runs on the main thread is a few look-ups per change. One process per directory: others would be safe from
 * each other's commits, but would not hear of them, and would count each other's rooms wrongly.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { open, type Database, type RootDatabase } from 'lmdb'
import type { Millis } from '../../core/model.ts'
import {
  isAsExpected,
  roomOf,
  StoreError,
  type Change,
  type Commit,
  type LogName,
  type LogPage,
  type Marked,
  type Marks,
  type RoomBounds,
  type Store,
  type Stored,
  type StoreBounds,
} from '../store.ts'
import { LogListeners } from './log-listeners.ts'
import { Usage } from './usage.ts'

interface Kept {
  readonly version: number
  readonly value: string
  readonly marks: Marks
}

interface Entry {
  readonly version: number
  readonly value: string
}

interface LogEnds {
  readonly first: number
  readonly last: number
  readonly bytes: number
}

type MarkKey = [index: string, at: number, key: string]

/** After every number, in the order of LMDB's keys. */
const AFTER_NUMBERS = '~'
const NO_LOG: LogEnds = { first: 1, last: 0, bytes: 0 }

export class LmdbStore implements Store {
  readonly durability =
    'On this disk: what is acknowledged survives the end of the process at any moment, and the loss of power as far as the disk keeps what it said was flushed.'
  readonly now: () => Millis
  readonly #directory: string
  readonly #bounds: StoreBounds
  readonly #listeners = new LogListeners()
  #usage: Usage
  #counts = new Map<string, number>()
  #root: RootDatabase<unknown, string> | undefined
  #records!: Database<Kept, string>
  #marks!: Database<boolean, MarkKey>
  #entries!: Database<Entry, [LogName, number]>
  #meta!: Database<number | LogEnds, string>

  constructor(directory: string, bounds: StoreBounds, wall: () => Millis) {
    this.#directory = directory
    this.#bounds = bounds
    this.#usage = new Usage(bounds.rooms)
    this.now = wall
  }

  async open(): Promise<void> {
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
      this.#root = open<unknown, string>({ path: join(this.#directory, 'commons.mdb'), maxDbs: 4 })
      this.#records = this.#root.openDB<Kept, string>({ name: 'records' })
      this.#marks = this.#root.openDB<boolean, MarkKey>({ name: 'marks' })
      this.#entries = this.#root.openDB<Entry, [LogName, number]>({ name: 'entries' })
      this.#meta = this.#root.openDB<number | LogEnds, string>({ name: 'meta' })
      this.#tally()
    } catch (error) {
      throw unavailable(error)
    }
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    await this.#root?.close()
    this.#root = undefined
  }

  async get(key: string): Promise<Stored | undefined> {
    this.#look()
    const kept = this.#records.get(key)
    return kept === undefined ? undefined : shown(key, kept)
  }

  async scan(prefix: string, after: string, most: number): Promise<readonly Stored[]> {
    this.#look()
    const found: Stored[] = []
    const start = after > prefix ? after : prefix
    for (const { key, value } of this.#records.getRange({ start, limit: most + 1 })) {
      if (found.length >= most || !key.startsWith(prefix)) break
      if (key !== after) found.push(shown(key, value))
    }
    return found
  }

  async marked(index: string, until: number, most: number): Promise<readonly Marked[]> {
    this.#look()
    const found: Marked[] = []
    const range = { start: keyPart(index), end: keyPart(index, AFTER_NUMBERS), limit: most }
    for (const [, at, key] of this.#marks.getKeys(range)) {
      if (at > until) break
      const kept = this.#records.get(key)
      if (kept !== undefined) found.push({ ...shown(key, kept), at })
    }
    return found
  }

  async count(index: string): Promise<number> {
    return this.#counts.get(index) ?? 0
  }

  async commit(changes: readonly Change[]): Promise<Commit> {
    const root = this.#look()
    const grown = new Set<LogName>()
    try {
      const commit = await root.transaction(() => this.#apply(changes, grown))
      if (commit.ok) this.#listeners.tell(grown)
      return commit
    } catch (error) {
      // What was counted did not happen.
      if (this.#root !== undefined) this.#tally()
      throw unavailable(error)
    }
  }

  async read(log: LogName, after: number, most: number): Promise<LogPage> {
    this.#look()
    const { first, last } = this.#ends(log)
    const entries = []
    const range = {
      start: [log, after + 1] as [LogName, number],
      end: [log, last + 1] as [LogName, number],
      limit: most,
    }
    for (const { key, value } of this.#entries.getRange(range)) entries.push({ offset: key[1], ...value })
    return { entries, first, last }
  }

  watch(listener: (log: LogName) => void): () => void {
    return this.#listeners.add(listener)
  }

  async usage(): Promise<Readonly<Record<string, RoomBounds>>> {
    return this.#usage.read()
  }

  /** All checks before the first write: a refusal leaves the shared transaction as it was. */
  #apply(changes: readonly Change[], grown: Set<LogName>): Commit {
    for (const change of changes) {
      if (change.do !== 'append' && !isAsExpected(change.expected, this.#records.get(change.key)?.version)) {
        return { ok: false, why: 'conflict', key: change.key }
      }
    }
    const room = this.#usage.overflow(changes, (key) => this.#records.get(key)?.value)
    if (room !== undefined) return { ok: false, why: 'full', room }
    const version = Number(this.#meta.get('version') ?? 0) + 1
    void this.#meta.put('version', version)
    const offsets: number[] = []
    for (const change of changes) {
      if (change.do === 'put')
        this.#put(change.key, { version, value: change.value, marks: change.marks ?? {} })
      else if (change.do === 'delete') this.#delete(change.key)
      else if (change.do === 'append') {
        offsets.push(this.#append(change.log, { version, value: change.value }))
        grown.add(change.log)
      }
    }
    return { ok: true, version, offsets }
  }

  #put(key: string, kept: Kept): void {
    const before = this.#records.get(key)
    if (before !== undefined) this.#unmark(key, before.marks)
    void this.#records.put(key, kept)
    for (const [index, at] of Object.entries(kept.marks)) {
      void this.#marks.put([index, at, key], true)
      this.#add(index, 1)
    }
    this.#usage.change(roomOf(key), key, before?.value, kept.value)
  }

  #delete(key: string): void {
    const before = this.#records.get(key)
    if (before === undefined) return
    this.#unmark(key, before.marks)
    void this.#records.remove(key)
    this.#usage.change(roomOf(key), key, before.value, undefined)
  }

  #unmark(key: string, marks: Marks): void {
    for (const [index, at] of Object.entries(marks)) {
      void this.#marks.remove([index, at, key])
      this.#add(index, -1)
    }
  }

  #append(log: LogName, entry: Entry): number {
    const bounds = this.#bounds.logs[log]
    const ends = this.#ends(log)
    const last = ends.last + 1
    void this.#entries.put([log, last], entry)
    let { first } = ends
    let bytes = ends.bytes + entry.value.length
    while (last - first + 1 > bounds.entries || (bytes > bounds.bytes && first <= last)) {
      bytes -= this.#entries.get([log, first])?.value.length ?? 0
      void this.#entries.remove([log, first])
      first += 1
    }
    void this.#meta.put(log, { first, last, bytes })
    return last
  }

  #ends(log: LogName): LogEnds {
    const ends = this.#meta.get(log)
    return typeof ends === 'object' ? ends : NO_LOG
  }

  #add(index: string, change: 1 | -1): void {
    const count = (this.#counts.get(index) ?? 0) + change
    if (count === 0) this.#counts.delete(index)
    else this.#counts.set(index, count)
  }

  #tally(): void {
    this.#usage = new Usage(this.#bounds.rooms)
    this.#counts = new Map()
    for (const { key, value } of this.#records.getRange()) {
      this.#usage.change(roomOf(key), key, undefined, value.value)
      for (const index of Object.keys(value.marks)) this.#add(index, 1)
    }
  }

  /** The newest commit is what the next read sees. @throws StoreError when it is closed */
  #look(): RootDatabase<unknown, string> {
    if (this.#root === undefined) throw new StoreError('the store is closed')
    this.#root.resetReadTxn()
    return this.#root
  }
}

function shown(key: string, { version, value }: Kept): Stored {
  return { key, version, value }
}

/** Parts of keys order before and after whole ones, which their type does not know. */
function keyPart(...part: string[]): MarkKey {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only as the end of a range
  return part as unknown as MarkKey
}

function unavailable(error: unknown): StoreError {
  return new StoreError(`lmdb: ${error instanceof Error ? error.message : String(error)}`)
}
