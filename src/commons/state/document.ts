/** A document of the shared state: how it is kept, and whether a condition of its reader or writer holds. Pure. */
import type { Millis } from '../../core/model.ts'
import type { Json } from '../json.ts'
import type { Stored } from '../store.ts'
import { readBack } from '../read-back.ts'

export interface Document {
  readonly key: string
  /** Of its last write; in HTTP its ETag. */
  readonly version: number
  readonly value: Json
  /** The agent that wrote it. */
  readonly by: string
  /** Wall clock in ms. */
  readonly at: Millis
  /** 0 = it stays. */
  readonly expiresAt: Millis
}

/** What is kept under `state/<key>`. */
export interface DocumentRecord {
  readonly value: Json
  readonly by: string
  readonly at: Millis
  readonly expiresAt: Millis
  /** Versions before this one that are kept, the oldest first. */
  readonly history: readonly number[]
}

/** RFC 9110 13.1.1, 13.1.2. Absent = no condition. */
export interface Condition {
  /** `*` = there must be one. */
  readonly match?: '*' | readonly number[]
  /** `*` = there must be none. */
  readonly noneMatch?: '*' | readonly number[]
}

/** Why a document changed. */
export type Change = 'written' | 'deleted' | 'expired'

/** An entry of the log of state; its version is the entry's own. */
export interface ChangeRecord {
  readonly key: string
  readonly change: Change
  readonly by: string
  readonly at: Millis
  /** Absent when it is too large to be sent to each watcher. */
  readonly value?: Json
}

export function stateKeyOf(key: string): string {
  return `state/${key}`
}

/** `@` is in no key, so the versions of `a` are not among those of `a/b`. */
export function historyKeyOf(key: string, version: number): string {
  return `state-history/${key}@${String(version).padStart(16, '0')}`
}

export function recordOf(stored: Stored): DocumentRecord {
  return readBack<DocumentRecord>(stored.value)
}

/** Undefined = there is none: none was stored, or its time is over. */
export function documentOf(key: string, stored: Stored | undefined, now: Millis): Document | undefined {
  if (stored === undefined) return undefined
  const { value, by, at, expiresAt } = recordOf(stored)
  if (expiresAt !== 0 && expiresAt <= now) return undefined
  return { key, version: stored.version, value, by, at, expiresAt }
}

/** @param version undefined = there is none */
export function holds({ match, noneMatch }: Condition, version: number | undefined): boolean {
  if (match !== undefined && (version === undefined || (match !== '*' && !match.includes(version))))
    return false
  if (noneMatch === undefined || version === undefined) return true
  return noneMatch !== '*' && !noneMatch.includes(version)
}
