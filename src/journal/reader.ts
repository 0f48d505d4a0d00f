/**
 * Reads journals: files and directories, parts in order, in batches of parsed lines. Memory does not grow with the
 * journal. What is no journal, or is broken, gets one clear error with its place; on request what is good is
 * delivered all the same.
 */
import { statSync } from 'node:fs'
import { checkLine } from './check-line.ts'
import { journalFiles } from './journal-files.ts'
import { EndlessLine, lineBlocks, LONGEST_LINE } from './line-blocks.ts'
import type { JournalLine } from './line.ts'

/** What is wrong with a file, at its first bad line. */
export interface JournalProblem {
  readonly file: string
  /** From 1; 0 = the file as a whole. */
  readonly line: number
  readonly reason: string
  /** Only its last line is cut off, as a crash leaves it: nothing is wrong with the rest. */
  readonly isTorn: boolean
  /** Lines that were left out of this file. */
  readonly badLines: number
}

/** `message` is what to print: file, line and reason. */
export class JournalError extends Error {
  override readonly name = 'JournalError'
  readonly problem: JournalProblem

  constructor(problem: JournalProblem) {
    super(formatJournalProblem(problem))
    this.problem = problem
  }
}

export function formatJournalProblem({ file, line, reason, badLines }: JournalProblem): string {
  const more = badLines > 1 ? ` (and ${badLines - 1} more lines of this file)` : ''
  return `${file}${line === 0 ? '' : `:${line}`}: ${reason}${more}`
}

export interface ReadOptions {
  /** Leaves bad lines and bad files out and says so to `onProblem`, instead of ending with an error. */
  readonly keepGood?: boolean
  /** Once per file that has a problem, after its good lines; a torn last line too, which never ends the reading. */
  readonly onProblem?: (problem: JournalProblem) => void
  /** After every batch. Bytes as they lie on disk. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
}

/**
 * Batches of lines in the order of the files; lines of kinds that this version does not know are left out.
 *
 * @param paths files and directories
 * @throws JournalError at the first problem, unless `keepGood`
 */
export async function* readJournal(
  paths: string | readonly string[],
  options: ReadOptions = {},
): AsyncGenerator<readonly JournalLine[]> {
  const files = filesOf(typeof paths === 'string' ? [paths] : paths)
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  let before = 0
  for (const { file, bytes } of files) {
    let doneBytes = 0
    const reading = new FileReading(file)
    try {
      for await (const { bytes: block, isTorn } of lineBlocks(file, (done) => (doneBytes = done))) {
        const lines = reading.take(block, isTorn)
        if (options.keepGood !== true) reading.mustBeGood()
        if (lines.length > 0) yield lines
        options.onProgress?.(before + doneBytes, totalBytes)
        if (reading.isForeign) break
      }
    } catch (error) {
      if (error instanceof JournalError) throw error
      reading.broken(error)
    }
    reading.end()
    if (options.keepGood !== true) reading.mustBeGood()
    if (reading.problem !== undefined) options.onProblem?.(reading.problem)
    before += bytes
    options.onProgress?.(before, totalBytes)
  }
}

/** One file as far as it was read. */
class FileReading {
  readonly #file: string
  #line = 0
  #isBegun = false
  #first: { line: number; reason: string; isTorn: boolean } | undefined
  #badLines = 0
  /** No journal at all: not worth reading on. */
  isForeign = false

  constructor(file: string) {
    this.#file = file
  }

