import { describe, expect, it } from 'vitest'
import { policyOf } from '../../../test/kit/policy.ts'
import { callsOf, inBatches, recordedLines } from '../../../test/kit/recorded-lines.ts'
import type { Scenario } from '../../../test/kit/sim/scenario.ts'
import { playClosedLoop } from './closed-loop.ts'
import { closedLoopPage } from './closed-loop-page.ts'

const SCENARIO: Scenario = {
  name: 'loop',
  seed: 9,
  durationMs: 90_000,
  upstreams: {
    api: {
      servers: 12,
      serviceMs: 200,
      sigma: 0.3,
      queue: 500,
      phases: [{ from: 40_000, until: 60_000, slow: 8 }],
    },
  },
  trouble: { from: 40_000, until: 60_000, upstream: 0 },
  populations: [
    {
      name: 'jobs',
      agents: 20,
      upstream: 0,
      perSecond: 1.5,
      priority: 'normal',
      timeoutMs: 4000,
      deadlineMs: 30_000,
      family: 'openai-js',
      bytes: 500,
    },
  ],
}

function holding(mode: 'enforce' | 'shadow') {
  return policyOf(`version: 1
upstreams: { '*': { drift: { warmUp: 10s } } }
rules:
  - name: hold
    mode: ${mode}
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`)
}

const { lines } = recordedLines(SCENARIO, holding('shadow'))
const play = () =>
  playClosedLoop(() => inBatches(lines), {
    policies: { name: 'hold', compile: () => ({ policy: holding('enforce') }) },
    against: { name: 'watch', compile: () => ({ policy: holding('shadow') }) },
  })

describe('a closed loop', () => {
  it('fits the upstream that was there', async () => {
    const { upstreams } = await play()
    const { shape, well, stretches } = upstreams[0]!
    expect(shape.serviceMs).toBeGreaterThan(180)
    expect(shape.serviceMs).toBeLessThan(220)
    expect(shape.sigma).toBeCloseTo(0.3, 1)
    expect(shape.servers).toBeGreaterThan(8)
    expect(shape.servers).toBeLessThan(25)
    expect(well).toBeGreaterThan(5)
    expect(well).toBeLessThan(stretches - 5)
    const slow = shape.phases.filter(({ slow: times = 1, rateLimit }) => times > 2 || rateLimit !== undefined)
    expect(slow.length).toBeGreaterThan(2)
    expect(slow.every(({ from }) => from >= 40_000)).toBe(true)
  })

  it('tells first tries from retries', async () => {
    const { recorded, withoutWeir } = await play()
    const real = new Set(callsOf(lines).map(({ fingerprint }) => fingerprint)).size
    expect(Math.abs(recorded.firstTries - real) / real).toBeLessThan(0.03)
    expect(withoutWeir.wanted).toBe(recorded.firstTries)
  })

  it('lets callers react: what is held is not tried again', async () => {
    const { withoutWeir, policies, against } = await play()
    expect(withoutWeir.attemptsPerCall).toBeGreaterThan(1.1)
    expect(policies.attemptsPerCall).toBeLessThan(withoutWeir.attemptsPerCall)
    expect(policies.answered).toBeGreaterThan(withoutWeir.answered)
    expect(policies.held).toBeGreaterThan(10)
    // A rule that only watches changes nothing, in a world of its own either.
    expect(against).toMatchObject({ held: 0, refused: 0, wanted: withoutWeir.wanted })
  })

  it('comes out the same every time', async () => {
    expect(await play()).toEqual(await play())
  })

  it('is told on a page with a column per side, and with what it cannot know', async () => {
    const page = closedLoopPage(await play())
    expect(page).toContain('<title>Closed loop: hold against watch</title>')
    for (const name of ['without Weir', 'hold', 'watch'])
      expect(page).toMatch(new RegExp(`<th scope="col"[^>]*>${name}</th>`))
    expect(page).toContain('attempts per call')
    expect(page).toContain('Numbers are those of models')
  })
})
