import { describe, expect, it } from 'vitest'
import { policyOf } from '../../test/kit/policy.ts'
import { createCoordinator } from '../core/coordinator.ts'
import type { CallersPeer, CallersView, FleetView, UpstreamSummary } from '../core/fleet.ts'
import { HeardReader, HeardWriter } from './heard-words.ts'

const SUMMARY = createCoordinator({
  policy: policyOf('version: 1\nrules: []\n'),
  upstreams: ['api'],
  seed: 1,
}).summary(0, 1000)

function callers(at: number, peers: readonly CallersPeer[]): CallersView {
  return { at, replica: 'own', linked: true, peers, steward: 'b' }
}

function peer(replica: string, arrivedAt: number, calls: number, round = 1): CallersPeer {
  return {
    replica,
    arrivedAt,
    summary: { workflows: [11, calls, 0, 1, 12, 5, 0, 1], demands: [7, 3, 0], round },
  }
}

function fleet(upstream: number, at: number, said: Partial<UpstreamSummary>): FleetView {
  const peers = [{ replica: 'b', arrivedAt: at, summary: { ...SUMMARY, ...said } }]
  return { at, upstream, replica: 'own', linked: true, peers, steward: '', epoch: 0 }
}

const VIEWS = [
  callers(1, [peer('b', 0.5, 1), peer('c', 0.6, 1)]),
  callers(2, [peer('b', 1.5, 2), peer('c', 0.6, 1)]),
  callers(3, [peer('c', 2.5, 3, 2), peer('b', 1.5, 2)]),
  callers(4, [peer('b', 3.5, 3)]),
  callers(5, [
    { replica: 'b', arrivedAt: 4.5, summary: { workflows: [], demands: [9, 1, 0, 7, 3, 1], round: 1 } },
  ]),
  callers(6, [{ ...peer('b', 5.5, 4) }, peer('c', 5.6, 9)]),
]

describe('what other replicas said', () => {
  it('is read as it was heard', () => {
    const writer = new HeardWriter({ hidesNames: false })
    const reader = new HeardReader()
    for (const view of VIEWS) expect(reader.callers(writer.callers(view))).toEqual(view)
  })

  it('is written as what changed, and of who said nothing new as the name', () => {
    const writer = new HeardWriter({ hidesNames: false })
    writer.callers(VIEWS[0]!)
    expect(JSON.parse(writer.callers(VIEWS[1]!))).toMatchObject({
      peers: [{ replica: 'b', arrivedAt: 1.5, changed: { workflows: { 1: 2 } } }, { replica: 'c' }],
    })
  })

  it('is told apart by upstream', () => {
    const writer = new HeardWriter({ hidesNames: false })
    const reader = new HeardReader()
    for (const told of [
      fleet(0, 1, { inFlight: 1 }),
      fleet(1, 1, { inFlight: 2 }),
      fleet(0, 2, { inFlight: 3 }),
      fleet(1, 3, {}),
    ])
      expect(reader.fleet(writer.fleet(told))).toEqual(told)
  })

  it('is read of journals of before there was a word of what was learned', () => {
    const told = fleet(0, 1, { inFlight: 1 })
    const line = new HeardWriter({ hidesNames: false }).fleet(told).replace('"learned":0,', '')
    expect(line).not.toContain('learned')
    expect(new HeardReader().fleet(line)).toEqual(told)
  })

  it('leaves out a replica whose former word is missing until all of it is told again', () => {
    const writer = new HeardWriter({ hidesNames: false })
    const reader = new HeardReader()
    writer.callers(VIEWS[0]!)
    expect(reader.callers(writer.callers(VIEWS[1]!)).peers).toEqual([])
    for (let line = 2; line < 64; line++) writer.callers(VIEWS[1]!)
    expect(reader.callers(writer.callers(VIEWS[1]!))).toEqual(VIEWS[1])
  })

  it('holds no hash of a name where names are hidden', () => {
    const writer = new HeardWriter({ hidesNames: true })
    const reader = new HeardReader()
    expect(reader.callers(writer.callers(VIEWS[0]!)).peers[0]?.summary).toEqual({
      workflows: [],
      demands: [],
      round: 1,
    })
    const told = fleet(0, 1, { heaviest: 9, retrying: [9], active: [9] })
    expect(reader.fleet(writer.fleet(told)).peers[0]?.summary).toEqual(SUMMARY)
  })
})
