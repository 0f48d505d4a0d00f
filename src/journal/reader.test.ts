import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeSampleJournal } from '../../test/kit/journal-sample.ts'
import { journalFiles } from './journal-files.ts'
import type { JournalLine } from './line.ts'
import { formatJournalProblem, readJournal, type JournalProblem, type ReadOptions } from './reader.ts'

const HEADER = {
  kind: 'journal',
  version: 1,
  source: 'weir test',
  startedAt: '2026-01-15T09:00:00.000Z',
  upstreams: ['api'],
  part: 1,
  run: '0123456789abcdef',
  hashedIds: false,
}
const CALL = {
  kind: 'call',
  id: 'c',
  at: 1.5,
  order: [0],
  slot: 0,
  upstream: 'api',
  agent: 'a',
  trust: 'claimed',
  method: 'POST',
  route: '/v1/call',
  priority: 'normal',
  family: 'curl',
  bytes: -1,
  fingerprint: 7,
  verdict: { do: 'shed', reason: 'policy', rule: 'x/y' },
  endMs: 0.25,
  status: 403,
  outcome: 'shed',
  bytesIn: 0,
  bytesOut: 0,
}

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-read-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function file(name: string, ...lines: readonly unknown[]): string {
  const path = join(dir, name)
  const text = lines.map((line) => (typeof line === 'string' ? line : `${JSON.stringify(line)}\n`)).join('')
  writeFileSync(path, text)
  return path
}

async function all(
  paths: string | readonly string[],
  options: ReadOptions = {},
): Promise<{ lines: JournalLine[]; problems: string[] }> {
  const lines: JournalLine[] = []
  const problems: string[] = []
  const onProblem = (problem: JournalProblem): void =>
    void problems.push(formatJournalProblem(problem).replaceAll(dir, ''))
  for await (const batch of readJournal(paths, { onProblem, ...options })) lines.push(...batch)
  return { lines, problems }
}

const good = (paths: string | readonly string[]) => all(paths, { keepGood: true })

async function refusal(path: string): Promise<string> {
  try {
    await all(path)
    return ''
  } catch (error) {
    return String(error).replaceAll(dir, '')
  }
}

