import { describe, expect, test } from 'vitest'
import { hashOf, markName, namesIn } from './distinct.ts'

const counted = (names: readonly string[], words: number): number => {
  const cells = new Uint32Array(words)
  for (const name of names) markName(cells, 0, words, hashOf(name))
  return namesIn(cells)
}

describe('distinct names', () => {
  test('are counted once, however often they come', () => {
    expect(
      counted(
        Array.from({ length: 500 }, () => 'agent-1'),
        64,
      ),
    ).toBe(1)
    expect(counted([], 64)).toBe(0)
  })

  test.each([20, 200, 1000])('are counted within 5 %% up to half of the bits: %i', (size) => {
    const names = Array.from({ length: size }, (_, index) => `agent-${index}`)
    expect(Math.abs(counted(names, 64) - size)).toBeLessThanOrEqual(Math.max(1, 0.05 * size))
  })

  test('are no more than the bitmap has bits', () => {
    const names = Array.from({ length: 5000 }, (_, index) => `agent-${index}`)
    expect(counted(names, 1)).toBe(32)
  })
})
