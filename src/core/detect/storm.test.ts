import { describe, expect, it } from 'vitest'
import { seeded } from '../random.ts'
import type { StormThresholds } from '../policy.ts'
import { StormDetector, type StormState } from './storm.ts'

const thresholds: StormThresholds = {
  windowMs: 5000,
  agents: 3,
  agentShare: 0.2,
  retryShare: 0.25,
  z: 5,
  clearMs: 10_000,
}
const make = (at = 0): StormDetector => new StormDetector(thresholds, 200, at)

/** Ordinary traffic: each of `agents` calls every `everyMs`; a failing share is retried once after half a second. */
function ordinary(
  storm: StormDetector,
  from: number,
  to: number,
  agents = 20,
  failing = 0,
  seed = 1,
): StormState[] {
  const random = seeded(seed)
  const states: StormState[] = []
  const due: { at: number; agent: number }[] = []
  for (let at = from; at < to; at += 50) {
    for (let agent = 1; agent <= agents; agent++) {
      if (random() >= 50 / 2000) continue
      storm.attempt(agent, at)
      if (random() >= failing) continue
      storm.failure(false, at)
      due.push({ at: at + 400 + 200 * random(), agent })
    }
    while (due.length > 0 && (due[0]?.at ?? Infinity) <= at) {
      const { agent } = due.shift() as { agent: number }
      storm.attempt(agent, at)
      storm.retry(agent, 1, at)
    }
    if (at % 250 === 0) states.push(storm.tick(at))
  }
  return states
}

function retry(storm: StormDetector, agent: number, at: number, weight = 1): void {
  storm.attempt(agent, at)
  storm.retry(agent, weight, at)
  storm.failure(true, at)
}

