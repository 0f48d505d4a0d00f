import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  batches,
  call,
  event,
  header,
  reportJournal,
  throttled,
} from '../../../../test/kit/report-journal.ts'
import type { JournalLine } from '../../line.ts'
import { Analysis, analyse } from '../analysis.ts'
import { reportPage } from './report-page.ts'

const pageOf = async (lines: readonly JournalLine[]): Promise<string> =>
  reportPage(await analyse(batches(lines), new Analysis()), { madeBy: 'weir 0.0.0' })

const whole = pageOf(reportJournal())

/** Elements that have no end. */
const VOID = new Set(['meta', 'br', 'img', 'link', 'input', 'hr'])

/** Tags that are not closed, or closed where they are not open; [] = well formed. */
function faults(page: string): string[] {
  const found: string[] = []
  const open: string[] = []
  const bare = page.replaceAll(/<(style|script)>[\s\S]*?<\/\1>/g, '')
  for (const [, slash, name = '', rest = ''] of bare.matchAll(
    /<(\/?)([a-z][a-z0-9]*)((?:[^<>"]|"[^"]*")*)>/gi,
  )) {
    if (slash === '/') {
      if (open.pop() !== name) found.push(`</${name}> closes nothing`)
    } else if (!VOID.has(name) && !rest.endsWith('/')) open.push(name)
  }
  return [...found, ...open.map((name) => `<${name}> is open`)]
}

const count = (page: string, pattern: RegExp): number => [...page.matchAll(pattern)].length

describe('the page', () => {
  test('is one well-formed document', async () => {
    const page = await whole
    expect(page.startsWith('<!doctype html>')).toBe(true)
    expect(faults(page)).toEqual([])
    expect(count(page, /<main /g)).toBe(1)
    expect(count(page, /<h1>/g)).toBe(1)
  })

  test('asks no network for anything', async () => {
    const page = await whole
    expect(/\b(?:src|href|action|data|poster)="(?!#)/.test(page)).toBe(false)
    expect(/url\(|@import|fetch\(|XMLHttpRequest/.test(page)).toBe(false)
    expect(page.includes('default-src &#39;none&#39;')).toBe(true)
  })

  test('runs no script but its own, which its policy names', async () => {
    const page = await whole
    const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)]
    expect(scripts.length).toBe(1)
    const digest = createHash('sha256').update(scripts[0]![1]!).digest('base64')
    expect(page.includes(`sha256-${digest}`)).toBe(true)
    expect(/ on[a-z]+=/.test(page)).toBe(false)
  })

  test('answers every question, and links to every answer', async () => {
    const page = await whole
    const sections = [...page.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id)
    expect(sections).toEqual(['retries', 'fan-out', 'latency', 'waste', 'callers', 'weir'])
    for (const id of sections) expect(page.includes(`href="#${id}"`)).toBe(true)
  })

  test('gives every chart a name, a description and both themes', async () => {
    const page = await whole
    const charts = [...page.matchAll(/<svg [\s\S]*?<\/svg>/g)].map(([svg]) => svg)
    expect(charts.length).toBeGreaterThan(12)
    for (const svg of charts) {
      expect(svg).toMatch(
        /^<svg role="img" viewBox="0 0 \d+ \d+"[^>]*><title>[^<]+<\/title><desc>[^<]*<\/desc>/,
      )
      expect(svg).not.toMatch(/#[0-9a-fA-F]{3,6}\b|NaN|undefined|Infinity/)
    }
    for (const [, colour = ''] of page.matchAll(/var\(--([a-z0-9-]+)\)/g)) {
      // Once for light, once for dark.
      expect([colour, count(page, new RegExp(`--${colour}:`, 'g')) >= 2]).toEqual([colour, true])
    }
  })

  test('gives tables captions and heads, and the numbers that they sort by', async () => {
    const page = await whole
    const tables = [...page.matchAll(/<table[^>]*>[\s\S]*?<\/table>/g)].map(([table]) => table)
    expect(tables.length).toBeGreaterThan(6)
    for (const table of tables) {
      expect(table).toContain('<caption>')
      expect(table).toContain('scope="col"')
    }
  })

  test('takes no markup from the names in a journal', async () => {
    const evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>\u202e'
    const lines: JournalLine[] = [
      header({ upstreams: [evil, 'model'], source: evil }),
      ...Array.from({ length: 40 }, (_, index) =>
        throttled({ at: index * 100, agent: evil, workflow: evil, upstream: evil, route: evil, attempt: 2 }),
      ),
      call({ at: 200, agent: `${evil}2`, parent: evil, workflow: evil, upstream: evil, method: evil }),
      call({ at: 210, verdict: { do: 'hold', reason: 'drift', rule: evil } }),
      event('storm-started', 500, { upstream: evil, agent: evil, readings: { [evil]: 1, root: 0 } }),
    ]
    const page = await pageOf(lines)
    expect(count(page, /<script/g)).toBe(1)
    expect(page.includes('<img')).toBe(false)
    expect(page.includes('\u202e')).toBe(false)
    expect(faults(page)).toEqual([])
  })

  test('says what could not be read', async () => {
    const analysis = new Analysis()
    for (const line of reportJournal()) analysis.add(line)
    analysis.leaveOut({ file: 'part-<2>.ndjson', line: 17, reason: 'not JSON' })
    const page = reportPage(analysis.findings(), { madeBy: 'weir 0.0.0' })
    expect(page.includes('Not all of the journal is in this report')).toBe(true)
    expect(page.includes('part-&lt;2&gt;.ndjson:17: not JSON')).toBe(true)
  })

  test('of an empty journal says so, and draws nothing', async () => {
    const page = await pageOf([header()])
    expect(page.includes('The journal holds no calls.')).toBe(true)
    expect(page.includes('<svg')).toBe(false)
    expect(faults(page)).toEqual([])
  })

  test('of an imported journal shows by upstream what came to nothing', async () => {
    const { core: _, ...imported } = header({ source: 'import:har' })
    const page = await pageOf([imported, ...reportJournal().filter(({ kind }) => kind === 'call')])
    expect(page.includes('How much came to nothing, by upstream')).toBe(true)
    expect(faults(page)).toEqual([])
  })

  test('stands beside another one on request', async () => {
    const own = await analyse(batches(reportJournal()), new Analysis())
    const other = await analyse(batches(reportJournal('enforce')), new Analysis())
    const against = { own: 'Without <Weir>', other: 'with Weir', findings: other }
    const page = reportPage(own, { madeBy: 'weir 0.0.0', against })
    expect(page.includes('<h2>Without &lt;Weir&gt;, and with Weir</h2>')).toBe(true)
    expect(page.includes('href="#against"')).toBe(true)
    expect(faults(page)).toEqual([])
  })
})
