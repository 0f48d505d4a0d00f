import { describe, expect, it } from 'vitest'
import { CONDITIONS } from '../model.ts'
import { conditionOf, isUnwell, type Signals } from './condition.ts'

const CALM: Signals = {
  gate: 'open',
  drift: 'healthy',
  crowded: false,
  failing: false,
  losing: false,
  storm: 'calm',
  limited: false,
}

describe('conditionOf', () => {
  it('is healthy when nothing speaks against it', () => {
    expect(conditionOf(CALM)).toBe('healthy')
  })

  it.each([
    [{ gate: 'shut', failing: true, storm: 'storm' }, 'down'],
    [{ failing: true, storm: 'storm', gate: 'ramping' }, 'degraded'],
    [{ losing: true, drift: 'slow' }, 'degraded'],
    [{ gate: 'ramping', storm: 'storm' }, 'recovering'],
    [{ storm: 'storm', drift: 'slow' }, 'storming'],
    [{ drift: 'slow', limited: true }, 'drifting'],
    [{ crowded: true }, 'drifting'],
    [{ storm: 'forming', drift: 'watch' }, 'drifting'],
    [{ limited: true }, 'recovering'],
  ] as const)('lets the worst that is true win: %j is %s', (signals, condition) => {
    expect(conditionOf({ ...CALM, ...signals })).toBe(condition)
  })

  it.each([{ drift: 'fast' }, { drift: 'watch' }, { storm: 'forming' }] as const)(
    'looks twice at %j and acts on nothing',
    (signals) => {
      const condition = conditionOf({ ...CALM, ...signals })
      expect(condition).toBe('watch')
      expect(isUnwell(condition)).toBe(false)
    },
  )
})

describe('isUnwell', () => {
  it('is true of every condition but healthy and watch', () => {
    expect(CONDITIONS.filter((condition) => !isUnwell(condition))).toEqual(['healthy', 'watch'])
  })
})
