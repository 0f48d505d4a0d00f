/**
 * Room for a file that LMDB writes. A write that fails for want of it damages the memory of the library (lmdb 3.5: the
 * process ends later, anywhere, with `malloc(): invalid next size`), so that nothing is begun that might not fit.
 */
import { readFileSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Left free by what is accepted, for what has to be written in spite of it: ends of calls, removals, and the pages that
 * copy-on-write needs besides. The last quarter is for nobody.
 */
export const SPARE_BYTES = 1024 * 1024
const LAST_BYTES = SPARE_BYTES / 4
/** A record takes whole pages, and those of the trees that lead to it. */
const PAGES_BYTES = 8 * 4096

/** `new`: it can be refused. `owed`: it belongs to something that was accepted. */
export type Urgency = 'new' | 'owed'

export class DiskRoom {
  readonly #free: () => number
  #begun = 0

  /** @param free bytes by which the file may grow now; Infinity = not known */
  constructor(free: () => number) {
    this.#free = free
  }

  static of(path: string): DiskRoom {
    const largest = largestFile()
    return new DiskRoom(() => Math.min(freeOf(dirname(path)), largest - sizeOf(path)))
  }

  /** Runs `write` if `bytes` more fit beside all that is being written. @throws Error when they do not, or as `write` */
  async during<T>(bytes: number, urgency: Urgency, write: () => Promise<T>): Promise<T> {
    const wanted = 2 * bytes + PAGES_BYTES
    const spare = urgency === 'new' ? SPARE_BYTES : LAST_BYTES
    if (this.#begun + wanted + spare > this.#free()) throw new Error('no room on the disk')
    this.#begun += wanted
    try {
      return await write()
    } finally {
      this.#begun -= wanted
    }
  }
}

function freeOf(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory)
    return bavail * bsize
  } catch {
    return Infinity
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size
  } catch {
    return 0
  }
}

/** `ulimit -f` of this process, where the system tells it. */
function largestFile(): number {
  try {
    const [, bytes] = /^Max file size +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return bytes === undefined ? Infinity : Number(bytes)
  } catch {
    return Infinity
  }
}
