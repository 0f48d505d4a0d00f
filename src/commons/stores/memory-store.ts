/**
 * A store that forgets with its process: for tests, and for a Weir whose agents can bear that. Each answer comes in a
 * later turn of the event loop, as those of the real stores do, so that races show.
 */
import type { Millis } from '../../core/model.ts'
import {
  isAsExpected,
  roomOf,
  type Change,
  type Commit,
  type LogEntry,
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
import { SortedKeys } from './sorted-keys.ts'
import { Usage } from './usage.ts'

interface Kept extends Stored {
  readonly marks: Marks
}

interface Log {
  readonly entries: LogEntry[]
  bytes: number
  last: number
}

const NO_MARKS: Marks = {}

export class MemoryStore implements Store {
  readonly durability = 'In the memory of this process: what is acknowledged ends with the process.'
  readonly now: () => Millis
  readonly #records = new Map<string, Kept>()
  readonly #keys = new SortedKeys()
  readonly #indexes = new Map<string, SortedKeys>()
  readonly #logs: Record<LogName, Log> = {
    events: { entries: [], bytes: 0, last: 0 },
    state: { entries: [], bytes: 0, last: 0 },
  }
  readonly #listeners = new LogListeners()
  readonly #bounds: StoreBounds
  readonly #usage: Usage
  #version = 0

  constructor(bounds: StoreBounds, wall: () => Millis) {
    this.#bounds = bounds
    this.#usage = new Usage(bounds.rooms)
    this.now = wall
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {
    this.#listeners.clear()
  }

  async get(key: string): Promise<Stored | undefined> {
    const kept = this.#records.get(key)
    return kept === undefined ? undefined : shown(kept)
  }

  async scan(prefix: string, after: string, most: number): Promise<readonly Stored[]> {
    const found: Stored[] = []
    for (const { key } of this.#keys.from(0, after > prefix ? after : prefix)) {
      if (found.length >= most || !key.startsWith(prefix)) break
      if (key !== after) found.push(shown(this.#records.get(key)!))
    }
    return found
  }

  async marked(index: string, until: number, most: number): Promise<readonly Marked[]> {
    const found: Marked[] = []
    for (const { at, key } of this.#indexes.get(index)?.from(-Infinity, '') ?? []) {
      if (found.length >= most || at > until) break
      found.push({ ...shown(this.#records.get(key)!), at })
    }
    return found
  }

  async count(index: string): Promise<number> {
    return this.#indexes.get(index)?.size ?? 0
  }

  async commit(changes: readonly Change[]): Promise<Commit> {
    for (const change of changes) {
      if (change.do === 'append') continue
      if (!isAsExpected(change.expected, this.#records.get(change.key)?.version)) {
        return { ok: false, why: 'conflict', key: change.key }
      }
    }
    const room = this.#usage.overflow(changes, (key) => this.#records.get(key)?.value)
    if (room !== undefined) return { ok: false, why: 'full', room }
    this.#version += 1
    const offsets: number[] = []
    const grown = new Set<LogName>()
    for (const change of changes) {
      if (change.do === 'put') this.#put(change.key, change.value, change.marks ?? NO_MARKS)
      else if (change.do === 'delete') this.#delete(change.key)
      else if (change.do === 'append') {
        offsets.push(this.#append(change.log, change.value))
        grown.add(change.log)
      }
    }
    this.#listeners.tell(grown)
    return { ok: true, version: this.#version, offsets }
  }

  async read(log: LogName, after: number, most: number): Promise<LogPage> {
    const { entries, last } = this.#logs[log]
    const first = entries[0]?.offset ?? last + 1
    const from = Math.max(0, after + 1 - first)
    return { entries: entries.slice(from, from + most), first, last }
  }

  watch(listener: (log: LogName) => void): () => void {
    return this.#listeners.add(listener)
  }

  async usage(): Promise<Readonly<Record<string, RoomBounds>>> {
    return this.#usage.read()
  }

  #put(key: string, value: string, marks: Marks): void {
    const before = this.#records.get(key)
    if (before === undefined) this.#keys.add(0, key)
    else this.#unmark(before)
    this.#usage.change(roomOf(key), key, before?.value, value)
    this.#records.set(key, { key, value, marks, version: this.#version })
    for (const [index, at] of Object.entries(marks)) {
      let order = this.#indexes.get(index)
      if (order === undefined) this.#indexes.set(index, (order = new SortedKeys()))
      order.add(at, key)
    }
  }

  #delete(key: string): void {
    const before = this.#records.get(key)
    if (before === undefined) return
    this.#unmark(before)
    this.#records.delete(key)
    this.#keys.delete(0, key)
    this.#usage.change(roomOf(key), key, before.value, undefined)
  }

  #unmark({ key, marks }: Kept): void {
    for (const [index, at] of Object.entries(marks)) {
      const order = this.#indexes.get(index)
      order?.delete(at, key)
      if (order?.size === 0) this.#indexes.delete(index)
    }
  }

  #append(name: LogName, value: string): number {
    const log = this.#logs[name]
    const bounds = this.#bounds.logs[name]
    log.last += 1
    log.entries.push({ offset: log.last, version: this.#version, value })
    log.bytes += value.length
    let gone = 0
    while (log.entries.length - gone > bounds.entries || log.bytes > bounds.bytes) {
      log.bytes -= log.entries[gone]!.value.length
      gone += 1
    }
    // In one go: a shift per entry would move the whole list each time.
    if (gone > 0) log.entries.splice(0, gone)
    return log.last
  }
}

function shown({ key, version, value }: Stored): Stored {
  return { key, version, value }
}
