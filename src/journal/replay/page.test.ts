import { describe, expect, it } from 'vitest'
import { policyOf } from '../../../test/kit/policy.ts'
import { inBatches, recordedLines } from '../../../test/kit/recorded-lines.ts'
import type { Scenario } from '../../../test/kit/sim/scenario.ts'
import { replayPage } from './page.ts'
import { replayJournal } from './replay-journal.ts'
import { replayText } from './replay-text.ts'
import { unknownsOf } from './unknowns.ts'

const SCENARIO: Scenario = {
  name: 'page',
  seed: 3,
  durationMs: 40_000,
  upstreams: {
    'a&b': {
      servers: 4,
      serviceMs: 100,
      sigma: 0.3,
      queue: 50,
      phases: [{ from: 20_000, until: 30_000, slow: 8 }],
    },
  },
  trouble: { from: 20_000, until: 30_000, upstream: 0 },
  populations: [
    {
      name: 'jobs',
      agents: 10,
      upstream: 0,
      perSecond: 1.5,
      priority: 'critical',
      timeoutMs: 4000,
      deadlineMs: 30_000,
      family: 'openai-js',
      bytes: 500,
    },
  ],
}

const POLICY = policyOf(
  `version: 1
upstreams: { '*': { drift: { warmUp: 5s } } }
rules:
  - name: hold
    mode: enforce
    match: { agent: 'jobs-*', path: '/v1/**' }
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold, hold: { max: 5s } }
`,
  ['a&b'],
)

const { lines, header } = recordedLines(SCENARIO, POLICY)

function sideOf(name: string) {
  return { name, compile: () => ({ policy: POLICY }) }
}

async function replayed() {
  return replayJournal(inBatches([{ ...header, hashedIds: true }, ...lines.slice(1)]), {
    policies: sideOf('<now>'),
    against: sideOf('next'),
  })
}

describe('the page of a replay', () => {
  it('is whole in itself, and shows names as text', async () => {
    const result = await replayed()
    const page = replayPage(result, unknownsOf(result, [POLICY]))
    expect(page).not.toMatch(/<now>|https?:\/\/(?!www\.w3\.org)|<link|src=/)
    expect(page).toContain('&lt;now&gt; against next')
    expect(page).toContain('a&amp;b')
    expect(page).toContain('test/hold')
    expect(page.match(/<svg/g)).toHaveLength(3)
  })

  it('says what it cannot know of this journal and these policies', async () => {
    const result = await replayed()
    const says = unknownsOf(result, [POLICY]).join('\n')
    expect(says).toContain('rules that match agents by name match nobody')
    expect(says).not.toContain('rules that match paths')
    const plain = unknownsOf({ ...result, journal: { ...result.journal, hasPaths: false } }, [POLICY]).join(
      '\n',
    )
    expect(plain).toContain('held against the folded path')
  })

  it('has the numbers of the terminal', async () => {
    const result = await replayed()
    const text = replayText(result, [])
    const held = result.policies.totals[0]!.held
    expect(held).toBeGreaterThan(5)
    expect(text).toMatch(new RegExp(`A +all that act +${held} `))
    expect(text).toMatch(/B-A +(= +)+=/)
    expect(replayPage(result, [])).toContain(`<td>${held}</td>`)
  })
})
