import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { KeySet, parseKeySet } from './key-set.ts'

const KEY = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'one' }
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

class World {
  clock = 0
  asked = 0
  readonly problems: (string | undefined)[] = []
  listener: RequestListener = (_request, response) => response.end(JSON.stringify({ keys: [KEY] }))
  keySet!: KeySet

  static async start(): Promise<World> {
    const world = new World()
    const server = createServer((request, response) => {
      world.asked += 1
      world.listener(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`)
    world.keySet = new KeySet(
      { url, ca: undefined, tokenFile: undefined },
      {
        clock: () => world.clock,
        onProblem: (problem) => world.problems.push(problem),
      },
    )
    closing.push(
      () => world.keySet.stop(),
      () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
    )
    return world
  }
}

it('is asked at the start, and again for an unknown key, but not more than every half minute', async () => {
  const world = await World.start()
  await world.keySet.start()
  expect(world.keySet.keys).toEqual({ keys: [KEY] })
  for (let n = 0; n < 100; n++) await world.keySet.refresh()
  expect(world.asked).toBe(1)
  world.clock = 30_000
  await Promise.all(Array.from({ length: 100 }, () => world.keySet.refresh()))
  expect(world.asked).toBe(2)
  expect(world.keySet.generation).toBe(1)
})

it('keeps the last good set while its issuer is in trouble, for a day', async () => {
  const world = await World.start()
  await world.keySet.start()
  const troubles: RequestListener[] = [
    (_request, response) => response.writeHead(500).end(),
    (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    (_request, response) => response.end('<html>'),
    (_request, response) => response.end('{"keys":[]}'),
    (_request, response) => response.end('x'.repeat(300_000)),
    (request) => request.socket.destroy(),
  ]
  for (const trouble of troubles) {
    world.listener = trouble
    world.clock += 30_000
    await world.keySet.refresh()
    expect(world.keySet.keys).toEqual({ keys: [KEY] })
  }
  expect(world.problems.slice(1).every((problem) => problem !== undefined)).toBe(true)
  expect(world.asked).toBe(1 + troubles.length)
  world.clock = 24 * 3_600_000
  expect(world.keySet.keys).toBeDefined()
  world.clock += 1
  expect(world.keySet.keys).toBeUndefined()
  expect(world.keySet.ageMs).toBe(world.clock)
})

it('holds public keys for signatures alone', () => {
  expect(
    parseKeySet(
      JSON.stringify({ keys: [KEY, { kty: 'oct', k: 'secret' }, { ...KEY, d: 'private' }, null, 7] }),
    ),
  ).toEqual({ keys: [KEY] })
  for (const text of [
    '',
    '[]',
    '{}',
    '{"keys":{}}',
    '{"keys":[{"kty":"oct","k":"s"}]}',
    JSON.stringify({ keys: Array.from({ length: 101 }, () => KEY) }),
  ]) {
    expect(() => parseKeySet(text)).toThrow(/it (is|holds)/)
  }
})
