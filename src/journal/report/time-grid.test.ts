import { array, assert, integer, oneof, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GRID_COLUMNS, TimeGrid } from './time-grid.ts'

const filled = (instants: readonly number[]): { grid: TimeGrid; counts: Float64Array } => {
  const grid = new TimeGrid()
  const counts = grid.track(new Float64Array(GRID_COLUMNS), 'sum')
  for (const instant of instants) counts[grid.at(instant)]! += 1
  return { grid, counts }
}

describe('a time grid', () => {
  test('keeps what it counted over an idle year', () => {
    const year = 365 * 86_400_000
    const { grid, counts } = filled([5, 5, year])
    expect(counts[0]).toBe(2)
    expect(counts[grid.columns - 1]).toBe(1)
    expect(grid.startOf(grid.columns - 1)).toBeLessThanOrEqual(year)
    expect(grid.columns).toBeLessThanOrEqual(GRID_COLUMNS)
  })

  test('counts a burst in one instant in one column of the finest width', () => {
    const { grid, counts } = filled([1_000_050, 1_000_050, 1_000_050])
    expect(grid.columns).toBe(1)
    expect(grid.widthMs).toBe(100)
    expect(counts[0]).toBe(3)
  })

  test('moves when an earlier instant comes late', () => {
    const { grid, counts } = filled([10_000, 500])
    expect(grid.startOf(0)).toBe(500)
    expect(counts[0]).toBe(1)
    expect(counts[grid.columns - 1]).toBe(1)
  })

  test('counts as a list of instants would, in any order and over any span', () => {
    const instant = oneof(
      integer({ min: 0, max: 60_000 }),
      integer({ min: 0, max: 86_400_000 }),
      integer({ min: -1_000_000_000, max: 4_000_000_000_000 }),
    )
    assert(
      property(array(instant, { minLength: 1, maxLength: 60 }), (instants) => {
        const { grid, counts } = filled(instants)
        const naive = new Map<number, number>()
        for (const at of instants) {
          const column = Math.floor(at / grid.widthMs) - grid.startOf(0) / grid.widthMs
          naive.set(column, (naive.get(column) ?? 0) + 1)
        }
        const wanted = Array.from({ length: GRID_COLUMNS }, (_, column) => naive.get(column) ?? 0)
        expect([...counts]).toEqual(wanted)
      }),
    )
  })

  test('folds by the largest, or by the bits, where that is what a column means', () => {
    const grid = new TimeGrid()
    const worst = grid.track(new Uint8Array(GRID_COLUMNS), 'max')
    const bits = grid.track(new Uint32Array(GRID_COLUMNS * 2), 'or', 2)
    for (const [at, value] of [
      [0, 3],
      [100, 5],
      [200, 1],
    ] as const) {
      const column = grid.at(at)
      worst[column] = value
      bits[column * 2 + 1] = 1 << value
    }
    grid.at(GRID_COLUMNS * 100)
    expect(worst[0]).toBe(5)
    expect(bits[1]).toBe((1 << 3) | (1 << 5) | (1 << 1))
  })

  test('lets go of an array that is released', () => {
    const grid = new TimeGrid()
    const cells = grid.track(new Float64Array(GRID_COLUMNS), 'sum')
    cells[grid.at(0)] = 1
    cells[grid.at(100)] = 1
    grid.release(cells)
    grid.at(GRID_COLUMNS * 100)
    expect([cells[0], cells[1]]).toEqual([1, 1])
  })

  test('has no column for what is no time', () => {
    const grid = new TimeGrid()
    expect(grid.at(Number.NaN)).toBe(-1)
    expect(grid.at(Infinity)).toBe(-1)
    expect(grid.columns).toBe(0)
  })
})
