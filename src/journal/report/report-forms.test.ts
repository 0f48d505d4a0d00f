/** The forms that a report has besides the page: what programs read, and what is pasted into an issue. */
import { describe, expect, test } from 'vitest'
import { batches, call, header, reportJournal } from '../../../test/kit/report-journal.ts'
import { Analysis, analyse } from './analysis.ts'
import { reportJson } from './report-json.ts'
import { reportMarkdown } from './markdown.ts'
import { sentences } from './summary.ts'

describe.each(['shadow', 'enforce'] as const)('a seeded journal with rules in mode %s', (mode) => {
  const findings = analyse(batches(reportJournal(mode)), new Analysis({ pricePerCall: 0.004 }))

  test('has this JSON', async () => {
    const text = reportJson(await findings)
    expect(JSON.parse(text)).toEqual(await findings)
    await expect(text).toMatchFileSnapshot(`golden/${mode}.json.txt`)
  })

  test('has this Markdown', async () => {
    await expect(reportMarkdown(await findings)).toMatchFileSnapshot(`golden/${mode}.md.txt`)
  })
})

describe('three sentences', () => {
  test('say of an empty journal that it is empty', async () => {
    const findings = await analyse(batches([header()]), new Analysis())
    expect(sentences(findings)[0]).toBe('The journal holds no calls.')
    expect(reportMarkdown(findings)).toContain('holds no calls')
  })

  test('say of a good day that it was good', async () => {
    const lines = Array.from({ length: 200 }, (_, index) =>
      call({ at: index * 100, agent: `agent-${index % 9}` }),
    )
    const findings = await analyse(batches([header(), ...lines]), new Analysis())
    expect(sentences(findings)).toEqual([
      'In 20 s (on 12 March 2026, 14:03:00 to 14:03:20 UTC) 9 agents made 200 calls to idp.',
      'Nothing stands out: 0 % of the calls came to nothing, and never many at once.',
      'No call came to nothing.',
    ])
  })
})

describe('Markdown', () => {
  test('takes no markup from the names in a journal', async () => {
    const agent = '<script>alert(1)</script>|**bold**\n# head [x](javascript:alert(1))'
    const findings = await analyse(batches([header(), call({ agent, workflow: agent })]), new Analysis())
    const text = reportMarkdown(findings)
    expect(text).not.toContain('<script')
    expect(text).not.toContain('\n# head')
    expect(text).not.toMatch(/(?<!\\)\]\(/)
    expect(text).toContain(String.raw`\|\*\*bold\*\*`)
  })
})
