import { describe, expect, test } from 'vitest'
import { parseBound, rangeOf } from './range.ts'

describe('a part of a journal', () => {
  test('is named by instants with a zone, or by times after its start', () => {
    expect(parseBound('2026-03-12T14:00:00Z')).toEqual({ at: Date.UTC(2026, 2, 12, 14) })
    expect(parseBound('2026-03-12T15:00:00+01:00')).toEqual({ at: Date.UTC(2026, 2, 12, 14) })
    expect(parseBound('90s')).toEqual({ after: 90_000 })
  })

  test.each(['', 'yesterday', '2026-03-12', '2026-03-12T14:00:00', '14:00', '-5s', '2026-13-40T99:00:00Z'])(
    'is not named by %j',
    (text) => {
      expect(parseBound(text)).toBeUndefined()
    },
  )

  test('is everything unless it is bounded', () => {
    expect(rangeOf(undefined, undefined, 5)).toEqual({ fromMs: -Infinity, toMs: Infinity })
    expect(rangeOf({ after: 10 }, { at: 100 }, 5)).toEqual({ fromMs: 15, toMs: 100 })
  })
})
