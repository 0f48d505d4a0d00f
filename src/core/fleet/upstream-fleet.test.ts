import { describe, expect, it } from 'vitest'
import { readSummary } from '../../board/summary-format.ts'
import { CONDITIONS } from '../model.ts'
import { packFactor, PHASES, type FleetView, type Peer, type UpstreamSummary } from '../fleet.ts'
import { UpstreamFleet } from './upstream-fleet.ts'

const EMPTY = readSummary(Uint8Array.of(1, 0))!.summary

function peer(replica: string, arrivedAt: number, facts: Partial<UpstreamSummary> = {}): Peer {
  return { replica, arrivedAt, summary: { ...EMPTY, ...facts } }
}

function view(at: number, peers: readonly Peer[], facts: Partial<FleetView> = {}): FleetView {
  return { at, upstream: 0, replica: 'm', linked: true, peers, steward: '', epoch: 1, ...facts }
}

describe('what is known of the others at an upstream', () => {
  it('is nothing after a silence, and they are gone', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(0, [peer('a', 0, { inFlight: 5 })]), 0)
    expect([fleet.standing, fleet.replicas, fleet.inFlight]).toEqual(['joined', 2, 5])
    fleet.learn(view(3_600_000, [peer('a', 0, { inFlight: 5 })]), 0)
    expect([fleet.standing, fleet.replicas, fleet.inFlight]).toEqual(['alone', 1, 0])
  })

  it('counts in full while it is fresh, then less, and nothing at five seconds', () => {
    const fleet = new UpstreamFleet()
    const inFlightAt = (at: number): number => {
      fleet.learn(view(at, [peer('a', 0, { inFlight: 70 }), peer('b', at)]), 0)
      return fleet.inFlight
    }
    expect([0, 1500, 3250, 4999].map((at) => Math.round(inFlightAt(at)))).toEqual([70, 70, 35, 0])
  })

  it('counts what each has learned for as long as it is there', () => {
    const fleet = new UpstreamFleet()
    const words = [peer('a', 0, { learned: 40 }), peer('b', 3000, { learned: 2 }), peer('older', 3000)]
    fleet.learn(view(4000, words), 0)
    expect(fleet.learned).toBe(42)
    fleet.learn(view(5000, words), 0)
    expect(fleet.learned).toBe(2)
    fleet.learn(view(5000, words, { linked: false }), 0)
    fleet.age(10_000)
    expect(fleet.learned).toBe(0)
  })

  it('is new once: a word that is heard again adds nothing', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(0, [peer('a', 0, { scored: 10, failures: 3 })]), 0)
    const second = view(500, [peer('a', 500, { scored: 14, failures: 4.5 })])
    expect(fleet.learn(second, 0)).toMatchObject({ scored: 4, failures: 1.5 })
    expect(fleet.learn({ ...second, at: 600 }, 0)).toMatchObject({ scored: 0, failures: 0 })
  })

  it('does not take what piled up unheard for news', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(0, [peer('a', 0, { scored: 10 }), peer('b', 0)]), 0)
    expect(fleet.learn(view(6000, [peer('a', 6000, { scored: 500 })]), 0).scored).toBe(0)
  })

  it('survives a peer that starts over: counters that fall are no news', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(0, [peer('a', 0, { scored: 100, aborts: 5 })]), 0)
    expect(fleet.learn(view(500, [peer('a', 500, { scored: 2, aborts: 0 })]), 0)).toMatchObject({
      scored: 0,
      aborts: 0,
    })
  })

  it('places this replica among all by name', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(0, [peer('z', 0), peer('a', 0), peer('c', 0)]), 0)
    expect([fleet.index, fleet.replicas]).toEqual([2, 4])
  })

  it('goes on as it was when the board is lost, and forgets what was in flight after five seconds', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(0, [peer('a', 0, { inFlight: 5 })], { steward: 'm' }), 0)
    expect(fleet.isSteward).toBe(true)
    fleet.learn(view(2000, [peer('a', 0, { inFlight: 5 })], { linked: false }), 0)
    expect([fleet.standing, fleet.isSteward, fleet.replicas, fleet.inFlight]).toEqual(['cut', false, 2, 5])
    fleet.age(6999)
    expect(fleet.inFlight).toBe(5)
    fleet.age(7000)
    expect([fleet.inFlight, fleet.replicas]).toEqual([0, 2])
  })

  it('keeps those among its members who fell silent, as long as the board names them', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(9000, [peer('a', 0, { demands: [32] }), peer('b', 9000, { demands: [16] })]), 0)
    expect(fleet.replicas).toBe(2)
    expect(fleet.members).toEqual([
      { replica: 'a', demands: [2], active: [] },
      { replica: 'b', demands: [1], active: [] },
    ])
  })
})

describe("a steward's word", () => {
  const speaks = { epoch: 3, version: 2, total: 12, phase: PHASES.indexOf('ramping'), fraction: 0.5 }

  it('is followed while its epoch is the latest', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(0, [peer('a', 0, speaks)], { steward: 'a', epoch: 3 }), 0)
    expect(fleet.word).toMatchObject({ epoch: 3, version: 2, total: 12, phase: 'ramping', fraction: 0.5 })
    fleet.learn(view(100, [peer('a', 100, { ...speaks, total: 99 })], { steward: 'a', epoch: 2 }), 0)
    expect(fleet.word?.total).toBe(12)
  })

  it('says nothing before it speaks under its own epoch', () => {
    const fleet = new UpstreamFleet()
    fleet.learn(view(0, [peer('a', 0, { ...speaks, epoch: 2 })], { steward: 'a', epoch: 3 }), 0)
    expect(fleet.word).toBeUndefined()
  })

  it('hears what became of calls under its present version, and of no other', () => {
    const fleet = new UpstreamFleet()
    const own = { steward: 'm', epoch: 4 }
    fleet.learn(view(0, [peer('a', 0)], own), 0)
    fleet.version = 7
    const factors = [packFactor(1), packFactor(2)]
    const heard = (at: number, version: number, samples: number, losses: number) =>
      fleet.learn(
        view(at, [peer('a', at, { heardEpoch: 4, heardVersion: version, samples, factors, losses })], own),
        0,
      )
    expect(heard(100, 6, 2, 1)).toMatchObject({ factors: [], losses: 0 })
    const news = heard(200, 7, 2, 1)
    expect(news.losses).toBe(1)
    expect(news.factors.map((factor) => Math.round(factor * 10))).toEqual([10, 20])
    expect(heard(300, 7, 3, 1).factors).toHaveLength(1)
  })
})

const floor = (peers: readonly Peer[], ownRate = 10): string | undefined => {
  const fleet = new UpstreamFleet()
  fleet.learn(view(0, peers), ownRate)
  return fleet.floor
}

describe('the condition that others conclude', () => {
  const DEGRADED = CONDITIONS.indexOf('degraded')
  it('needs two of them, or one with a third of the traffic', () => {
    const small = { condition: DEGRADED, rate: 1 }
    expect(floor([peer('a', 0, small)])).toBeUndefined()
    expect(floor([peer('a', 0, small), peer('b', 0, small)])).toBe('degraded')
    expect(floor([peer('a', 0, { condition: DEGRADED, rate: 5 })])).toBe('degraded')
  })

  it('is the mildest on which they agree', () => {
    const drifting = CONDITIONS.indexOf('drifting')
    expect(
      floor([peer('a', 0, { condition: DEGRADED, rate: 5 }), peer('b', 0, { condition: drifting, rate: 5 })]),
    ).toBe('drifting')
  })
})
