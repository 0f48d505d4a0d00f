import { array, assert, integer, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BoundedTable, type Ranked } from './bounded-table.ts'

interface Row extends Ranked {
  count: number
}

const tableOf = (keep: number): { table: BoundedTable<Row>; gone: () => number } => {
  let gone = 0
  const table = new BoundedTable<Row>(
    keep,
    () => ({ rank: 0, count: 0 }),
    (row) => (gone += row.count),
  )
  return { table, gone: () => gone }
}

const count = (table: BoundedTable<Row>, name: string): void => {
  const row = table.row(name)
  row.rank += 1
  row.count += 1
}

describe('a bounded table', () => {
  test('counts exactly while there is room', () => {
    const { table } = tableOf(2)
    for (const name of ['a', 'b', 'a', 'c', 'd', 'a']) count(table, name)
    expect([...table.entries()].map(([name, row]) => [name, row.count])).toEqual([
      ['a', 3],
      ['b', 1],
      ['c', 1],
      ['d', 1],
    ])
    expect(table.left).toBe(0)
  })

  test('keeps a heavy name among a crowd of light ones, even when it comes last', () => {
    const { table } = tableOf(8)
    for (let index = 0; index < 1000; index++) count(table, `light-${index}`)
    for (let index = 0; index < 400; index++) {
      count(table, 'heavy')
      count(table, `more-${index}`)
    }
    expect(new Map(table.entries()).get('heavy')?.count).toBe(400)
  })

  test('never holds more than twice what it keeps, and loses no count', () => {
    const names = array(integer({ min: 0, max: 200 }), { maxLength: 400 })
    assert(
      property(names, (drawn) => {
        const { table, gone } = tableOf(5)
        for (const name of drawn) {
          count(table, String(name))
          expect(table.size).toBeLessThanOrEqual(10)
        }
        const held = [...table.entries()].reduce((sum, [, row]) => sum + row.count, 0)
        expect(held + gone()).toBe(drawn.length)
      }),
    )
  })
})
