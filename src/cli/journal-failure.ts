/** What a verb says of a journal that it cannot read: one line, and exit code 1. */
import { JournalError } from '../journal/reader.ts'
import { NoRunError } from '../journal/replay/play-runs.ts'

/** @throws `error` itself, if it is of another kind */
export function tellJournalFailure(error: unknown, keepGood: boolean): void {
  if (!(error instanceof JournalError) && !(error instanceof NoRunError)) throw error
  const more = keepGood || error instanceof NoRunError ? '' : ' (--keep-good leaves out what is broken)'
  process.stderr.write(`weir: ${error.message}${more}\n`)
  process.exitCode = 1
}
