/** Fairness among agents behind sidecars of their own, against the lines of one gateway; in virtual time. */
import { describe, expect, it } from 'vitest'
import { playFleet } from '../kit/sim/fleet.ts'
import { play, type Run, type Scenario } from '../kit/sim/scenario.ts'
import { rogue } from './fleet-scenarios.ts'
import { simPolicy } from './sim-policy.ts'

/** Of the calls that an agent of this kind made in the trouble, those that were answered in time, within `ms` if given. */
function served({ trouble }: Scenario, run: Run, name: string, ms = Infinity): number {
  const calls = run.calls.filter(
    ({ population, bornAt }) => population.name === name && bornAt >= trouble.from && bornAt < trouble.until,
  )
  const inTime = calls.filter(
    ({ ok, endedAt, bornAt, population }) => ok && endedAt - bornAt <= Math.min(ms, population.deadlineMs),
  )
  return inTime.length / calls.length
}

const SEEDS = [36, 37, 38, 39, 40, 41]

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

describe('a rogue behind a sidecar', () => {
  it('takes no more from the polite than it would in one gateway', () => {
    const rows = SEEDS.map((seed) => {
      const worn = { ...rogue, seed }
      const one = play(worn, simPolicy(worn))
      const fleet = playFleet(worn, simPolicy(worn), { replicas: 8, board: true })
      const more = (name: string): number => served(worn, fleet, name) - served(worn, one, name)
      return { polite: more('polite'), rogue: more('rogue') }
    })
    // One run or the other finds the higher limit; over the seeds nobody is the worse for the sidecars.
    expect(mean(rows.map(({ polite }) => polite))).toBeGreaterThanOrEqual(0)
    expect(Math.min(...rows.map(({ polite }) => polite))).toBeGreaterThanOrEqual(-0.05)
    expect(mean(rows.map(({ rogue: extra }) => extra))).toBeLessThanOrEqual(0.02)
  })

  it.each(SEEDS.slice(0, 3))('waits by itself where there is enough for all the others, seed %i', (seed) => {
    const [api] = Object.values(rogue.upstreams)
    const phases = api!.phases.map((phase) => ({ ...phase, slow: 2.5 }))
    const enough = { ...rogue, seed, upstreams: { api: { ...api!, phases } } }
    const run = playFleet(enough, simPolicy(enough), { replicas: 8, board: true })
    expect(served(enough, run, 'polite', 5000)).toBeGreaterThanOrEqual(0.97)
  })
})
