import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCoordinator } from '../core/coordinator.ts'
import { policyOf } from '../../test/kit/policy.ts'
import { LONGEST_WORD, readSummary, writeSummary } from './summary-format.ts'

const EMPTY = readSummary(Uint8Array.of(1, 0))!.summary

describe('a word on the board', () => {
  it('says what was written', () => {
    const summary = {
      ...EMPTY,
      condition: 4,
      demands: [16, 0, 33],
      scores: -12.5,
      effects: 1e6,
      rate: 12.25,
      total: -1,
      allowance: -1,
      retrying: [1, 2 ** 32 - 1],
      heaviest: 2 ** 32 - 1,
      factors: [0, 255],
      fraction: 0.5,
    }
    expect(readSummary(writeSummary(summary, 2 ** 40))).toEqual({ sequence: 2 ** 40, summary })
  })

  it('of a quiet upstream is short', () => {
    const core = createCoordinator({
      policy: policyOf('version: 1\nrules: []\n'),
      upstreams: ['api'],
      seed: 1,
    })
    expect(writeSummary(core.summary(0, 1000), 1).length).toBeLessThan(64)
  })

  it('is read without the fields that a reader does not know', () => {
    const known = writeSummary({ ...EMPTY, inFlight: 7 }, 9)
    const later = Uint8Array.from([...known, 50 * 2, 4, 60 * 2 + 1, 2, 5, 6])
    expect(readSummary(later)?.summary).toEqual({ ...EMPTY, inFlight: 7 })
  })

  it('of another format is left alone', () => {
    expect(readSummary(Uint8Array.of(2, 0))).toBeUndefined()
    expect(readSummary(new Uint8Array(0))).toBeUndefined()
    expect(readSummary(new Uint8Array(LONGEST_WORD + 1).fill(1))).toBeUndefined()
  })

  it('may be any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const read = readSummary(Uint8Array.from([1, ...bytes]))
        for (const value of Object.values(read?.summary ?? {}).flat())
          expect(Number.isFinite(value)).toBe(true)
      }),
    )
  })
})