describe('reading a journal', () => {
  it('finds nothing in a journal of a quiet day', async () => {
    const path = file('quiet.ndjson', HEADER)
    expect(await all(path)).toEqual({ lines: [HEADER], problems: [] })
  })

  it('reads what the recorder wrote, through blocks of any size, packed or not', async () => {
    const { files, calls, events } = writeSampleJournal(dir, { calls: 2500 })
    const plain = await all(files)
    expect(plain.problems).toEqual([])
    expect(plain.lines.filter(({ kind }) => kind === 'call')).toHaveLength(calls)
    expect(plain.lines.filter(({ kind }) => kind === 'event')).toHaveLength(events)
    const packed = file('packed.ndjson.gz')
    const text = plain.lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    writeFileSync(packed, gzipSync(text))
    expect(await all(packed)).toEqual(plain)
  })

  it('takes a directory as its parts in the order of their numbers', async () => {
    for (const part of [10, 9, 1]) file(`weir-${part}.ndjson`, { ...HEADER, part })
    file('notes.txt', 'not ours')
    expect(journalFiles(dir).map((path) => path.slice(dir.length + 6))).toEqual([
      '1.ndjson',
      '9.ndjson',
      '10.ndjson',
    ])
    const { lines } = await all(dir)
    expect(lines.map((line) => line.kind === 'journal' && line.part)).toEqual([1, 9, 10])
  })

  it('says how far it is, in bytes on disk', async () => {
    const { files } = writeSampleJournal(dir, { calls: 2000, maxFileBytes: 400_000 })
    const told: [number, number][] = []
    await all(files, { onProgress: (done, total) => told.push([done, total]) })
    expect(files.length).toBeGreaterThan(1)
    expect(told.at(-1)?.[0]).toBe(told.at(-1)?.[1])
    expect(told.every(([done], index) => done >= (told[index - 1]?.[0] ?? 0))).toBe(true)
  })

  it('passes over what a newer version may say', async () => {
    const path = file(
      'new.ndjson',
      { ...HEADER, colour: 'blue' },
      { kind: 'weather', sun: true },
      { ...CALL, mood: 'good' },
      { kind: 'event', name: 'upstream-forgiven', at: 1, upstream: 'api', readings: {} },
    )
    expect((await all(path)).lines.map(({ kind }) => kind)).toEqual(['journal', 'call'])
  })

  it('keeps everything but the line that a crash cut off, and says so', async () => {
    const whole = `${JSON.stringify(HEADER)}\n${JSON.stringify(CALL)}\n`
    const line = JSON.stringify({ ...CALL, at: 2 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: line.length - 1 }), async (length) => {
        const path = file('torn.ndjson', whole, line.slice(0, length))
        const { lines, problems } = await all(path)
        expect(lines).toEqual([HEADER, CALL])
        expect(problems).toEqual(['/torn.ndjson:3: the last line is cut off'])
      }),
      { numRuns: 40 },
    )
    expect((await all(file('torn.ndjson', whole, line))).lines).toHaveLength(3)
    expect(await all(file('empty.ndjson'))).toEqual({ lines: [], problems: ['/empty.ndjson: empty'] })
  })

  it.each<[string, unknown[], string]>([
    [
      'of another program',
      [{ level: 'info', msg: 'hi' }],
      ':1: not a journal of Weir: the first line must be its header ({"kind":"journal",...})',
    ],
    [
      'of text',
      ['Dear diary\n'],
      ':1: not a journal of Weir: the first line must be its header ({"kind":"journal",...})',
    ],
    [
      'without its first part',
      [CALL],
      ':1: not a journal of Weir: the first line must be its header ({"kind":"journal",...})',
    ],
    [
      'of the future',
      [{ ...HEADER, version: 2 }],
      ':1: version 2 of the format, written by a newer Weir; this one reads 1',
    ],
    ['with a broken line', [HEADER, CALL, '{"kind":"call","id":\n', CALL], ':3: not JSON'],
    ['with a list for a line', [HEADER, '[1]\n'], ':2: not a JSON object'],
    [
      'with two values in a line',
      [HEADER, '{"kind":"gap","at":1,"dropped":1},{"kind":"x"}\n', CALL],
      ':2: not JSON',
    ],
    ['with a line of no kind', [HEADER, {}], ':2: no "kind"'],
    ['with a call without an agent', [HEADER, { ...CALL, agent: '' }], ':2: "agent" must be text'],
    ['with an unknown outcome', [HEADER, { ...CALL, outcome: 'lost' }], ':2: "outcome" must be passed, '],
    [
      'with an unknown verdict',
      [HEADER, { ...CALL, verdict: { do: 'maybe' } }],
      ':2: "verdict.do" must be pass, hold',
    ],
    [
      'with a place too many',
      [HEADER, { ...CALL, order: [0, 1] }],
      ':2: "order" has 2 places, and sentMs, headMs and settled need 1',
    ],
    [
      'with half a tick',
      [HEADER, { kind: 'ticks', ticks: [1, 2, 3] }],
      ':2: "ticks" must be a list of pairs',
    ],
    [
      'with an input of no order',
      [HEADER, { kind: 'input', at: 1, input: 'drain', value: 1 }],
      ':2: "order" must be',
    ],
    [
      'with a time that is none',
      [HEADER, { kind: 'gap', at: null, dropped: 1 }],
      ':2: "at" must be a number of ms',
    ],
  ])('gives a file %s one error with its place and reason', async (_, lines, expected) => {
    expect(await refusal(file('x.ndjson', ...lines))).toContain(`JournalError: /x.ndjson${expected}`)
  })

  it('says what cannot be read at all', async () => {
    expect(await refusal(join(dir, 'gone'))).toBe('JournalError: /gone: cannot be read (ENOENT)')
    mkdirSync(join(dir, 'none'))
    expect(await refusal(join(dir, 'none'))).toBe('JournalError: /none: a directory without *.ndjson files')
    const cut = gzipSync(`${JSON.stringify(HEADER)}\n${JSON.stringify(CALL)}\n`.repeat(50)).subarray(0, -40)
    writeFileSync(join(dir, 'cut.ndjson.gz'), cut)
    expect(await refusal(join(dir, 'cut.ndjson.gz'))).toMatch(/: the packed data is broken \(Z_BUF_ERROR\)$/)
    writeFileSync(join(dir, 'plain.ndjson.gz'), `${JSON.stringify(HEADER)}\n`)
    expect(await refusal(join(dir, 'plain.ndjson.gz'))).toContain(
      ':1: the packed data is broken (Z_DATA_ERROR)',
    )
    expect(await refusal(file('endless.ndjson', HEADER, 'x'.repeat((8 << 20) + 1)))).toBe(
      'JournalError: /endless.ndjson:2: a line of more than 8 MiB',
    )
  })

  it('delivers all that is good on request, with one problem per file', async () => {
    const bad = file('bad.ndjson', HEADER, 'x\n', CALL, { ...CALL, slot: -1 }, { ...CALL, at: 9 })
    const foreign = file('foreign.ndjson', '<html>\n', CALL)
    const fine = file('fine.ndjson', HEADER, CALL)
    const { lines, problems } = await good([bad, foreign, fine])
    expect(lines).toEqual([HEADER, CALL, { ...CALL, at: 9 }, HEADER, CALL])
    expect(problems).toEqual([
      '/bad.ndjson:2: not JSON (and 1 more lines of this file)',
      '/foreign.ndjson:1: not a journal of Weir: the first line must be its header ({"kind":"journal",...})',
    ])
  })

  it('never throws on request, nor loses a good line, whatever bytes come in between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { maxLength: 8 }), async (junk) => {
        const noise = junk.map((text) => `${text.replaceAll(/[\n\r]/g, ' ')}\n`)
        const path = file('junk.ndjson', HEADER, ...noise.flatMap((text) => [text, CALL]))
        const { lines } = await good(path)
        expect(lines.filter(({ kind }) => kind === 'call')).toHaveLength(junk.length)
      }),
      { numRuns: 60 },
    )
  })
})
