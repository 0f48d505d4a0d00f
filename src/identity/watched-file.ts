/**
 * A small file that is read again when it changes. Looked at every other second: Kubernetes swaps a symlink beside the
 * mounted files and network file systems say nothing, so a look is what works everywhere. What is refused leaves what
 * was there.
 */
import { readFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Millis } from '../core/model.ts'

const LOOK_EVERY_MS: Millis = 2000
/**
 * A file is taken when it does not change for so long. Most editors and scripts empty a file and then write it: what is
 * read in between is in order, has no keys, and would lock everybody out.
 */
const SETTLE_MS: Millis = 200
/** Larger is a wrong file. */
const LARGEST_BYTES = 1024 * 1024

export interface WatchedFile {
  readonly path: string
  /** Takes the text; throws when it is refused, with a sentence for people. */
  readonly take: (text: string) => void
  /** `problem` undefined = taken. */
  readonly onLook?: (path: string, problem: string | undefined) => void
}

export class FileWatch {
  readonly #files: readonly WatchedFile[]
  readonly #everyMs: Millis
  readonly #prints = new Map<WatchedFile, string>()
  #timer: NodeJS.Timeout | undefined
  #isLooking = false

  constructor(files: readonly WatchedFile[], everyMs = LOOK_EVERY_MS) {
    this.#files = files
    this.#everyMs = everyMs
  }

  start(): void {
    if (this.#files.length === 0) return
    this.#timer = setInterval(() => void this.look(), this.#everyMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Takes each file that differs from what was seen last. Never rejects. */
  async look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    for (const file of this.#files) await this.#lookAt(file)
    this.#isLooking = false
  }

  async #lookAt(file: WatchedFile): Promise<void> {
    let text: string
    try {
      const print = await printOf(file.path)
      if (this.#prints.get(file) === print) return
      text = await readFile(file.path, 'utf8')
      await pause(SETTLE_MS)
      if ((await printOf(file.path)) !== print) return
      this.#prints.set(file, print)
    } catch (error) {
      this.#prints.delete(file)
      file.onLook?.(file.path, sentenceOf(error))
      return
    }
    let problem: string | undefined
    try {
      file.take(text)
    } catch (error) {
      problem = sentenceOf(error)
    }
    file.onLook?.(file.path, problem)
  }
}

/** What tells one state of a file from the next. @throws when there is none, or it is too large */
async function printOf(path: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(path)
  if (size > LARGEST_BYTES) throw new Error(`it has ${size} bytes; allowed: ${LARGEST_BYTES}`)
  return `${mtimeMs} ${size} ${ino}`
}

/** The text of a file, at start. @throws with a sentence for people */
export function readSmallFile(path: string): string {
  try {
    const text = readFileSync(path, 'utf8')
    if (text.length <= LARGEST_BYTES) return text
  } catch (error) {
    throw new Error(`cannot be read (${codeOf(error)})`, { cause: error })
  }
  throw new Error(`has more than ${LARGEST_BYTES} bytes`)
}

/** Messages of the system quote the path, which the log has anyway; none quotes what a file holds. */
function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error'
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
