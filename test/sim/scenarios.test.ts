/**
 * The five stories against what an oracle could do, in virtual time, the worst of three seeds. Where physics forbid
 * a goal (the upstream itself takes five times as long; first tries alone come in bursts) it is measured against
 * what the oracle has.
 */
import { describe, expect, it } from 'vitest'
import { play, type Run, type Scenario } from '../kit/sim/scenario.ts'
import { score, type Score } from '../kit/sim/score.ts'
import { SCENARIOS } from './scenarios.ts'
import { simPolicy } from './sim-policy.ts'
import { timelineOf } from './timeline.ts'

const SEEDS = [0, 100, 200]

interface Played {
  readonly scenario: Scenario
  readonly weir: Run
  readonly weirScore: Score
  readonly directScore: Score
}

function playAll(base: Scenario): Played[] {
  return SEEDS.map((offset) => {
    const scenario = { ...base, seed: base.seed + offset }
    const direct = play(scenario, undefined)
    const weir = play(scenario, simPolicy(scenario))
    return { scenario, weir, weirScore: score(scenario, weir, direct), directScore: score(scenario, direct) }
  })
}

describe.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', (name, base) => {
  const plays = playAll(base)
  const critical = base.populations.some((population) => population.priority === 'critical')

  it('sends next to nothing twice', () => {
    for (const { weirScore } of plays) expect(weirScore.attemptsPerCall).toBeLessThanOrEqual(1.05)
  })

  it('serves in time nearly what an oracle would, and more than without Weir', () => {
    for (const { weirScore, directScore } of plays) {
      expect(weirScore.onTimeRatio).toBeGreaterThanOrEqual(0.95)
      expect(weirScore.onTimeRatio).toBeGreaterThan(directScore.onTimeRatio)
    }
  })

  it('serves critical calls in time, if any, within twice what the upstream itself needs', () => {
    for (const { weirScore, directScore } of critical ? plays : []) {
      expect(weirScore.criticalOnTimeRatio).toBeGreaterThanOrEqual(0.995)
      expect(weirScore.criticalOnTimeRatio).toBeGreaterThan(directScore.criticalOnTimeRatio)
      expect(weirScore.criticalP99Ratio).toBeLessThanOrEqual(2 * weirScore.criticalP99Bound)
    }
  })

  it('is back within five seconds, without a herd, and does not fall again', () => {
    for (const { weirScore, weir, scenario } of plays) {
      expect(weirScore.recoverSeconds).toBeLessThanOrEqual(5)
      expect(weirScore.releasePeakRatio).toBeLessThanOrEqual(Math.max(1.5, weirScore.releasePeakBound))
      const again = weir.events.filter(
        (event) => event.at > scenario.trouble.until + 5000 && /^(probe|storm)-started$/.test(event.name),
      )
      expect(again).toEqual([])
    }
  })

  it('acts before errors dominate, and never before there is trouble', () => {
    for (const { weirScore } of plays) {
      expect(weirScore.leadSeconds).toBeGreaterThan(0)
      expect(weirScore.falseActions).toBe(0)
    }
  })

  it('tells the same story every time', async () => {
    const [first] = plays
    if (first === undefined) throw new Error('nothing was played')
    const told = timelineOf(first.scenario, first.weir, first.weirScore)
    const again = play(first.scenario, simPolicy(first.scenario))
    expect(timelineOf(first.scenario, again, first.weirScore)).toBe(told)
    expect(again.timeline).toEqual(first.weir.timeline)
    await expect(told).toMatchFileSnapshot(`golden/${name}.txt`)
  })
})
