/**
 * The reader of journals against a plain one that parses line by line: the same good lines, whatever else is in the
 * file; never a throw when asked to keep the good ones; an error with a place when not.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkLine } from '../../src/journal/check-line.ts'
import type { JournalLine } from '../../src/journal/line.ts'
import { JournalError, readJournal } from '../../src/journal/reader.ts'
import { writeSampleJournal } from '../kit/journal-sample.ts'
import type { FuzzFigures, FuzzOptions } from './fuzz.ts'
import { fuzzGuided } from './guided.ts'

const WORDS = [
  '\n',
  '\n\n',
  '\r\n',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\\u0000',
  '{}',
  '[]',
  'null',
  '1e999',
  '-1',
  '{"kind":"ticks","ticks":[1,2]}\n',
  '{"kind":"gap","at":1,"dropped":2}\n',
  '{"kind":"event","at":1,"name":"new"}\n',
  '{"kind":"later"}\n',
  '"version":99',
  '"__proto__":1',
  '\xff\xfe',
  '\0',
]

export async function fuzzJournal(options: FuzzOptions): Promise<FuzzFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-fuzz-'))
  const path = join(directory, 'fuzz.ndjson')
  try {
    const sample = writeSampleJournal(join(directory, 'sample'), { calls: 12 })
    const lines = readFileSync(sample.files[0]!, 'latin1').split('\n')
    const seeds = [lines.slice(0, 6), lines.slice(0, 12), lines.slice(0, 3)].map(
      (some) => `${some.join('\n')}\n`,
    )
    return await fuzzGuided(
      {
        name: 'journal',
        seeds,
        words: WORDS,
        isOurs: (url) => url.includes('/src/journal/'),
        boundMs: 3000,
        check: async (text) => {
          writeFileSync(path, text, 'latin1')
          return await check(path)
        },
      },
      options,
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function check(path: string): Promise<string> {
  const plain = readPlainly(readFileSync(path, 'utf8'))
  const kept: JournalLine[] = []
  let problems = 0
  for await (const batch of readJournal(path, { keepGood: true, onProblem: () => (problems += 1) }))
    kept.push(...batch)
  if (!plain.isAmbiguous && JSON.stringify(kept) !== JSON.stringify(plain.good))
    return `${kept.length} lines where ${plain.good.length} are good`
  if (kept.some((line) => !checkLine(line).ok)) return 'a line that is none'
  if (plain.isFaulty && problems === 0) return 'a fault that is not told'
  try {
    for await (const batch of readJournal(path)) if (batch.length === 0) return 'an empty batch'
  } catch (error) {
    if (!(error instanceof JournalError)) throw error
    if (error.problem.line < 0 || error.problem.reason === '') return 'an error without a place'
  }
  return ''
}

interface Plain {
  readonly good: JournalLine[]
  readonly isFaulty: boolean
  /**
   * A line of several values beside lines that are none by themselves: read at once they may even out. Each value is
   * checked all the same.
   */
  readonly isAmbiguous: boolean
}

function readPlainly(text: string): Plain {
  const good: JournalLine[] = []
  let [isBegun, isFaulty, isNone, isMany] = [false, false, false, false]
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      isFaulty = true
      if (isList(line)) isMany = true
      else isNone = true
      if (!isBegun) break
      continue
    }
    const checked = checkLine(value)
    if (!isBegun) {
      const isHeader = checked.ok && checked.line?.kind === 'journal'
      if (!isHeader) {
        isFaulty = true
        break
      }
      isBegun = true
    }
    if (!checked.ok) isFaulty = true
    else if (checked.line !== undefined) good.push(checked.line)
  }
  return { good, isFaulty, isAmbiguous: isNone && isMany }
}

function isList(line: string): boolean {
  try {
    JSON.parse(`[${line}]`)
    return true
  } catch {
    return false
  }
}