describe('storm detector', () => {
  it('is calm after an idle hour, whatever was before', () => {
    const storm = make()
    ordinary(storm, 0, 20_000)
    for (let agent = 1; agent <= 15; agent++) retry(storm, agent, 20_000)
    expect(storm.tick(20_000)).not.toBe('calm')
    expect(storm.tick(3_620_000)).toBe('calm')
    expect(storm.reading(3_620_000)).toMatchObject({
      retries: 0,
      retryingAgents: 0,
      activeAgents: 0,
      z: 0,
      firstRetryAt: 0,
    })
  })

  it('sees twenty agents that retry in one instant as a synchronised storm', () => {
    const storm = make()
    ordinary(storm, 0, 20_000)
    for (let agent = 1; agent <= 20; agent++) retry(storm, agent, 20_000)
    expect(storm.tick(20_000)).toBe('storm')
    expect(storm.reading(20_000)).toMatchObject({
      synchronised: true,
      retryingAgents: 20,
      firstRetryAt: 20_000,
    })
  })

  it('sees agents that retry each in its own time as a storm that is not synchronised', () => {
    const storm = make()
    ordinary(storm, 0, 20_000)
    const random = seeded(4)
    for (let at = 20_000; at < 26_000; at += 100) retry(storm, 1 + Math.floor(20 * random()), at)
    expect(storm.tick(26_000)).toBe('storm')
    expect(storm.reading(26_000).synchronised).toBe(false)
    expect(storm.reading(26_000).synchrony).toBeLessThan(1.5)
  })

  it('sees three of twenty agents that retry together as forming', () => {
    const storm = make()
    ordinary(storm, 0, 20_000)
    for (const agent of [3, 7, 11]) retry(storm, agent, 20_400)
    expect(storm.tick(20_500)).toBe('forming')
    expect(storm.reading(20_500)).toMatchObject({ retryingAgents: 3, activeAgents: 20 })
  })

  it('takes one agent that hammers for a rogue and not for a storm', () => {
    const storm = make()
    ordinary(storm, 0, 20_000)
    const states = new Set<StormState>()
    for (let at = 20_000; at < 40_000; at += 30) {
      retry(storm, 5, at)
      if (at % 250 < 30) states.add(storm.tick(at))
    }
    expect(states).toEqual(new Set(['calm']))
    expect(storm.reading(40_000).rogueAgent).toBe(5)
  })

  it('still sees the storm behind an agent that hammers', () => {
    const storm = make()
    ordinary(storm, 0, 20_000)
    for (let at = 20_000; at < 23_000; at += 25) retry(storm, 5, at)
    for (let round = 0; round < 3; round++)
      for (let agent = 6; agent <= 16; agent++) retry(storm, agent, 21_000 + 700 * round)
    expect(storm.tick(23_000)).toBe('storm')
    expect(storm.reading(23_000).rogueAgent).toBe(5)
  })

  it('takes the retries of an ordinary day for nothing', () => {
    const states = ordinary(make(), 0, 1_800_000, 60, 0.01)
    expect(new Set(states)).toEqual(new Set(['calm']))
  })

  it('learns that some retries are ordinary here, and still sees a storm above them', () => {
    const storm = make()
    const states = ordinary(storm, 0, 600_000, 60, 0.05)
    expect(states).not.toContain('storm')
    for (let agent = 1; agent <= 40; agent++) retry(storm, agent, 600_000 + agent * 20)
    for (let agent = 1; agent <= 40; agent++) retry(storm, agent, 601_500 + agent * 20)
    expect(storm.tick(602_500)).toBe('storm')
  })

  it('makes no storm of a process that stood still for five seconds', () => {
    const storm = make()
    ordinary(storm, 0, 60_000, 40, 0.01)
    // What came meanwhile is read in one instant, and one call in a hundred of it is a retry as ever.
    for (let n = 0; n < 100; n++) {
      storm.attempt(1 + (n % 40), 65_000)
      if (n === 50) storm.retry(7, 1, 65_000)
    }
    expect(storm.tick(65_000)).toBe('calm')
  })

  it('takes what was queued while the process stood still for no evidence once it is told', () => {
    const storm = make()
    ordinary(storm, 0, 60_000, 40)
    storm.paused(65_000)
    for (let agent = 1; agent <= 40; agent++) retry(storm, agent, 65_001)
    expect(storm.tick(65_250)).toBe('calm')
    for (let agent = 1; agent <= 40; agent++) retry(storm, agent, 66_000 + agent)
    expect(storm.tick(66_250)).toBe('storm')
  })

  it('ends a storm after ten quiet seconds and not before', () => {
    const storm = make()
    ordinary(storm, 0, 20_000)
    for (let agent = 1; agent <= 20; agent++) retry(storm, agent, 20_000)
    storm.tick(20_000)
    const states = ordinary(storm, 20_050, 40_000)
    const calmAt = 20_250 + 250 * states.indexOf('calm')
    expect(calmAt).toBeGreaterThanOrEqual(30_000)
    expect(calmAt).toBeLessThanOrEqual(36_000)
  })

  it('says how fast retries beget retries', () => {
    const storm = make()
    // Each call fails and is tried twice more: three attempts per call, two retries for three failures.
    for (let at = 0; at < 5000; at += 100) {
      const agent = 1 + ((at / 100) % 20)
      storm.attempt(agent, at)
      storm.failure(false, at)
      for (const _ of [1, 2]) retry(storm, agent, at)
    }
    expect(storm.reading(4999).branching).toBeCloseTo(2 / 3)
    expect(storm.reading(4999).retryShare).toBeCloseTo(2 / 3)
  })

  it('acts on no inference that is not sure enough', () => {
    const storm = make()
    for (let agent = 1; agent <= 20; agent++) retry(storm, agent, 100, 0.5)
    expect(storm.tick(250)).toBe('calm')
    expect(storm.reading(250).retries).toBe(0)
  })

  it('forgets an agent whose slot gets another owner', () => {
    const storm = make()
    for (const agent of [1, 2, 3]) retry(storm, agent, 100)
    storm.forget(2)
    expect(storm.reading(200)).toMatchObject({ retryingAgents: 2, activeAgents: 2 })
  })

  it('adopts other numbers, and another window with an empty one', () => {
    const storm = make()
    for (const agent of [1, 2, 3, 4]) retry(storm, agent, 100)
    storm.adopt({ ...thresholds, agents: 5 })
    expect(storm.tick(200)).toBe('calm')
    storm.adopt({ ...thresholds, windowMs: 10_000 })
    expect(storm.reading(200).retries).toBe(0)
  })

  it('names the first retry of the wave, not one of the calm before', () => {
    const storm = make()
    ordinary(storm, 0, 60_000, 20, 0.01)
    for (let agent = 1; agent <= 20; agent++) retry(storm, agent, 70_000 + agent)
    storm.tick(70_250)
    expect(storm.reading(70_250).firstRetryAt).toBe(70_001)
  })

  it('needs 16 bytes per agent', () => {
    const small = new StormDetector(thresholds, 1000, 0)
    const large = new StormDetector(thresholds, 100_000, 0)
    expect((large.bytes - small.bytes) / 99_000).toBe(16)
  })
})
