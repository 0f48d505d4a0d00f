import { expect, test } from 'vitest'
import { steadyWall } from './steady-wall.ts'

test('starts with the wall, goes on with the clock, and knows nothing of a wall that is set', () => {
  let wall = 1_000_000
  let clock = 50
  const steady = steadyWall(
    () => wall,
    () => clock,
  )
  expect(steady()).toBe(1_000_000)
  clock += 250
  for (const jumpMs of [3_600_000, -7_200_000]) {
    wall += jumpMs
    expect(steady()).toBe(1_000_250)
  }
})
