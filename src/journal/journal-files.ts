/** The files of a journal, in the order in which they were written. */
import { readdirSync, statSync, type Dirent } from 'node:fs'
import { join } from 'node:path'

const ENDING = /\.ndjson(\.gz)?$/

/** `part-9` before `part-10`. */
const byNumber = new Intl.Collator('en', { numeric: true })

/** Where `weir run --workers` has each worker write. */
const WORKER = /^worker-\d+$/

/**
 * A file stands for itself, a directory for its `*.ndjson` and `*.ndjson.gz` in the order of their names, which is that
 * of their writing, and then for those of each worker below it: the runs of one after those of another.
 *
 * @throws what the file system throws, such as ENOENT
 */
export function journalFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const workers = namesIn(path, (entry) => entry.isDirectory() && WORKER.test(entry.name))
  return [path, ...workers].flatMap((directory) => namesIn(directory, ({ name }) => ENDING.test(name)))
}

function namesIn(directory: string, isWanted: (entry: Dirent) => boolean): string[] {
  const names = readdirSync(directory, { withFileTypes: true })
    .filter(isWanted)
    .map(({ name }) => name)
  return names.toSorted((a, b) => byNumber.compare(a, b)).map((name) => join(directory, name))
}
