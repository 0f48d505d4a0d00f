/** Workflows whose calls pass through several replicas; in virtual time. */
import { describe, expect, it } from 'vitest'
import type { WorkflowCondition } from '../../src/core/model.ts'
import { JoinedCores } from '../kit/sim/joined-cores.ts'

const QUIET = 'version: 1\nrules: []'

function capped(caps: string): string {
  return `version: 1\nrules: [{ name: caps, mode: enforce, then: { fanOut: { ${caps} } } }]`
}

function seenAs(fleet: JoinedCores, replica: number, workflow = 'run'): WorkflowCondition | undefined {
  const rows = fleet.cores[replica]!.workflows(fleet.world.now, 500)
  return rows.find((row) => row.workflow === workflow)?.condition
}

/** One call of the workflow at each replica in turn, each of another size: no circle. */
function inTurn(fleet: JoinedCores, perSecond: number, until: number, lastsMs = 50, workflow = 'run'): void {
  fleet.every(perSecond, until, (turn) =>
    fleet.call(
      turn % fleet.cores.length,
      { workflow, agent: `a${turn % 7}`, bytes: 1000 + 40 * turn },
      lastsMs,
    ),
  )
}

describe('a workflow through several replicas', () => {
  it('is over its budget at each of them when it is over it in all', () => {
    const fleet = new JoinedCores(QUIET, 4)
    inTurn(fleet, 50, 13_000)
    fleet.run(14_000)
    for (const replica of [0, 1, 2, 3]) {
      const [row] = fleet.cores[replica]!.workflows(14_000, 1)
      expect(row?.calls).toBeLessThan(200)
      expect(seenAs(fleet, replica)).toBe('over-budget')
    }
  })

  it('is stopped at the cap of the policy, within what is called between two words', () => {
    const fleet = new JoinedCores(capped('calls: 100'), 4)
    inTurn(fleet, 10, 40_000)
    fleet.run(40_000)
    expect(fleet.passed.length).toBeGreaterThanOrEqual(100)
    expect(fleet.passed.length).toBeLessThanOrEqual(110)
  })

  it('is wide where one replica alone would find it ordinary', () => {
    const fleet = new JoinedCores(QUIET, 5)
    fleet.run(2000)
    for (let turn = 0; turn < 15; turn++) {
      fleet.call(turn % 5, { workflow: 'run', agent: `a${turn}`, bytes: 1000 + 40 * turn }, 20_000)
    }
    fleet.run(4000)
    for (const replica of [0, 1, 2, 3, 4]) expect(seenAs(fleet, replica)).toBe('wide')
    fleet.run(30_000)
    for (const replica of [0, 1, 2, 3, 4]) expect(seenAs(fleet, replica)).toBe('ordinary')
  })

  it('has no more calls at once than the policy says, wherever they are', () => {
    const fleet = new JoinedCores(capped('width: 6'), 3)
    inTurn(fleet, 30, 40_000, 2000)
    fleet.run(8000)
    fleet.most = 0
    fleet.run(40_000)
    expect(fleet.most).toBeLessThanOrEqual(7)
    expect(fleet.passedIn(10_000, 38_000) / 28).toBeGreaterThan(2)
  })

  it('is as deep as the deepest that anybody saw', () => {
    const fleet = new JoinedCores(capped('depth: 2'), 2)
    fleet.run(1000)
    fleet.call(1, { workflow: 'run', agent: 'root' })
    for (const [agent, parent] of [
      ['one', 'root'],
      ['two', 'one'],
      ['three', 'two'],
    ] as const) {
      fleet.call(0, { workflow: 'run', agent, parent })
    }
    fleet.run(4000)
    expect(fleet.call(1, { workflow: 'run', agent: 'root' })).toMatchObject({
      do: 'shed',
      reason: 'fan-out',
    })
  })

  it.each([1, 2, 3, 4])('shows its circle of %i steps to every replica that it passes', (period) => {
    for (const replicas of [2, 3, 4]) {
      const fleet = new JoinedCores(QUIET, replicas)
      let at = 0
      for (let turn = 0; turn < 26 * replicas; turn++) {
        const step = turn % period
        fleet.world.at((at += 700 + ((turn * 397) % 1100)), () => {
          const route = `/v1/step-${step}`
          fleet.call(turn % replicas, { workflow: 'run', route, path: route, bytes: 900 + 300 * step })
        })
      }
      fleet.run(at + 1000)
      for (let replica = 0; replica < replicas; replica++) {
        expect([replicas, replica, seenAs(fleet, replica)]).toEqual([replicas, replica, 'looping'])
      }
    }
  })

  it('keeps what was heard of it when its teller is gone, but for calls under way', () => {
    const cuts = [{ from: 10_000, until: 60_000, replicas: [0, 1] }]
    const fleet = new JoinedCores(capped('calls: 60'), 2, { cuts })
    fleet.run(1500)
    fleet.every(10, 8500, (turn) => fleet.call(1, { workflow: 'run', bytes: 1000 + 40 * turn }, 20_000))
    fleet.call(0, { workflow: 'run' })
    fleet.run(9000)
    expect(seenAs(fleet, 0)).toBe('wide')
    fleet.run(20_000)
    expect(seenAs(fleet, 0)).not.toBe('wide')
    expect(fleet.call(0, { workflow: 'run', bytes: 5 })).toMatchObject({ do: 'shed', reason: 'budget' })
  })

  it('teaches each replica what its kind does in all: a balancer makes nothing look unusual', () => {
    const fleet = new JoinedCores(QUIET, 3)
    const seen = new Set<WorkflowCondition | undefined>()
    for (let run = 0; run < 60; run++) {
      fleet.world.at(run * 20_000, () => {
        const from = fleet.world.now
        inTurn(fleet, 5, from + 8000, 50, `run-${run}`)
        fleet.world.at(from + 9000, () => seen.add(seenAs(fleet, run % 3, `run-${run}`)))
      })
    }
    fleet.run(60 * 20_000 + 1_000_000)
    expect([...seen]).toEqual(['ordinary'])
  })

  it('costs those nothing who do not see it', () => {
    const bytes = [0, 400].map((workflows) => {
      const fleet = new JoinedCores(QUIET, 4)
      fleet.run(20_000)
      const before = fleet.board.traffic.bytes
      for (let run = 0; run < workflows; run++)
        fleet.call(0, { workflow: `w${run}`, agent: `a${run}` }, 30_000)
      fleet.run(40_000)
      for (const replica of [1, 2, 3]) expect(fleet.cores[replica]!.workflows(40_000, 500)).toEqual([])
      return (fleet.board.traffic.bytes - before) / 20
    })
    // 64 of them, of 11 bytes each, twice a second: written once and read by three.
    expect(bytes[1]! - bytes[0]!).toBeLessThan(64 * 12 * 2 * 1.3 * 4)
  })

  it('leaves no name on the board', () => {
    const fleet = new JoinedCores(capped('width: 6'), 2)
    const name = 'merger-of-acme-and-initech'
    fleet.every(5, 5000, () => fleet.call(0, { workflow: name, agent: name }, 5000))
    fleet.run(5000)
    const heard = ['u0', '_callers'].flatMap((topic) => {
      const ask = { topic, replica: 'reader', word: new Uint8Array(1), claim: false, epoch: 0 }
      return fleet.board.swap(ask).words.map(({ word }) => Buffer.from(word).toString('latin1'))
    })
    expect(heard).toHaveLength(4)
    expect(heard.join('')).not.toMatch(/merger|acme|initech/)
  })
})
