import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { header, reportJournal } from '../../test/kit/report-journal.ts'
import type { JournalLine } from '../journal/line.ts'
import { JournalError } from '../journal/reader.ts'
import { readFindings, reportCommand } from './report.ts'

const dir = mkdtempSync(join(tmpdir(), 'weir-report-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

function written(name: string, lines: readonly (JournalLine | string)[]): string {
  const file = join(dir, name)
  const texts = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
  writeFileSync(file, texts.map((text) => `${text}\n`).join(''))
  return file
}

/** What the command writes to stdout and stderr. */
async function told(...words: string[]): Promise<{ out: string; err: string }> {
  let out = ''
  let err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true))
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true))
  await reportCommand().exitOverride().parseAsync(words, { from: 'user' })
  return { out, err }
}

const journal = written('whole.ndjson', reportJournal())
const broken = written('broken.ndjson', [
  ...reportJournal().slice(0, 50),
  '{"kind":"call"',
  ...reportJournal().slice(50),
])

describe('weir report', () => {
  test('writes one page, and prints where', async () => {
    const out = join(dir, 'page.html')
    expect(await told(journal, '--out', out)).toEqual({ out: `${out}\n`, err: '' })
    const page = readFileSync(out, 'utf8')
    expect(page.startsWith('<!doctype html>')).toBe(true)
    expect(page.includes('Replayed under the shipped policies, in force')).toBe(true)
  })

  test('prints JSON alone, with the price that was given', async () => {
    const { out, err } = await told(journal, '--json', '--price', '0.25', '--no-what-if')
    const findings: unknown = JSON.parse(out)
    expect(findings).toMatchObject({ kind: 'weir-report', pricePerCall: 0.25, source: { mode: 'shadow' } })
    expect(findings).not.toHaveProperty('whatIf')
    expect(err).toBe('')
  })

  test('tells of all workers of one directory together', async () => {
    const workers = join(dir, 'workers')
    for (const number of [1, 2]) {
      const own = join(workers, `worker-${number}`)
      mkdirSync(own, { recursive: true })
      const [, ...rest] = reportJournal()
      written(join('workers', `worker-${number}`, 'weir-1.ndjson'), [
        header({ run: `run-${number}` }),
        ...rest,
      ])
    }
    const alone = await readFindings({ journal: [journal], whatIf: false })
    const both = await readFindings({ journal: [workers], whatIf: false })
    expect(both.total.arrivals).toBe(2 * alone.total.arrivals)
    expect(both.time).toEqual(alone.time)
    expect(both.source.runs).toBe(2)
  })

  test('prints Markdown', async () => {
    expect((await told(journal, '--markdown', '--currency', '€')).out).toMatch(/^# Weir report\n[\s\S]*€/)
  })

  test('keeps to a part of the journal', async () => {
    const { out } = await told(journal, '--json', '--from', '30s', '--to', '2026-03-12T14:03:35Z')
    expect(JSON.parse(out)).toMatchObject({
      total: { retries: 0 },
      time: { from: '2026-03-12T14:03:30.000Z' },
    })
  })

  test('stands one journal beside another', async () => {
    const other = written('other.ndjson', reportJournal('enforce'))
    const out = join(dir, 'beside.html')
    await told(journal, '--against', other, '--out', out)
    expect(readFileSync(out, 'utf8').includes('id="against"')).toBe(true)
  })

  test('tells of a broken journal once, with file, line, reason and a way out', async () => {
    const { out, err } = await told(broken, '--json')
    expect(out).toBe('')
    expect(err).toBe(`weir: ${broken}:51: not JSON (--keep-good leaves out what is broken)\n`)
    expect(process.exitCode).toBe(1)
  })

  test('reports the good part of it on request, and says so in all forms', async () => {
    const out = join(dir, 'good.html')
    const { out: markdown, err } = await told(broken, '--keep-good', '--markdown', '--out', out)
    expect(err).toContain(`left out: ${broken}:51: not JSON`)
    expect(markdown).toContain('Not all of the journal is in this report')
    expect(readFileSync(out, 'utf8').includes(`${broken}:51: not JSON`)).toBe(true)
  })

  test.each([
    ['a foreign file', 'foreign.ndjson', ['{"log":{"version":"1.2"}}'], ':1: not a journal of Weir'],
    ['a version of the future', 'future.ndjson', [JSON.stringify({ ...header(), version: 99 })], ':1: '],
  ])('refuses %s', async (_, name, lines, reason) => {
    const file = written(name, lines)
    await expect(readFindings({ journal: [file] })).rejects.toThrow(`${file}${reason}`)
  })

  test('refuses a file that is not there', async () => {
    await expect(readFindings({ journal: [join(dir, 'nowhere')] })).rejects.toThrow(JournalError)
  })

  test.each([
    ['--price', 'cheap'],
    ['--price', '-1'],
    ['--from', 'yesterday'],
    ['--policies', '/nowhere.yaml'],
  ])('refuses %s %s', async (flag, value) => {
    await expect(told(journal, '--json', flag, value)).rejects.toThrow(value)
  })

  test('of a journal without calls warns, and is a page all the same', async () => {
    const empty = written('empty.ndjson', [header()])
    const out = join(dir, 'empty.html')
    expect((await told(empty, '--out', out)).err).toContain('no calls in that journal')
    expect(readFileSync(out, 'utf8').includes('The journal holds no calls.')).toBe(true)
  })
})
