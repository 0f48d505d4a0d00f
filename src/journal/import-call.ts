/** A call as another program saw it: what the importers make of a file, and `import-lines.ts` makes lines of. */
import type { Millis } from '../core/model.ts'

export interface ImportedCall {
  readonly id: string
  /** Unix time in ms, to the microsecond. */
  readonly startedAt: number
  /** ms since the start. -1 = not known, or it did not happen. */
  readonly sentMs: Millis
  readonly headMs: Millis
  readonly endMs: Millis
  readonly upstream: string
  readonly agent: string
  readonly workflow: string
  readonly parent: string
  readonly method: string
  readonly path: string
  /** Template of the path, where the file has one; '' = made from the path. */
  readonly template: string
  /** Path with query. Only a hash of it is kept. */
  readonly target: string
  readonly userAgent: string
  /** 0 = no answer. */
  readonly status: number
  /** The client broke off. */
  readonly isAborted: boolean
  readonly isStream: boolean
  /** -1 = not known. */
  readonly requestBytes: number
  readonly responseBytes: number
  /** Proven number of the attempt; 0 = no proof. */
  readonly attempt: number
  /** -1 = none. */
  readonly retryAfterMs: Millis
}

export interface ImportResult {
  readonly calls: readonly ImportedCall[]
  /** Entries of the file that are no calls of an upstream, by why. */
  readonly skipped: ReadonlyMap<string, number>
}

export interface ImportOptions {
  /** Header that names the agent; lower case, '' = none. */
  readonly agentHeader: string
  /** Who it was, where the file does not say. */
  readonly agent: string
}

const LONGEST_NAME = 128

/** A name as Weir allows them (`[A-Za-z0-9._:-]{1,128}`): other characters become `-`. '' stays. */
export function toName(text: string): string {
  return text
    .trim()
    .replaceAll(/[^A-Za-z0-9._:-]+/g, '-')
    .slice(0, LONGEST_NAME)
}
