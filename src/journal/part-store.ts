/**
 * The files of running journals: their names, and how much of the disk they take together. A run's parts are
 * `weir-<start>-<run>-<part>.ndjson`, so that the order of names is that of writing.
 */
import { mkdir, open, readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'

const OWN_NAME = /^weir-\d{8}T\d{6}Z-[0-9a-f]{8}-\d{5,}\.ndjson(\.gz)?$/
/** Who was called, when, and how often is nobody else's business. */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

/** An open part; a `FileHandle` fits. */
export interface PartFile {
  /** Writes at the end. */
  write(bytes: Buffer): Promise<{ readonly bytesWritten: number }>
  truncate(bytes: number): Promise<void>
  /** `nlink` 0 = somebody removed it: what is written is lost. */
  stat(): Promise<{ readonly nlink: number }>
  close(): Promise<void>
}

export interface PartStore {
  /** Makes the directory if need be. @throws what the file system throws */
  create(part: number): Promise<PartFile>
  /** Takes back a part that was begun in vain. */
  remove(part: number): Promise<void>
  /** Removes the oldest parts of any run until `mostBytes` are left at most. Never throws. */
  shrink(mostBytes: number): Promise<void>
}

/** @param startedAt wall clock in ms */
export function createPartStore(dir: string, run: string, startedAt: number): PartStore {
  const start = new Date(startedAt).toISOString().replace(/[-:]|\.\d+/g, '')
  const pathOf = (part: number): string =>
    join(dir, `weir-${start}-${run.slice(0, 8)}-${String(part).padStart(5, '0')}.ndjson`)
  return {
    async create(part) {
      await mkdir(dir, { recursive: true, mode: DIRECTORY_MODE })
      return open(pathOf(part), 'ax', FILE_MODE)
    },
    remove: (part) => unlink(pathOf(part)),
    async shrink(mostBytes) {
      const parts = await ownParts(dir)
      let bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
      for (const part of parts) {
        if (bytes <= mostBytes) return
        // Another process of the same directory may have been faster.
        await unlink(part.path).catch(() => {})
        bytes -= part.bytes
      }
    },
  }
}

/** The oldest first, by the last write: a part that is still written is never the oldest of a full directory. */
async function ownParts(dir: string): Promise<{ path: string; bytes: number; writtenAt: number }[]> {
  const names = await readdir(dir).catch((): string[] => [])
  const paths = names.filter((name) => OWN_NAME.test(name)).map((name) => join(dir, name))
  const parts = await Promise.all(
    paths.map(async (path) => {
      const found = await stat(path).catch(() => undefined)
      return found === undefined ? [] : [{ path, bytes: found.size, writtenAt: found.mtimeMs }]
    }),
  )
  return parts.flat().toSorted((a, b) => a.writtenAt - b.writtenAt || (a.path < b.path ? -1 : 1))
}
