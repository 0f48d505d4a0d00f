import { expect, test } from 'vitest'
import { connectionRoom, openFilesLimit } from './open-files.ts'

test('without a limit there is room for any number', () => {
  expect(connectionRoom(Infinity, 128)).toBe(Infinity)
})

test.each([
  [1_048_576, 128, 943_558],
  [1024, 128, 761],
  [256, 128, 99],
  [64, 128, 16],
])('of %i files with %i for upstreams, agents may have %i', (files, upstream, room) => {
  expect(connectionRoom(files, upstream)).toBe(room)
})

test('agents, upstreams and Weir itself fit into the limit, whatever it is', () => {
  for (let files = 128; files < 5000; files += 7) {
    for (const upstream of [1, 128, 10_000]) {
      const room = connectionRoom(files, upstream)
      const left = files - room - 32
      expect(left).toBeGreaterThanOrEqual(Math.min(upstream, Math.floor(files * 0.3)))
    }
  }
})

test('the limit of this process is known', () => {
  expect(openFilesLimit()).toBeGreaterThan(64)
})
