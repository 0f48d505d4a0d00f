/** One step of a room: look, decide, commit; again when somebody was faster. */
import { full, Refused } from './refused.ts'
import type { Change, Commit, Store } from './store.ts'

/** Somebody gets through each time, so this many losses in a row are a crowd on one record. */
const TRIES = 16

export interface Decided<T> {
  /** None = nothing is to be done, and `result` holds as it is. */
  readonly changes: readonly Change[]
  readonly result: (commit: Extract<Commit, { ok: true }>) => T
}

/** What a step answers that changes nothing. */
export function unchanged<T>(value: T): Decided<T> {
  return { changes: [], result: () => value }
}

/**
 * @param decide looks at the store anew each time and says what to change
 * @throws Refused `busy` after too many losses, `full`, and what `decide` throws
 */
export async function step<T>(store: Store, decide: () => Promise<Decided<T>>): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    const { changes, result } = await decide()
    if (changes.length === 0) return result({ ok: true, version: 0, offsets: [] })
    const commit = await store.commit(changes)
    if (commit.ok) return result(commit)
    if (commit.why === 'full') throw full(commit.room)
  }
  throw new Refused('busy', 'too many write the same at once; try again in a moment')
}
