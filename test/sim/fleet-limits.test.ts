/** The operator's own limits, held by several replicas together; in virtual time. */
import { describe, expect, it } from 'vitest'
import { JoinedCores } from '../kit/sim/joined-cores.ts'

function limiting(limit: string, then = ''): string {
  return `version: 1\nrules: [{ name: cap, mode: enforce, then: { ${then}limits: [{ ${limit} }] } }]`
}

const RATE = limiting('per: agent, rate: 20/s')
const EVERYBODY = Array.from({ length: 8 }, (_, index) => index)

/** Asks for `perSecond` calls of one agent at each replica, in turn. */
function askedEverywhere(fleet: JoinedCores, perSecond: number, until: number, agent = 'shared'): void {
  fleet.every(perSecond * fleet.cores.length, until, (turn) =>
    fleet.call(turn % fleet.cores.length, { agent }),
  )
}

describe('a rate for each agent', () => {
  it('holds for all replicas together, soon after they hear of each other', () => {
    const fleet = new JoinedCores(RATE, 4)
    fleet.run(3000)
    askedEverywhere(fleet, 30, 23_000)
    fleet.run(25_000)
    expect(fleet.passedIn(5000, 23_000) / 18).toBeLessThanOrEqual(20 * 1.05)
    expect(fleet.passedIn(5000, 23_000) / 18).toBeGreaterThanOrEqual(20 * 0.9)
    // Until then each has all of it, once: its burst and a second of its rate.
    expect(fleet.passedIn(3000, 5000)).toBeLessThanOrEqual(4 * 2 * 20)
  })

  it('goes where the calls are', () => {
    const fleet = new JoinedCores(RATE, 4)
    fleet.every(30, 30_000, () => fleet.call(0, { agent: 'shared' }))
    fleet.every(2, 30_000, () => fleet.call(1, { agent: 'shared' }))
    fleet.run(30_000)
    const share = fleet.passedIn(10_000, 30_000, ({ replica }) => replica === 0) / 20
    expect(share).toBeGreaterThan(13)
    expect(fleet.passedIn(10_000, 30_000, ({ replica }) => replica === 1) / 20).toBeGreaterThan(1.5)
    expect(fleet.passedIn(10_000, 30_000) / 20).toBeLessThanOrEqual(21)
  })

  it('is whole for an agent that one replica alone sees', () => {
    const fleet = new JoinedCores(RATE, 8)
    for (const replica of EVERYBODY) {
      fleet.every(40, 20_000, () => fleet.call(replica, { agent: `agent-${replica}` }))
    }
    fleet.run(20_000)
    for (const replica of EVERYBODY) {
      const rate = fleet.passedIn(5000, 20_000, (one) => one.replica === replica) / 15
      expect(rate).toBeGreaterThan(19)
      expect(rate).toBeLessThanOrEqual(21)
    }
  })

  it('is whole again for the one that is left', () => {
    const fleet = new JoinedCores(RATE, 2)
    fleet.every(30, 20_000, () => fleet.call(0, { agent: 'shared' }))
    fleet.every(30, 8000, () => fleet.call(1, { agent: 'shared' }))
    fleet.run(20_000)
    expect(fleet.passedIn(4000, 8000) / 4).toBeLessThanOrEqual(21)
    // Its demand is felt over two seconds, and told within another.
    expect(fleet.passedIn(16_000, 20_000) / 4).toBeGreaterThan(18)
  })

  it('counts each replica for itself where the policy says so', () => {
    const fleet = new JoinedCores(limiting('per: agent, scope: replica, rate: 20/s'), 4)
    askedEverywhere(fleet, 30, 10_000)
    fleet.run(10_000)
    expect(fleet.passedIn(5000, 10_000) / 5).toBeGreaterThan(75)
  })

  it('slower than once a second holds as well', () => {
    const fleet = new JoinedCores(limiting('per: agent, rate: 12/min, burst: 2'), 3)
    askedEverywhere(fleet, 1, 120_000)
    fleet.run(120_000)
    expect(fleet.passedIn(30_000, 120_000)).toBeLessThanOrEqual(18 * 1.15)
    expect(fleet.passedIn(30_000, 120_000)).toBeGreaterThanOrEqual(18 * 0.7)
  })
})