  get problem(): JournalProblem | undefined {
    if (this.#first === undefined) return undefined
    return { file: this.#file, ...this.#first, badLines: this.#badLines }
  }

  /** @throws JournalError if there is more of a problem than a torn last line */
  mustBeGood(): void {
    const { problem } = this
    if (problem !== undefined && !problem.isTorn) throw new JournalError(problem)
  }

  /** The good lines of a block. */
  take(block: Buffer, isTorn: boolean): JournalLine[] {
    const values = parsedAtOnce(block)
    return values === undefined ? this.#oneByOne(block, isTorn) : this.#checked(values)
  }

  /** The file could not be read on. */
  broken(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (error instanceof EndlessLine)
      this.#bad(`a line of more than ${LONGEST_LINE >> 20} MiB`, this.#line + 1)
    else if (code.startsWith('Z_')) this.#bad(`the packed data is broken (${code})`, this.#line + 1)
    else this.#bad(`cannot be read (${code})`, 0)
  }

  end(): void {
    // A crash right after a part was begun leaves this.
    if (this.#line === 0) this.#first ??= { line: 0, reason: 'empty', isTorn: true }
  }

  #checked(values: readonly unknown[]): JournalLine[] {
    const lines: JournalLine[] = []
    for (const value of values) {
      this.#line += 1
      this.#check(value, lines)
      if (this.isForeign) break
    }
    return lines
  }

  /** Slow, and tells which line it is. */
  #oneByOne(block: Buffer, isTorn: boolean): JournalLine[] {
    const lines: JournalLine[] = []
    const texts = block.toString('utf8').split('\n')
    if (!isTorn) texts.pop()
    for (const [index, text] of texts.entries()) {
      this.#line += 1
      if (text.trim() === '') continue
      const value = parsed(text)
      if (value !== undefined) this.#check(value, lines)
      else if (isTorn && index === texts.length - 1 && this.#isBegun) this.#torn()
      else this.#bad(this.#isBegun ? 'not JSON' : NO_JOURNAL, this.#line)
      if (this.isForeign) break
    }
    return lines
  }

  #check(value: unknown, lines: JournalLine[]): void {
    const checked = checkLine(value)
    if (!this.#isBegun) {
      const isHeader = typeof value === 'object' && value !== null && Reflect.get(value, 'kind') === 'journal'
      if (!isHeader || !checked.ok) {
        this.#bad(isHeader && !checked.ok ? checked.reason : NO_JOURNAL, this.#line)
        return
      }
      this.#isBegun = true
    }
    if (!checked.ok) this.#bad(checked.reason, this.#line)
    else if (checked.line !== undefined) lines.push(checked.line)
  }

  #torn(): void {
    this.#badLines += 1
    this.#first ??= { line: this.#line, reason: 'the last line is cut off', isTorn: true }
  }

  #bad(reason: string, line: number): void {
    this.#badLines += 1
    if (this.#first === undefined || this.#first.isTorn) this.#first = { line, reason, isTorn: false }
    if (!this.#isBegun) this.isForeign = true
  }
}

const NO_JOURNAL = 'not a journal of Weir: the first line must be its header ({"kind":"journal",...})'

function filesOf(paths: readonly string[]): { file: string; bytes: number }[] {
  return paths.flatMap((path) => {
    try {
      const files = journalFiles(path)
      if (files.length === 0) throw new JournalError(whole(path, 'a directory without *.ndjson files'))
      return files.map((file) => ({ file, bytes: statSync(file).size }))
    } catch (error) {
      if (error instanceof JournalError) throw error
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
      throw new JournalError(whole(path, `cannot be read (${code})`))
    }
  })
}

function whole(file: string, reason: string): JournalProblem {
  return { file, line: 0, reason, isTorn: false, badLines: 0 }
}

const OPEN = Buffer.from('[')
const COMMA = 0x2c
const CLOSE = 0x5d
const NEWLINE = 0x0a

/**
 * All lines by one call of the parser, which is a quarter faster; undefined = some of them are no JSON, or not one
 * value each.
 */
function parsedAtOnce(block: Buffer): readonly unknown[] | undefined {
  const list = Buffer.allocUnsafe(block.length + 1)
  OPEN.copy(list)
  block.copy(list, 1)
  let lines = 0
  let last = 0
  for (let at = list.indexOf(NEWLINE, 1); at !== -1; at = list.indexOf(NEWLINE, at + 1)) {
    list[at] = COMMA
    last = at
    lines += 1
  }
  if (last !== list.length - 1) return undefined
  list[last] = CLOSE
  const values = parsed(list.toString('utf8'))
  return Array.isArray(values) && values.length === lines ? values : undefined
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}
