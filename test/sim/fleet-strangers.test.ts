/**
 * Eight sidecars that meet an upstream together: none has calls enough to know it by, all together have. In virtual time,
 * against one gateway that sees everything.
 */
import { describe, expect, it } from 'vitest'
import { holdPolicy, policyOf } from '../kit/policy.ts'
import { playFleet, type FleetOptions, type FleetRun } from '../kit/sim/fleet.ts'
import type { Scenario } from '../kit/sim/scenario.ts'
import { score } from '../kit/sim/score.ts'
import { strangers } from './fleet-scenarios.ts'

const POLICY = policyOf(holdPolicy('{ drift: { warmUp: 5s } }'))
const SERVERS = 20
const FLEET: FleetOptions = { replicas: 8, board: true }
const GATEWAY: FleetOptions = { replicas: 1, board: true }

/** Calls at the upstream in the trouble, over the servers that it has. */
function overServers({ limits }: FleetRun, { trouble }: Scenario): { mean: number; peak: number } {
  const loads = limits
    .filter(({ at }) => at >= trouble.from && at < trouble.until)
    .map(({ inFlight }) => inFlight / SERVERS)
  return { mean: loads.reduce((sum, load) => sum + load, 0) / loads.length, peak: Math.max(...loads) }
}

/** From the beginning of the trouble until the last replica knew of it, in ms. */
function knownAfter({ eventsByReplica }: FleetRun, { trouble }: Scenario): number {
  const told = eventsByReplica.map(
    (events) =>
      events.find(({ name, at }) => name === 'condition-changed' && at >= trouble.from)?.at ?? Infinity,
  )
  return Math.max(...told) - trouble.from
}

describe.each([31, 1, 2, 3].map((seed) => ({ seed })))('sidecars known for 14 s, seed $seed', ({ seed }) => {
  const scenario = { ...strangers, seed }
  const fleet = playFleet(scenario, POLICY, FLEET)
  const gateway = playFleet(scenario, POLICY, GATEWAY)

  it('notice that an upstream slows down within two and a half seconds, the last of them', () => {
    expect(knownAfter(gateway, scenario)).toBeLessThan(1500)
    expect(knownAfter(fleet, scenario)).toBeLessThan(2500)
  })

  it('send it no crowd: a few times what it bears, where each for itself sends twenty times as much', () => {
    const alone = playFleet(scenario, POLICY, { ...FLEET, board: false })
    expect(overServers(alone, scenario).peak).toBeGreaterThan(15)
    expect(overServers(fleet, scenario).peak).toBeLessThan(6)
    expect(overServers(fleet, scenario).mean).toBeLessThan(overServers(gateway, scenario).mean + 2)
  })

  it('serve critical calls as one gateway does, and make no more attempts', () => {
    const [all, one] = [score(scenario, fleet), score(scenario, gateway)]
    expect(all.criticalOnTimeRatio).toBeGreaterThanOrEqual(one.criticalOnTimeRatio - 0.01)
    expect(all.attemptsPerCall).toBeLessThanOrEqual(1.05 * one.attemptsPerCall)
    expect(all.falseActions).toBe(0)
  })
})

describe('an upstream that is well, and known by a few calls of each', () => {
  const [api] = Object.values(strangers.upstreams)
  const calm = { from: 120_000, until: 120_000, upstream: 0 }

  it.each([1, 2, 3, 4, 5, 6])('is left alone, seed %i', (seed) => {
    const scenario: Scenario = {
      ...strangers,
      seed,
      durationMs: calm.until,
      trouble: calm,
      upstreams: { api: { ...api!, servers: 40, sigma: 0.5, phases: [] } },
      populations: strangers.populations.map((population) => ({ ...population, perSecond: 2 })),
    }
    const { acts } = playFleet(scenario, POLICY, FLEET)
    expect(acts.filter(({ at }) => at < calm.until)).toEqual([])
  })
})