describe('without the board a rate', () => {
  it('is never multiplied: parts as they were, then equal ones, and no burst when it is back', () => {
    const cuts = [{ from: 10_000, until: 80_000, replicas: EVERYBODY }]
    const fleet = new JoinedCores(RATE, 8, { cuts })
    askedEverywhere(fleet, 10, 100_000)
    fleet.run(100_000)
    for (let from = 5000; from < 98_000; from += 2000) {
      expect(fleet.passedIn(from, from + 2000) / 2).toBeLessThanOrEqual(20 * 1.15)
    }
    expect(fleet.passedIn(50_000, 80_000) / 30).toBeGreaterThan(17)
  })

  it('stays whole for an agent with a replica of its own, however long', () => {
    const cuts = [{ from: 10_000, until: 100_000, replicas: EVERYBODY }]
    const fleet = new JoinedCores(RATE, 8, { cuts })
    for (const replica of EVERYBODY) {
      fleet.every(15, 100_000, () => fleet.call(replica, { agent: `agent-${replica}` }))
    }
    fleet.run(100_000)
    expect(fleet.refused).toEqual([])
  })

  it('is divided for an agent that is new since, as it was for those before', () => {
    const cuts = [{ from: 10_000, until: 100_000, replicas: EVERYBODY.slice(0, 4) }]
    const fleet = new JoinedCores(RATE, 4, { cuts })
    askedEverywhere(fleet, 10, 60_000)
    fleet.run(60_000)
    askedEverywhere(fleet, 30, 80_000, 'newcomer')
    fleet.run(80_000)
    const rate = fleet.passedIn(62_000, 80_000, ({ agent }) => agent === 'newcomer') / 18
    expect(rate).toBeLessThanOrEqual(20 * 1.1)
  })
})

describe('places at once', () => {
  it('are those of all replicas together, and go round when they are too few to divide', () => {
    const fleet = new JoinedCores(
      limiting('per: upstream, concurrency: 3', 'do: hold, hold: { max: 30s }, '),
      5,
    )
    fleet.every(2, 60_000, () => {
      for (const replica of EVERYBODY.slice(0, 5))
        fleet.call(replica, { agent: `a${replica}`, patienceMs: 60_000 }, 800)
    })
    fleet.run(12_000)
    fleet.most = 0
    fleet.run(60_000)
    // Whose turn it is waits for the calls of whose turn it was, as far as those were told.
    expect(fleet.most).toBeLessThanOrEqual(5)
    for (const replica of EVERYBODY.slice(0, 5)) {
      expect(fleet.passedIn(15_000, 60_000, (one) => one.replica === replica)).toBeGreaterThan(15)
    }
    const rate = fleet.passedIn(15_000, 60_000) / 45
    expect(rate).toBeLessThanOrEqual((3 / 0.8) * 1.1)
    expect(rate).toBeGreaterThan((3 / 0.8) * 0.6)
  })

  it('leave nobody without one when the board is gone', () => {
    const cuts = [{ from: 20_000, until: 100_000, replicas: EVERYBODY.slice(0, 3) }]
    const fleet = new JoinedCores(limiting('per: upstream, concurrency: 2'), 3, { cuts })
    fleet.every(20, 60_000, () => {
      for (const replica of [0, 1, 2]) fleet.call(replica, { agent: `a${replica}` }, 200)
    })
    fleet.run(60_000)
    for (const replica of [0, 1, 2]) {
      expect(fleet.passedIn(25_000, 60_000, (one) => one.replica === replica)).toBeGreaterThan(50)
    }
  })
})
