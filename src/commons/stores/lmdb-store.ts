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
  DamagedError,
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
import { readBack } from '../read-back.ts'
import { DiskRoom } from '../../disk-room.ts'
import { checkLmdbFile } from '../../lmdb-file.ts'
import { LogListeners } from './log-listeners.ts'
import { Usage } from './usage.ts'
import { packRecord, unpackRecord } from './whole-record.ts'

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
  #room!: DiskRoom
  #damaged = 0
  #records!: Database<Buffer, string>
  #marks!: Database<boolean, MarkKey>
  #entries!: Database<Buffer, [LogName, number]>
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
      const path = join(this.#directory, 'commons.mdb')
      checkLmdbFile(path)
      this.#room = DiskRoom.of(path)
      this.#root = open<unknown, string>({
        path,
        maxDbs: 4,
        // Its own batches leave rejections that nobody hears when a commit fails (lmdb 3.5, write.js).
        eventTurnBatching: false,
      })
      this.#records = this.#root.openDB<Buffer, string>({ name: 'records', encoding: 'binary' })
      this.#marks = this.#root.openDB<boolean, MarkKey>({ name: 'marks' })
      this.#entries = this.#root.openDB<Buffer, [LogName, number]>({ name: 'entries', encoding: 'binary' })
      this.#meta = this.#root.openDB<number | LogEnds, string>({ name: 'meta' })
      this.#tally()
    } catch (error) {
      await this.close().catch(ignore)
      throw unavailable(error)
    }
  }

  /** Records that were not what was written, when they were last counted. */
  get damaged(): number {
    return this.#damaged
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    await this.#root?.close()
    this.#root = undefined
  }

  async get(key: string): Promise<Stored | undefined> {
    this.#look()
    const kept = this.#at(key)
    if (kept === 'damaged') throw new DamagedError(`the record ${key} is not what was written`)
    return kept === undefined ? undefined : shown(key, kept)
  }

  async scan(prefix: string, after: string, most: number): Promise<readonly Stored[]> {
    this.#look()
    const found: Stored[] = []
    const start = after > prefix ? after : prefix
    for (const { key, value } of this.#records.getRange({ start, limit: most + 1 })) {
      if (found.length >= most || !key.startsWith(prefix)) break
      const kept = unpacked(key, value)
      if (key !== after && kept !== undefined) found.push(shown(key, kept))
    }
    return found
  }

  async marked(index: string, until: number, most: number): Promise<readonly Marked[]> {
    this.#look()
    const found: Marked[] = []
    const range = { start: keyPart(index), end: keyPart(index, AFTER_NUMBERS), limit: most }
    for (const [, at, key] of this.#marks.getKeys(range)) {
      if (at > until) break
      const kept = this.#at(key)
      if (kept !== undefined && kept !== 'damaged') found.push({ ...shown(key, kept), at })
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
      const commit = await this.#room.during(
        bytesOf(changes),
        changes.some((change) => 'value' in change) ? 'new' : 'owed',
        async () => await root.transaction(() => this.#apply(changes, grown)),
      )
      if (commit.ok) this.#listeners.tell(grown)
      return commit
    } catch (error) {
      if (error instanceof Error && 'commitError' in error && error.commitError instanceof Promise) {
        error.commitError.catch(ignore)
      }
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
    for (const { key, value } of this.#entries.getRange(range)) {
      const [, offset] = key
      const entry = unpackRecord(placeOf(log, offset), value)
      entries.push({ offset, version: Number(entry?.head ?? 0), value: entry?.value ?? '' })
    }
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
      if (change.do !== 'append' && !isAsExpected(change.expected, this.#version(change.key))) {
        return { ok: false, why: 'conflict', key: change.key }
      }
    }
    const room = this.#usage.overflow(changes, (key) => this.#whole(key)?.value)
    if (room !== undefined) return { ok: false, why: 'full', room }
    const version = Number(this.#meta.get('version') ?? 0) + 1
    heard(this.#meta.put('version', version))
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
    const before = this.#whole(key)
    if (before !== undefined) this.#unmark(key, before.marks)
    heard(this.#records.put(key, packed(key, kept)))
    for (const [index, at] of Object.entries(kept.marks)) {
      heard(this.#marks.put([index, at, key], true))
      this.#add(index, 1)
    }
    this.#usage.change(roomOf(key), key, before?.value, kept.value)
  }

  #delete(key: string): void {
    const before = this.#whole(key)
    if (before === undefined) {
      heard(this.#records.remove(key))
      return
    }
    this.#unmark(key, before.marks)
    heard(this.#records.remove(key))
    this.#usage.change(roomOf(key), key, before.value, undefined)
  }

  #unmark(key: string, marks: Marks): void {
    for (const [index, at] of Object.entries(marks)) {
      heard(this.#marks.remove([index, at, key]))
      this.#add(index, -1)
    }
  }

  #at(key: string): Kept | 'damaged' | undefined {
    const bytes = this.#records.get(key)
    return bytes === undefined ? undefined : (unpacked(key, bytes) ?? 'damaged')
  }

  /** Undefined = there is none, or none that can be used. */
  #whole(key: string): Kept | undefined {
    const kept = this.#at(key)
    return kept === 'damaged' ? undefined : kept
  }

  /** No step is taken over what is damaged: its version is one that nobody can expect. */
  #version(key: string): number | undefined {
    const kept = this.#at(key)
    return kept === 'damaged' ? -1 : kept?.version
  }

  #append(log: LogName, { version, value }: Entry): number {
    const bounds = this.#bounds.logs[log]
    const ends = this.#ends(log)
    const last = ends.last + 1
    heard(this.#entries.put([log, last], packRecord(placeOf(log, last), String(version), value)))
    let { first } = ends
    let bytes = ends.bytes + value.length
    while (last - first + 1 > bounds.entries || (bytes > bounds.bytes && first <= last)) {
      const oldest = this.#entries.get([log, first])
      bytes -= oldest === undefined ? 0 : (unpackRecord(placeOf(log, first), oldest)?.value.length ?? 0)
      heard(this.#entries.remove([log, first]))
      first += 1
    }
    heard(this.#meta.put(log, { first, last, bytes }))
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
    this.#damaged = 0
    for (const { key, value } of this.#records.getRange()) {
      const kept = unpacked(key, value)
      // It stays where it is: somebody may want to look at it.
      if (kept === undefined) this.#damaged += 1
      else {
        this.#usage.change(roomOf(key), key, undefined, kept.value)
        for (const index of Object.keys(kept.marks)) this.#add(index, 1)
      }
    }
  }

  /** The newest commit is what the next read sees. @throws StoreError when it is closed */
  #look(): RootDatabase<unknown, string> {
    if (this.#root === undefined) throw new StoreError('the store is closed')
    this.#root.resetReadTxn()
    return this.#root
  }
}

/** Each write reports what its transaction reports: heard there is enough, unheard would end the process. */
function heard(write: Promise<boolean>): void {
  write.catch(ignore)
}

function ignore(): void {}

function packed(key: string, { version, marks, value }: Kept): Buffer {
  return packRecord(key, JSON.stringify([version, marks]), value)
}

function unpacked(key: string, bytes: Buffer): Kept | undefined {
  const whole = unpackRecord(key, bytes)
  if (whole === undefined) return undefined
  const [version, marks] = readBack<[number, Marks]>(whole.head)
  return { version, marks, value: whole.value }
}

function placeOf(log: LogName, offset: number): string {
  return `${log} ${offset}`
}

function shown(key: string, { version, value }: Kept): Stored {
  return { key, version, value }
}

/** Parts of keys order before and after whole ones, which their type does not know. */
function keyPart(...part: string[]): MarkKey {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only as the end of a range
  return part as unknown as MarkKey
}

/** At the most: a character takes up to three bytes. */
function bytesOf(changes: readonly Change[]): number {
  return changes.reduce((sum, change) => sum + ('value' in change ? 3 * change.value.length : 0), 0)
}

function unavailable(error: unknown): StoreError {
  return new StoreError(`lmdb: ${error instanceof Error ? error.message : String(error)}`)
}
