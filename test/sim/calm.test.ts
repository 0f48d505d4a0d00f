/** Nothing is wrong: bursts, heavy tails, idle stretches and a slow rise of demand must be left alone. */
import { describe, expect, it } from 'vitest'
import type { Population } from '../kit/sim/agent-model.ts'
import { play, type Scenario } from '../kit/sim/scenario.ts'
import type { Phase } from '../kit/sim/upstream-model.ts'
import { simPolicy } from './sim-policy.ts'

const SEEDS = [1, 2, 3, 4, 5]

const USUAL: Population = {
  name: 'usual',
  agents: 40,
  upstream: 0,
  perSecond: 1,
  priority: 'normal',
  timeoutMs: 60_000,
  deadlineMs: 60_000,
  family: 'openai-js',
  bytes: 2000,
}

interface Calm {
  readonly sigma: number
  readonly servers: number
  readonly phases?: readonly Phase[]
  readonly populations: readonly Population[]
}

function calm(seed: number, { sigma, servers, phases = [], populations }: Calm): Scenario {
  return {
    name: 'calm',
    seed,
    durationMs: 240_000,
    upstreams: { api: { servers, serviceMs: 300, sigma, queue: 1000, phases } },
    populations,
    trouble: { from: 240_000, until: 240_000, upstream: 0 },
  }
}

const burst = (from: number, agents: number): Population => ({
  ...USUAL,
  name: `burst-${from}`,
  agents,
  from,
  until: from + 5000,
})

describe.each([
  ['an even load', { sigma: 0.3, servers: 40, populations: [USUAL] }],
  [
    'a heavy tail, a slow call of ten times the median every other second',
    { sigma: 1, servers: 100, populations: [USUAL] },
  ],
  [
    'bursts of three times the load that the upstream bears',
    { sigma: 0.3, servers: 80, populations: [USUAL, burst(90_000, 80), burst(150_000, 80)] },
  ],
  [
    'a swarm of 200 agents that starts in one second',
    {
      sigma: 0.5,
      servers: 200,
      populations: [USUAL, { ...USUAL, name: 'swarm', agents: 200, from: 120_000 }],
    },
  ],
  [
    'an idle stretch, and work again',
    {
      sigma: 0.3,
      servers: 40,
      populations: [
        { ...USUAL, until: 80_000 },
        { ...USUAL, name: 'later', from: 160_000 },
      ],
    },
  ],
  ['a handful of agents', { sigma: 0.5, servers: 10, populations: [{ ...USUAL, agents: 3 }] }],
  [
    'one error in a hundred',
    {
      sigma: 0.3,
      servers: 40,
      phases: [{ from: 0, until: 240_000, errorRatio: 0.01 }],
      populations: [USUAL],
    },
  ],
] as const)('%s', (_, setting) => {
  it.each(SEEDS)('is left alone, seed %i', (seed) => {
    const scenario = calm(seed, setting)
    const { acts } = play(scenario, simPolicy(scenario))
    expect(acts.filter((act) => act.at < scenario.durationMs)).toEqual([])
  })
})
