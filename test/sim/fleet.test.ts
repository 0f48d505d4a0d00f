/**
 * Eight sidecars with one agent each and a board between them, against one gateway that sees everything, and against
 * eight that do not know of each other; in virtual time.
 */
import { describe, expect, it } from 'vitest'
import { playFleet, type FleetRun } from '../kit/sim/fleet.ts'
import { play } from '../kit/sim/scenario.ts'
import { score } from '../kit/sim/score.ts'
import { brownout, dead, failing, FLEET_SCENARIOS, shrunk } from './fleet-scenarios.ts'
import { simPolicy } from './sim-policy.ts'

/** Mean of the calls at the upstream over mean of the limit, while one is in force. */
function overLimit({ limits }: FleetRun, from = 0, until = Infinity): number {
  const limited = limits.filter(({ at, limit }) => limit !== Infinity && at >= from && at < until)
  const sum = (of: (row: FleetRun['limits'][number]) => number): number =>
    limited.reduce((total, row) => total + of(row), 0)
  return limited.length === 0 ? 0 : sum(({ inFlight }) => inFlight) / sum(({ limit }) => limit)
}

function settled(run: FleetRun): void {
  for (const weir of run.weirs) {
    const reading = weir.core.read(1e9)
    expect(reading.open).toBe(0)
    for (const { inFlight, held } of reading.upstreams) expect([inFlight, held]).toEqual([0, 0])
  }
}

describe.each(FLEET_SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
  const policy = simPolicy(scenario)
  const one = score(scenario, play(scenario, policy))
  const run = playFleet(scenario, policy, { replicas: 8, board: true })
  const fleet = score(scenario, run)

  it('costs the upstream as few attempts as one gateway would', () => {
    expect(fleet.attemptsPerCall).toBeLessThanOrEqual(1.1 * one.attemptsPerCall)
  })

  it('serves critical calls first, wherever they are', () => {
    expect(fleet.criticalOnTimeRatio).toBeGreaterThanOrEqual(one.criticalOnTimeRatio - 0.06)
  })

  it('keeps within the limit that was found', () => {
    expect(overLimit(run)).toBeLessThanOrEqual(1.1)
  })

  it('touches nothing before there is trouble, and leaves nothing behind', () => {
    expect(fleet.falseActions).toBe(0)
    settled(run)
  })
})

describe('a fleet', () => {
  it('knows everywhere of a storm that nobody sees alone', () => {
    const scenario = { ...dead, seed: 1 }
    const alone = playFleet(scenario, simPolicy(scenario), { replicas: 8, board: false })
    expect(alone.events.filter(({ name }) => name === 'storm-started')).toEqual([])
    const joined = playFleet(scenario, simPolicy(scenario), { replicas: 8, board: true })
    for (const events of joined.eventsByReplica) {
      expect(events.some(({ name }) => name === 'storm-started')).toBe(true)
    }
  })

  it('probes by one of its replicas at a time', () => {
    const run = playFleet(dead, simPolicy(dead), { replicas: 8, board: true })
    const failed = run.events.filter(
      ({ name, at }) => name === 'probe-failed' && at > dead.trouble.from + 2000,
    )
    const seconds = (dead.trouble.until - dead.trouble.from - 2000) / 1000
    expect(failed.length).toBeLessThanOrEqual(2 * seconds)
  })

  it('bears delay and loss on the way to the board', () => {
    for (const scenario of [brownout, shrunk]) {
      const run = playFleet(scenario, simPolicy(scenario), {
        replicas: 8,
        board: true,
        delayMs: 50,
        loss: 0.2,
      })
      expect(score(scenario, run).attemptsPerCall).toBeLessThanOrEqual(1.1)
      expect(overLimit(run)).toBeLessThanOrEqual(1.1)
    }
  })

  it('keeps within one and a half limits while half of it is cut off, and within the limit five seconds after', () => {
    const { from, until } = brownout.trouble
    const cut = { from: from + 8000, until: until - 8000, replicas: [0, 1, 2, 3] }
    const run = playFleet(brownout, simPolicy(brownout), { replicas: 8, board: true, cuts: [cut] })
    // The limit is still being found when the cut comes: what a whole fleet finds meanwhile is what the upstream bears.
    const whole = playFleet(brownout, simPolicy(brownout), { replicas: 8, board: true })
    const found = overLimitOf(whole, cut.from, cut.until)
    expect(inFlightOf(run, cut.from, cut.until)).toBeLessThanOrEqual(1.5 * found.limit)
    expect(overLimit(run, cut.until + 5000, until)).toBeLessThanOrEqual(1.1)
    settled(run)
  })

  it('comes back without a burst when the board was gone for everybody', () => {
    const { from, until } = shrunk.trouble
    const everybody = Array.from({ length: 8 }, (_, index) => index)
    const cut = { from: from + 6000, until: until - 6000, replicas: everybody }
    const run = playFleet(shrunk, simPolicy(shrunk), { replicas: 8, board: true, cuts: [cut] })
    const before = overLimitOf(run, from + 3000, cut.from)
    expect(inFlightOf(run, cut.until, cut.until + 3000)).toBeLessThanOrEqual(1.5 * before.limit)
    settled(run)
  })

  it('counts an agent whose calls go through every replica once', () => {
    const scenario = { ...failing, populations: failing.populations.slice(0, 1) }
    const run = playFleet(scenario, simPolicy(scenario), { replicas: 8, board: true, balanced: true })
    expect(run.events.filter(({ name }) => name === 'storm-started')).toEqual([])
  })

  it('tells the same story every time', () => {
    const options = { replicas: 8, board: true, loss: 0.1 }
    const [one, two] = [1, 2].map(() => playFleet(shrunk, simPolicy(shrunk), options).events)
    expect(one).toEqual(two)
  })

  it('costs each replica about the same board traffic, however many there are', () => {
    const perReplica = [8, 24].map((replicas) => {
      const scenario = { ...calm, durationMs: 20_000 }
      const run = playFleet(scenario, simPolicy(scenario), { replicas, board: true })
      return run.exchanges / replicas
    })
    expect(perReplica[1]! / perReplica[0]!).toBeLessThan(1.2)
  })
})

const calm = { ...brownout, upstreams: { api: { ...brownout.upstreams['api']!, phases: [] } } }

function inFlightOf({ limits }: FleetRun, from: number, until: number): number {
  const rows = limits.filter(({ at }) => at >= from && at < until)
  return rows.reduce((sum, { inFlight }) => sum + inFlight, 0) / Math.max(1, rows.length)
}

function overLimitOf({ limits }: FleetRun, from: number, until: number): { limit: number } {
  const rows = limits.filter(({ at, limit }) => at >= from && at < until && limit !== Infinity)
  return { limit: rows.reduce((sum, { limit }) => sum + limit, 0) / Math.max(1, rows.length) }
}
