/**
 * Agents whose calls are all of one length: no retry can be told from another of the same agent. In virtual time, against
 * the same agents with calls of different lengths.
 */
import { describe, expect, it } from 'vitest'
import { holdPolicy, policyOf } from '../kit/policy.ts'
import { playFleet } from '../kit/sim/fleet.ts'
import type { Scenario } from '../kit/sim/scenario.ts'
import { score } from '../kit/sim/score.ts'
import { brownout } from './fleet-scenarios.ts'

/** Slots as late as their clients' timeouts. */
const POLICY = policyOf(holdPolicy('{ drift: { warmUp: 5s }, slots: { max: 22s } }'))

describe.each(['openai-js', 'ai-sdk'])('equal calls of %s', (family) => {
  const populations = brownout.populations.map((population) => ({ ...population, family }))
  const different: Scenario = { ...brownout, populations }
  const alike: Scenario = {
    ...brownout,
    populations: populations.map((population) => ({ ...population, alike: true })),
  }

  it.each([1, 8])(
    'are served as well as different ones, and cost no more attempts: %i of Weir',
    (replicas) => {
      const [ofAlike, ofDifferent] = [alike, different].map((scenario) =>
        score(scenario, playFleet(scenario, POLICY, { replicas, board: true })),
      )
      expect(ofAlike!.onTimeRatio).toBeGreaterThanOrEqual(ofDifferent!.onTimeRatio - 0.03)
      expect(ofAlike!.attemptsPerCall).toBeLessThanOrEqual(ofDifferent!.attemptsPerCall + 0.05)
      expect(ofAlike!.attemptsPerCall).toBeGreaterThanOrEqual(ofDifferent!.attemptsPerCall - 0.05)
      expect(ofAlike!.criticalOnTimeRatio).toBeGreaterThanOrEqual(0.99)
    },
  )
})
