import { describe, expect, it } from 'vitest'
import type { Verdict } from '../model.ts'
import { DURATION_BOUNDS, Tally } from './tally.ts'

const PASS: Verdict = {
  do: 'pass',
  reason: 'healthy',
  rule: -1,
  upstream: 0,
  until: 0,
  slotAt: 0,
  shadow: undefined,
}

describe('Tally', () => {
  it('lists only verdicts that were given, by mode', () => {
    const tally = new Tally()
    tally.verdict(PASS)
    tally.verdict({ ...PASS, shadow: { ...PASS, do: 'hold', reason: 'storm' } })
    expect(tally.verdicts()).toEqual([
      { do: 'pass', reason: 'healthy', mode: 'enforce', count: 2 },
      { do: 'hold', reason: 'storm', mode: 'shadow', count: 1 },
    ])
  })

  it('names every outcome and settlement, also those that never happened', () => {
    const tally = new Tally()
    tally.outcome('shed')
    tally.settlement('dropped')
    expect(tally.outcomes()).toMatchObject({ shed: 1, passed: 0 })
    expect(tally.settlements()).toMatchObject({ dropped: 1, success: 0 })
  })

  it('reads durations as cumulative counts, a bound included', () => {
    const tally = new Tally()
    for (const ms of [5, 5.1, 1_000_000]) tally.durations.record(ms)
    const { counts, sum } = tally.durations.read()
    expect(counts).toHaveLength(DURATION_BOUNDS.length + 1)
    expect(counts.slice(0, 2)).toEqual([1, 2])
    expect(counts.slice(-2)).toEqual([2, 3])
    expect(sum).toBeCloseTo(1_000_010.1)
  })
})
