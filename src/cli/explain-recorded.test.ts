import { describe, expect, it } from 'vitest'
import { policyOf } from '../../test/kit/policy.ts'
import { callsOf, inBatches, recordedLines } from '../../test/kit/recorded-lines.ts'
import type { Scenario } from '../../test/kit/sim/scenario.ts'
import type { CallLine } from '../journal/line.ts'
import { explainCommand } from './explain.ts'
import { explainCall, type CallExplanation } from './explanation-call.ts'
import { callExplanationText } from './explanation-call-text.ts'

const SCENARIO: Scenario = {
  name: 'explain',
  seed: 5,
  durationMs: 60_000,
  upstreams: {
    api: {
      servers: 10,
      serviceMs: 150,
      sigma: 0.4,
      queue: 60,
      phases: [{ from: 25_000, until: 45_000, slow: 6 }],
    },
  },
  trouble: { from: 25_000, until: 45_000, upstream: 0 },
  populations: (['critical', 'batch'] as const).map((priority) => ({
    name: priority,
    agents: 15,
    upstream: 0,
    perSecond: 1.2,
    priority,
    timeoutMs: 8000,
    deadlineMs: 30_000,
    family: 'openai-js',
    bytes: 500,
  })),
}

const POLICY = policyOf(`version: 1
upstreams: { '*': { drift: { warmUp: 10s } } }
rules:
  - name: mild
    mode: enforce
    match: { agent: 'nobody-*' }
    then: { do: shed }
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold, hold: { max: 6s } }
`)

const { lines } = recordedLines(SCENARIO, POLICY)
const calls = callsOf(lines)

function explainOne(call: CallLine | undefined, policy = POLICY): Promise<CallExplanation | undefined> {
  return explainCall({
    id: call?.id ?? 'none',
    lines: () => inBatches(lines),
    name: 'test',
    compile: () => ({ policy, notes: [] }),
  })
}

describe('explain --call', () => {
  it('finds the moment of a held call, with the verdict and the end of the hold that it had', async () => {
    const call = calls.filter(({ hold }) => hold?.do === 'release')[20]
    const answer = await explainOne(call)
    expect(answer).toMatchObject({ same: true, exact: true })
    expect(answer?.replayed).toMatchObject({
      do: 'hold',
      rule: 'test/hold',
      hold: { ending: 'released', ms: call?.hold?.ms },
    })
    expect(answer?.taken.hold).toEqual(answer?.replayed.hold)
    expect(answer?.readings.upstream['condition']).not.toBe('healthy')
    expect(answer?.readings.upstream['limit']).toBeGreaterThan(0)
    expect(answer?.lastChange?.secondsBefore).toBeGreaterThanOrEqual(0)
  })

  it('says what the core would have done if the upstream were healthy, or the rule not there', async () => {
    const answer = await explainOne(calls.filter(({ hold }) => hold?.do === 'release')[20])
    const flips = answer?.variations.filter(({ changes }) => changes) ?? []
    expect(flips).toContainEqual(
      expect.objectContaining({
        name: 'with condition healthy',
        verdict: expect.objectContaining({ do: 'pass' }),
      }),
    )
    expect(flips.map(({ name }) => name)).toContain('without test/hold')
  })

  it('asks each variation of a core that has heard of no other', async () => {
    const call = calls.filter(({ verdict }) => verdict.do === 'shed')[5]
    const answer = await explainOne(call)
    expect(answer?.replayed).toMatchObject({ do: 'shed', reason: call?.verdict.reason })
    const again = await explainOne(call)
    expect(again).toEqual(answer)
    const same = answer?.variations.find(({ name }) => name === 'in a workflow of its own')
    expect(same?.verdict).toMatchObject({ do: 'shed', reason: call?.verdict.reason })
  })

  it('of a call that passed names the rules that slept', async () => {
    const answer = await explainOne(calls[100])
    expect(answer?.replayed).toMatchObject({ do: 'pass', reason: 'healthy' })
    const text = callExplanationText(answer!)
    expect(text).toContain('pass (healthy)')
    expect(text).toContain(
      'with when.upstream drifting, storming, degraded, down, recovering, test/hold would decide: hold',
    )
    expect(text).toContain('Not changed: as interactive')
  })

  it('under other policies tells both verdicts', async () => {
    const off = policyOf('version: 1\nrules: [{ name: off, mode: off, then: { do: hold } }]')
    const answer = await explainOne(calls.filter(({ hold }) => hold?.do === 'release')[20], off)
    expect(answer).toMatchObject({ same: false, taken: { do: 'hold' }, replayed: { do: 'pass' } })
    expect(callExplanationText(answer!)).toContain('not the policies of then')
  })

  it('knows that it does not know a call', async () => {
    expect(await explainOne(undefined)).toBeUndefined()
  })
})

function run(...words: string[]): Promise<unknown> {
  return explainCommand().exitOverride().parseAsync(words, { from: 'user' })
}

describe('its mistakes', () => {
  it('are told as such: no journal, no call', async () => {
    await expect(run('--call', 'x')).rejects.toThrow('add --journal DIR')
    await expect(run()).rejects.toThrow('add --upstream NAME, or --call ID')
  })
})
