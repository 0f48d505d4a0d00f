import { describe, expect, it } from 'vitest'
import { rootOf } from './storm-root.ts'
import { StormDetector } from './storm.ts'

const thresholds = { windowMs: 5000, agents: 3, agentShare: 0.2, retryShare: 0.25, z: 5, clearMs: 10_000 }
const make = (): StormDetector[] => [0, 1, 2].map(() => new StormDetector(thresholds, 100, 0))

function storm(detector: StormDetector | undefined, agents: readonly number[], at: number): void {
  for (const agent of agents) {
    for (const offset of [0, 300]) {
      detector?.attempt(agent, at + offset)
      detector?.retry(agent, 1, at + offset)
    }
  }
  detector?.tick(at + 400)
}

const AGENTS = [1, 2, 3, 4, 5, 6]

describe('root of a cascade', () => {
  it('is the upstream whose storm began first among those that the same agents make', () => {
    const storms = make()
    storm(storms[2], AGENTS, 1000)
    storm(storms[0], AGENTS, 6000)
    expect(rootOf(storms, 0, 7000)).toBe(2)
    expect(rootOf(storms, 2, 7000)).toBe(2)
    expect(rootOf(storms, 1, 7000)).toBe(-1)
  })

  it('is nobody when a storm is alone', () => {
    const storms = make()
    storm(storms[0], AGENTS, 1000)
    expect(rootOf(storms, 0, 2000)).toBe(-1)
  })

  it('is nobody when other agents make the other storm', () => {
    const storms = make()
    storm(storms[0], AGENTS, 1000)
    storm(storms[1], [11, 12, 13, 14], 3000)
    expect(rootOf(storms, 1, 4000)).toBe(-1)
  })

  it('is nobody when the other storm began more than 30 s away', () => {
    const storms = make()
    storm(storms[0], AGENTS, 1000)
    storm(storms[1], AGENTS, 33_000)
    expect(rootOf(storms, 1, 34_000)).toBe(-1)
  })

  it('is still named when its own storm is over by then', () => {
    const storms = make()
    storm(storms[0], AGENTS, 1000)
    for (let at = 2000; at < 20_000; at += 250) storms[0]?.tick(at)
    expect(storms[0]?.state).toBe('calm')
    storm(storms[1], AGENTS, 20_000)
    expect(rootOf(storms, 1, 21_000)).toBe(0)
  })
})
