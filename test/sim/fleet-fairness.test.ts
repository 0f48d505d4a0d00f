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

describe.each([36, 37, 38].map((seed) => ({ seed })))('a rogue behind a sidecar, seed $seed', ({ seed }) => {
  const worn = { ...rogue, seed }
  const one = play(worn, simPolicy(worn))
  const fleet = playFleet(worn, simPolicy(worn), { replicas: 8, board: true })

  it('takes no more from the polite than it would in one gateway', () => {
    expect(served(worn, fleet, 'polite')).toBeGreaterThanOrEqual(served(worn, one, 'polite') - 0.04)
    expect(served(worn, fleet, 'rogue')).toBeLessThanOrEqual(served(worn, one, 'rogue') + 0.06)
  })

  it('waits by itself where there is enough for all the others', () => {
    const [api] = Object.values(rogue.upstreams)
    const phases = api!.phases.map((phase) => ({ ...phase, slow: 2.5 }))
    const enough = { ...worn, upstreams: { api: { ...api!, phases } } }
    const run = playFleet(enough, simPolicy(enough), { replicas: 8, board: true })
    expect(served(enough, run, 'polite', 5000)).toBeGreaterThanOrEqual(0.97)
  })
})
