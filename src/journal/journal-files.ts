/** The files of a journal, in the order in which they were written. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const ENDING = /\.ndjson(\.gz)?$/

/** `part-9` before `part-10`. */
const byNumber = new Intl.Collator('en', { numeric: true })

/**
 * A file stands for itself, a directory for its `*.ndjson` and `*.ndjson.gz` in the order of their names, which is that
 * of their writing.
 *
 * @throws what the file system throws, such as ENOENT
 */
export function journalFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const names = readdirSync(path).filter((name) => ENDING.test(name))
  return names.toSorted((a, b) => byNumber.compare(a, b)).map((name) => join(path, name))
}
