/** The library ends the process on a file that is none of LMDB: it is looked at before. */
import { closeSync, openSync, readSync } from 'node:fs'

/** Of the first meta page, behind its header (MDB_MAGIC; 24 bytes in the lmdb package). */
const MAGIC = { at: 24, value: 0xbeefc0de } as const

/** @throws Error when the file is there, not empty, and none of LMDB */
export function checkLmdbFile(path: string): void {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
  try {
    const head = Buffer.alloc(MAGIC.at + 4)
    const bytes = readSync(file, head, 0, head.length, 0)
    if (bytes === 0) return
    const isLmdb = bytes === head.length && head.readUInt32LE(MAGIC.at) === MAGIC.value
    if (!isLmdb) throw new Error('the file is none of LMDB: damaged, or of something else')
  } finally {
    closeSync(file)
  }
}
