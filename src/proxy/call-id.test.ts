import { expect, test } from 'vitest'
import { newCallId } from './call-id.ts'

test('ids are random UUIDs of version 4', () => {
  for (let index = 0; index < 1000; index++) {
    expect(newCallId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  }
})

test('no two of them are the same, also beyond the bytes that are drawn at once', () => {
  const ids = new Set(Array.from({ length: 10_000 }, () => newCallId()))
  expect(ids.size).toBe(10_000)
})

test('every digit that is not fixed takes every value', () => {
  const seen = Array.from({ length: 36 }, () => new Set<string>())
  for (let index = 0; index < 2000; index++) {
    for (const [at, digit] of newCallId().split('').entries()) seen[at]!.add(digit)
  }
  const sizes = seen.map(({ size }) => size)
  expect(sizes.filter((size) => size === 1).length).toBe(5)
  expect(sizes.filter((size) => size === 4).length).toBe(1)
  expect(sizes.filter((size) => size === 16).length).toBe(30)
})
