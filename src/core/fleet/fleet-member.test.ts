import { describe, expect, it } from 'vitest'
import { policyOf } from '../../../test/kit/policy.ts'
import type { Peer } from '../fleet.ts'
import { seeded } from '../random.ts'
import { UpstreamState } from '../upstream-state.ts'

const POLICY = policyOf('version: 1\nrules: []').upstreams[0]!

/** Several upstream states of one upstream, with every word heard by all at once. */
class Members {
  readonly states: readonly UpstreamState[]
  steward = ''
  epoch = 1
  linked = true
  #last: Peer[] = []

  constructor(count: number) {
    this.states = Array.from(
      { length: count },
      (_, seed) => new UpstreamState(0, POLICY, 10, seeded(seed), 0),
    )
  }

  /** @param inFlight by replica */
  busy(...inFlight: readonly number[]): this {
    for (const [index, count] of inFlight.entries()) {
      this.states[index]!.inFlight = count
      this.states[index]!.inFlightBy[2] = count
    }
    return this
  }

  limited(healthyMax: number, at: number): this {
    for (const state of this.states) {
      state.condition = 'degraded'
      state.limit.start(healthyMax, healthyMax, at)
      state.member.limitStarted(at)
    }
    return this
  }

  /** Two rounds, so that each has heard what the others say about what they heard. */
  exchange(at: number): this {
    for (let round = 0; round < 2; round++) {
      if (this.linked) {
        this.#last = this.states.map((state, index) => ({
          replica: nameOf(index),
          arrivedAt: at,
          summary: state.member.summary(at),
        }))
      }
      for (const [index, state] of this.states.entries()) {
        state.member.learn({
          at,
          upstream: 0,
          replica: nameOf(index),
          linked: this.linked,
          peers: this.#last.filter(({ replica }) => replica !== nameOf(index)),
          steward: this.steward,
          epoch: this.epoch,
        })
      }
    }
    return this
  }

  get allowances(): number[] {
    return this.states.map(({ allowance }) => allowance)
  }

  get sum(): number {
    return this.allowances.reduce((sum, allowance) => sum + allowance, 0)
  }
}

function nameOf(index: number): string {
  return `r${index}`
}

describe('a member of a fleet', () => {
  it('allows any number while nothing is limited, alone or not', () => {
    const members = new Members(2).busy(5, 3)
    expect(members.allowances).toEqual([Infinity, Infinity])
    expect(members.exchange(1000).allowances).toEqual([Infinity, Infinity])
  })

  it('tells what it sees itself, and nothing that it heard', () => {
    const members = new Members(3).busy(5, 3, 0).exchange(1000)
    expect(members.states.map(({ member }) => member.summary(1000).inFlight)).toEqual([5, 3, 0])
    expect(members.states.map(({ member }) => member.load)).toEqual([8, 8, 8])
  })

  it('has its part of a limit, by demand; the parts add up to the whole', () => {
    const members = new Members(3).busy(12, 4, 0)
    members.steward = 'r0'
    members.exchange(1000).exchange(3000).limited(16, 3000).exchange(3100)
    const total = members.states[0]!.limit.value
    expect(members.sum).toBe(total)
    const [first = 0, second = 0, idle = 0] = members.allowances
    expect(first).toBeGreaterThan(second)
    expect(second).toBeGreaterThan(idle)
  })

  it("follows the steward's limit", () => {
    const members = new Members(3).busy(8, 8, 8)
    members.steward = 'r1'
    members.exchange(1000).exchange(3000).limited(24, 3000).exchange(3100)
    const steward = members.states[1]!
    const before = steward.limit.value
    for (const at of [9000, 15_000]) {
      steward.limit.loss(at, 100, at)
      members.exchange(at + 100)
    }
    expect(steward.limit.value).toBeLessThan(before)
    expect(members.states.map(({ limit }) => limit.value)).toEqual([0, 1, 2].map(() => steward.limit.value))
    expect(members.sum).toBe(steward.limit.value)
  })

  it('keeps its part when the board is gone, has an equal one after half a minute, and never the whole', () => {
    const members = new Members(4).busy(20, 10, 6, 4)
    members.steward = 'r0'
    members.exchange(1000).exchange(3000).limited(40, 3000).exchange(3100)
    const before = members.allowances
    const total = members.states[0]!.limit.value
    members.linked = false
    members.exchange(5000)
    expect(members.allowances).toEqual(before.map((allowance) => Math.max(1, allowance)))
    for (const state of members.states) {
      state.member.beat(34_900, 250, false, false)
      state.member.divide()
    }
    expect(members.allowances).toEqual(before.map((allowance) => Math.max(1, allowance)))
    for (const state of members.states) {
      state.member.beat(35_100, 250, false, false)
      state.member.divide()
    }
    expect(members.sum).toBeLessThanOrEqual(total + members.states.length)
    expect(new Set(members.allowances).size).toBe(1)
  })

  it('goes on from what all had when the board is back', () => {
    const members = new Members(4).busy(10, 10, 10, 10)
    members.steward = 'r0'
    members.exchange(1000).exchange(3000).limited(40, 3000).exchange(3100)
    const before = members.sum
    members.linked = false
    members.exchange(5000)
    members.linked = true
    members.epoch = 2
    members.exchange(9000)
    expect(members.sum).toBeLessThanOrEqual(before + members.states.length)
    expect(members.sum).toBeGreaterThanOrEqual(before - members.states.length)
  })

  it('would be the steward only while the upstream is not well and it has calls there', () => {
    const { states } = new Members(1)
    const [state] = states
    expect(state!.member.claims).toBe(false)
    state!.condition = 'degraded'
    expect(state!.member.claims).toBe(false)
    state!.inFlight = 1
    expect(state!.member.claims).toBe(true)
  })

  it('leaves probes to who has calls of a higher class', () => {
    const members = new Members(2)
    const [low, high] = members.states
    for (const state of members.states) {
      state.condition = 'down'
      state.inFlight = 1
      state.release.fail(1000)
    }
    low!.inFlightBy[3] = 1
    high!.inFlightBy[0] = 1
    members.exchange(1000).exchange(3000)
    expect([low!.member.claims, high!.member.claims]).toEqual([false, true])
  })

  it('counts what became of calls sent under the word of the steward, and of no calls before it', () => {
    const members = new Members(2).busy(8, 8)
    members.steward = 'r0'
    members.exchange(1000).exchange(3000).limited(16, 3000).exchange(3100)
    const follower = members.states[1]!.member
    follower.lost(3000)
    follower.answered(2, 2900)
    expect(follower.summary(3200)).toMatchObject({ losses: 0, samples: 0 })
    follower.lost(3150)
    follower.answered(2, 3150)
    const { heardEpoch, losses, samples, factors } = follower.summary(3200)
    expect([heardEpoch, losses, samples, factors.length]).toEqual([1, 1, 1, 1])
  })

  it('asks often only while there is something to find out', () => {
    const { states } = new Members(1)
    const [state] = states
    expect(state!.member.outlook.restlessness).toBe('quiet')
    state!.condition = 'degraded'
    expect(state!.member.outlook.restlessness).toBe('unwell')
    const { stamp } = state!.member.outlook
    state!.ownCondition = 'degraded'
    expect(state!.member.outlook.stamp).not.toBe(stamp)
  })
})
