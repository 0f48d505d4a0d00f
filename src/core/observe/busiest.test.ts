import { array, assert, integer, nat, property } from 'fast-check'
import { expect, test } from 'vitest'
import { busiest } from './busiest.ts'

test('nobody is busy where nothing weighs anything', () => {
  expect(busiest(0, 10, () => 1)).toEqual([])
  expect(busiest(5, 10, () => 0)).toEqual([])
  expect(busiest(5, 0, () => 1)).toEqual([])
})

test('of equal ones the lower number comes first', () => {
  expect(busiest(6, 3, () => 7)).toEqual([0, 1, 2])
})

test('it finds what sorting all of them finds', () => {
  assert(
    property(array(integer({ min: 0, max: 9 }), { maxLength: 80 }), nat(90), (weights, most) => {
      const sorted = [...weights.keys()]
        .filter((row) => weights[row]! > 0)
        .toSorted((a, b) => weights[b]! - weights[a]! || a - b)
      expect(busiest(weights.length, most, (row) => weights[row]!)).toEqual(sorted.slice(0, most))
    }),
  )
})
