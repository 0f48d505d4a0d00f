import { describe, expect, test } from 'vitest'
import {
  sayBytes,
  sayCount,
  sayLatency,
  sayList,
  sayMany,
  sayMoney,
  sayPrice,
  sayRatio,
  sayShare,
  saySpan,
} from './say.ts'

describe('numbers for people', () => {
  test('counts have separators, and one digit only where it says something', () => {
    expect([0, 0.44, 7, 9.96, 1234.5, 1_000_000].map(sayCount)).toEqual([
      '0',
      '0.4',
      '7',
      '10',
      '1,235',
      '1,000,000',
    ])
    expect([sayMany(1, 'call'), sayMany(2, 'call'), sayMany(0.5, 'retry', 'retries')]).toEqual([
      '1 call',
      '2 calls',
      '0.5 retries',
    ])
  })

  test('shares are never rounded to nothing', () => {
    expect([0, 0.0001, 0.004, 0.096, 0.5, 1].map(sayShare)).toEqual([
      '0 %',
      '<0.1 %',
      '0.4 %',
      '9.6 %',
      '50 %',
      '100 %',
    ])
  })

  test('spans have two units at the most', () => {
    expect([0, 850, 2400, 36_000, 252_000, 7_500_000, 273_600_000].map(saySpan)).toEqual([
      '0 ms',
      '850 ms',
      '2.4 s',
      '36 s',
      '4 min 12 s',
      '2 h 5 min',
      '3 d 4 h',
    ])
  })

  test('latencies, ratios, bytes and money', () => {
    expect([0.42, 85, 1240, 30_000].map(sayLatency)).toEqual(['0.4 ms', '85 ms', '1.2 s', '30 s'])
    expect([1, 1.084, 2.36, 31.4].map(sayRatio)).toEqual(['1.00', '1.08', '2.4', '31'])
    expect([900, 2048, 5_000_000].map(sayBytes)).toEqual(['900 B', '2.0 KiB', '4.8 MiB'])
    expect([sayMoney(1234.5, '$'), sayPrice(0.00025, '€')]).toEqual(['$1,234.50', '€0.00025'])
  })

  test('long lists are cut', () => {
    expect(sayList(['a', 'b', 'c'])).toBe('a, b and c')
    expect(sayList(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, c and 2 more')
  })
})
