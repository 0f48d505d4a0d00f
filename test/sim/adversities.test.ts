/** Whatever an upstream does, held calls flow again, the books add up, and nobody waits for ever. */
import { describe, expect, it } from 'vitest'
import { play } from '../kit/sim/scenario.ts'
import { score } from '../kit/sim/score.ts'
import { ADVERSITIES } from './adversities.ts'
import { simPolicy } from './sim-policy.ts'

describe.each(ADVERSITIES.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
  const run = play(scenario, simPolicy(scenario))
  const result = score(scenario, run, play(scenario, undefined))

  it('loses no call: each ends, and every arrival has one outcome', () => {
    expect(run.calls.filter((call) => call.endedAt === Infinity)).toEqual([])
    const end = run.end
    if (end === undefined) throw new Error('played without Weir')
    expect(end.open).toBe(0)
    for (const { arrivals, outcomes, held, inFlight, heldBytes } of end.upstreams) {
      expect(Object.values(outcomes).reduce((sum, count) => sum + count, 0)).toBe(arrivals)
      expect({ held, inFlight, heldBytes }).toEqual({ held: 0, inFlight: 0, heldBytes: 0 })
    }
  })

  it('serves what arrives after the trouble as if nothing had been', () => {
    const { until } = scenario.trouble
    const late = run.calls.filter(
      (call) => call.bornAt > until + 20_000 && call.bornAt < scenario.durationMs - 1000,
    )
    const good = late.filter((call) => call.ok && call.endedAt - call.bornAt <= call.population.deadlineMs)
    expect(late.length).toBeGreaterThan(1000)
    expect(good.length / late.length).toBeGreaterThan(0.95)
  })

  it('never shuts the gate again once the upstream is well', () => {
    const again = run.events.filter(
      (event) => event.name === 'probe-started' && event.at > scenario.trouble.until + 5000,
    )
    expect(again).toEqual([])
  })

  it('sends next to nothing twice, and nothing in herds', () => {
    expect(result.attemptsPerCall).toBeLessThanOrEqual(1.05)
    expect(result.releasePeakRatio).toBeLessThanOrEqual(Math.max(1.5, result.releasePeakBound))
    expect(result.falseActions).toBe(0)
  })
})
