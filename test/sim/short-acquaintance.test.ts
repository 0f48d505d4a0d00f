/** The demo's identity provider, which browns out ten seconds after Weir has met it: there is little to learn from. */
import { describe, expect, it } from 'vitest'
import { DEMO_POLICY } from '../../src/demo/policy.ts'
import type { Population } from '../kit/sim/agent-model.ts'
import { policyOf } from '../kit/policy.ts'
import { play, type Scenario } from '../kit/sim/scenario.ts'
import { score } from '../kit/sim/score.ts'

const agents = { upstream: 0, perSecond: 1, timeoutMs: 4000, family: 'openai-js', bytes: 100 }
const populations: readonly Population[] = [
  { ...agents, name: 'live', agents: 5, priority: 'critical', deadlineMs: 4000 },
  { ...agents, name: 'work', agents: 15, priority: 'normal', deadlineMs: 30_000 },
]
const trouble = { from: 10_000, until: 24_000, upstream: 0 }

function scenario(seed: number): Scenario {
  const phases = [{ from: trouble.from, until: trouble.until, slow: 3.5 }]
  const idp = { servers: 6, serviceMs: 200, sigma: 0.2, queue: 2000, phases }
  return { name: 'short', seed, durationMs: 40_000, upstreams: { idp }, populations, trouble }
}

describe('an upstream known for ten seconds, whose calls then take 3.5 times as long', () => {
  const plays = [1, 2, 3, 4].map((seed) => {
    const story = scenario(seed)
    const weir = play(story, policyOf(DEMO_POLICY, ['idp']))
    return { weir, result: score(story, weir, play(story, undefined)) }
  })

  it('loses no critical call, and answers nearly all in time', () => {
    for (const { weir, result } of plays) {
      const lost = weir.calls.filter((call) => !call.ok && call.population.priority === 'critical')
      expect(lost).toEqual([])
      expect(result.criticalOnTimeRatio).toBeGreaterThanOrEqual(0.995)
      expect(result.attemptsPerCall).toBeLessThanOrEqual(1.05)
    }
  })
})
