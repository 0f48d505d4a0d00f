import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parsePercent,
  parseRate,
  parseSize,
} from './units.ts'

describe('units', () => {
  it('read durations in ms', () => {
    expect(['500ms', '30s', '1.5m', '2h', '0s'].map(parseDuration)).toEqual([
      500, 30_000, 90_000, 7_200_000, 0,
    ])
  })

  it('read rates per second', () => {
    expect(['10/s', '600/min', '3600/h'].map(parseRate)).toEqual([10, 10, 1])
  })

  it('read sizes in powers of 1024', () => {
    expect(['512B', '64KiB', '1MiB', '2GiB'].map(parseSize)).toEqual([512, 65_536, 1_048_576, 2_147_483_648])
  })

  it('read percents as shares', () => {
    expect(['20%', '0.5%', '100%'].map(parsePercent)).toEqual([0.2, 0.005, 1])
  })

  it('do not guess: no unit, a space, a sign or a foreign unit is nothing', () => {
    for (const text of [
      '30',
      '30 s',
      '-1s',
      '+1s',
      '1e3s',
      '30S',
      '1d',
      '',
      's',
      '.5s',
      '1..5s',
      `${'9'.repeat(40)}s`,
    ]) {
      expect([text, parseDuration(text)]).toEqual([text, undefined])
    }
    for (const text of ['10', '10/m', '10/sec', '10 /s'])
      expect([text, parseRate(text)]).toEqual([text, undefined])
    for (const text of ['1MB', '1kib', '1']) expect([text, parseSize(text)]).toEqual([text, undefined])
  })

  it('write what they read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400_000 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBeCloseTo(ms, 6)
      }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes)
      }),
    )
    expect([10, 0.5, 1 / 3600].map(formatRate)).toEqual(['10/s', '30/min', '1/h'])
  })
})
