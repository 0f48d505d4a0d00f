/** The page of promises: every guarantee and every row names a test, and every test that it names exists. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const PAGE = readFileSync(join(ROOT, 'docs', 'promises.md'), 'utf8')
const GUARANTEES = 13
const ROWS = 84
/** A reason is a sentence. */
const LEAST_REASON = 40

interface Named {
  readonly file: string
  readonly title: string
}

function testsIn(text: string): Named[] {
  return [...text.matchAll(/`([\w./-]+\.ts)` › ([^\n|<]+)/g)].map(([, file = '', title = '']) => ({
    file,
    title: title.trim(),
  }))
}

const sources = new Map<string, string>()

/** The text between the quotes of whoever wrote it, whichever they were. */
function exists({ file, title }: Named): boolean {
  let source = sources.get(file)
  if (source === undefined) {
    try {
      source = readFileSync(join(ROOT, file), 'utf8').replaceAll("\\'", "'")
    } catch {
      source = ''
    }
    sources.set(file, source)
  }
  return ["'", '"', '`'].some((quote) => source.includes(quote + title + quote))
}

function missing(text: string): string[] {
  return testsIn(text)
    .filter((named) => !exists(named))
    .map(({ file, title }) => `${file} › ${title}`)
}

describe('the page of promises', () => {
  it('has every guarantee once, each with what is not promised and a test that exists', () => {
    const parts = PAGE.split(/^## (?=G\d+ )/m).slice(1)
    expect(parts.map((part) => /^G\d+/.exec(part)?.[0])).toEqual(
      Array.from({ length: GUARANTEES }, (_, n) => `G${n + 1}`),
    )
    for (const part of parts) {
      const own = part.split(/^## /m)[0]!
      const name = own.split('\n')[0]
      expect([name, /^Not promised: .{10}/m.test(own)]).toEqual([name, true])
      expect([name, testsIn(own).length > 0]).toEqual([name, true])
      expect(missing(own)).toEqual([])
    }
  })

  it('has every row once, each with a test that exists or a reason, and none without a word', () => {
    const rows = [...PAGE.matchAll(/^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \| (.*) \|$/gm)]
    expect(rows.map(([, number]) => Number(number))).toEqual(Array.from({ length: ROWS }, (_, n) => n + 1))
    for (const [line, number = '', , , state = '', tests = ''] of rows) {
      const [word = '', reason = ''] = state.split(/: (.*)/s)
      expect([number, ['done', 'different', 'refused'].includes(word)]).toEqual([number, true])
      const hasReason = word === 'done' || reason.length > LEAST_REASON
      const hasTest = word === 'refused' || testsIn(tests).length > 0
      expect([number, hasReason, hasTest]).toEqual([number, true, true])
      expect(missing(line)).toEqual([])
    }
  })

  it('names no test that does not exist, wherever it does', () => {
    expect(testsIn(PAGE).length).toBeGreaterThan(ROWS)
    expect(missing(PAGE)).toEqual([])
  })

  it('would notice a title that was changed', () => {
    expect(missing('`test/docs/promises.test.ts` › a title that nobody wrote here, ever')).toHaveLength(
      // The line above holds it, but not between quotes of its own.
      1,
    )
  })
})

it('every threat of SECURITY.md names what is done, and a test that exists', () => {
  const page = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')
  expect(missing(page)).toEqual([])
  const tables = page.split('| threat | what is done | test |').slice(1)
  expect(tables.length).toBe(5)
  for (const table of tables) {
    const rows = table.split('\n\n')[0]!.trim().split('\n').slice(1)
    expect(rows.length).toBeGreaterThan(2)
    for (const row of rows) expect([row, testsIn(row).length]).toEqual([row, 1])
  }
})

it('the lenient parser of Node is used nowhere', () => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const lenient = files.filter(
    (file) =>
      file.endsWith('.ts') && readFileSync(join(ROOT, 'src', file), 'utf8').includes('insecureHTTPParser'),
  )
  expect(lenient).toEqual([])
})
