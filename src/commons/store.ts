/**
 * Where the commons keeps what it is told: the one port that `stores/` implements for memory, lmdb and Redis and that
 * one contract suite checks (`test/commons/store.contract.ts`).
 *
 * Records are texts under keys, each with a version; marks put a record into ordered indexes (what is due, who owns
 * what); logs are lists that only grow at the end. All that one step changes is one commit: it happens as a whole if
 * every version is as expected, else not at all. Leases, fences and compare-and-set of the rooms above are nothing
 * but such steps, so one linearizable `commit` is all that a store has to get right.
 */
import type { Millis } from '../core/model.ts'

/** A record as it was at one moment. Versions grow over the whole store and are never used twice. */
export interface Stored {
  readonly key: string
  readonly version: number
  readonly value: string
}

export interface Marked extends Stored {
  readonly at: number
}

/** What must be there before a step; a number is that very version. */
export type Expected = number | 'absent' | 'any'

/** Places of a record in ordered indexes, by the index's name. */
export type Marks = Readonly<Record<string, number>>

export type Change =
  | {
      readonly do: 'put'
      readonly key: string
      readonly value: string
      readonly expected: Expected
      /** All of them: a put without marks takes the record out of every index. */
      readonly marks?: Marks
      /** What this record adds must fit the bounds of its room; without it a step of what is there always fits. */
      readonly bounded?: boolean
    }
  | { readonly do: 'delete'; readonly key: string; readonly expected: Expected }
  | { readonly do: 'check'; readonly key: string; readonly expected: Expected }
  | { readonly do: 'append'; readonly log: LogName; readonly value: string }

export type Commit =
  | {
      readonly ok: true
      /** Of every record that was put. */
      readonly version: number
      /** Of the appended entries, in order. */
      readonly offsets: readonly number[]
    }
  | { readonly ok: false; readonly why: 'conflict'; readonly key: string }
  | { readonly ok: false; readonly why: 'full'; readonly room: string }

/** The logs: events of the bus, changes of state. */
export const LOGS = ['events', 'state'] as const
export type LogName = (typeof LOGS)[number]

export interface LogEntry {
  /** From 1; grows by one. */
  readonly offset: number
  /** Of the commit that appended it: of every record that it put. */
  readonly version: number
  /** '' = it is not what was written: the disk changed it. */
  readonly value: string
}

export interface LogPage {
  readonly entries: readonly LogEntry[]
  /** Of the oldest entry that is kept; `last + 1` when none is. */
  readonly first: number
  /** Of the newest entry ever appended; 0 = none was. */
  readonly last: number
}

/** What one room (the part of a key before the first `/`) may keep. */
export interface RoomBounds {
  readonly records: number
  /** Of keys and values. */
  readonly bytes: number
}

export interface StoreBounds {
  readonly rooms: Readonly<Record<string, RoomBounds>>
  /** Oldest entries go first; both hold. */
  readonly logs: Readonly<Record<LogName, { readonly entries: number; readonly bytes: number }>>
}

export interface Store {
  /** What is left of an acknowledged step after which accident, in one sentence. */
  readonly durability: string
  /** @throws StoreError when it cannot be used */
  open(): Promise<void>
  close(): Promise<void>
  /** Records that are not what was written, where the store can tell. */
  readonly damaged?: number
  /** Wall clock in ms that all who share the store agree on. */
  now(): Millis
  get(key: string): Promise<Stored | undefined>
  /** Records whose keys begin with `prefix`, by key, after the key `after`. */
  scan(prefix: string, after: string, most: number): Promise<readonly Stored[]>
  /** Records with a mark of this index up to `until`, the least first, equal ones by key. */
  marked(index: string, until: number, most: number): Promise<readonly Marked[]>
  /** How many records the index holds. */
  count(index: string): Promise<number>
  commit(changes: readonly Change[]): Promise<Commit>
  /** Entries after `after`, the oldest first. */
  read(log: LogName, after: number, most: number): Promise<LogPage>
  /** Calls when a log has grown, whoever appended; answers how to stop. */
  watch(listener: (log: LogName) => void): () => void
  usage(): Promise<Readonly<Record<string, RoomBounds>>>
}

/** A record is not what was written: the disk changed it. Nothing acts on it, all others are as they were. */
export class DamagedError extends Error {
  override readonly name = 'DamagedError'
}

/** The store does not answer, or answers nonsense: nothing is known of the step. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
}

export function roomOf(key: string): string {
  const slash = key.indexOf('/')
  return slash === -1 ? key : key.slice(0, slash)
}

export function isAsExpected(expected: Expected, version: number | undefined): boolean {
  return expected === 'any' || (expected === 'absent' ? version === undefined : version === expected)
}
