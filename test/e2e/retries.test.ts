/** Retries of the real clients are told from first tries of equal size, whether they say so or not. */
import { beforeAll, describe, it } from 'vitest'
import { CLIENTS } from './clients.ts'
import { eventually, startWorld } from './kit.ts'

const WIDTH = 16
const WAVES = ['alpha', 'gamma-']
const DISTANCE_MS = 100

// Loading a client stops this process for longer than some of them wait: all are loaded before the first is timed.
beforeAll(async () => {
  const world = await startWorld({ upstream: 'tools' })
  for (const client of CLIENTS) {
    const driver = await client.connect(world.base('warm-up'))
    await driver.ask({ id: client.name, text: 'warm' })
    await driver.close?.()
  }
  await world.close()
})

describe.concurrent.each(CLIENTS)('of $name', { timeout: 120_000 }, (client) => {
  it(client.retries ? 'the retries are counted' : 'nothing is taken for a retry', async ({ expect }) => {
    const world = await startWorld({ upstream: client.upstream, distanceMs: DISTANCE_MS })
    const driver = await client.connect(world.base('clerk'))
    try {
      const failing = { from: 0, until: Infinity, errorRatio: 0.3, errorStatus: 500 }
      world.sandbox.behave({ serviceMs: 40, sigma: 0.5, phases: [failing] })
      const ids: string[] = []
      // A fan-out of equal calls, and when it is over another of another size.
      for (const wave of WAVES) {
        const own = Array.from({ length: WIDTH }, (_, at) => `${wave}${String(at).padStart(2, '0')}`)
        ids.push(...own)
        world.wire?.keep()
        const asked = own.map((id) => driver.ask({ id, text: id }).catch(() => {}))
        // The whole fan-out has left before its first failure is back.
        expect(await eventually(() => own.every((id) => world.sandbox.ledger.calls.has(id)), 10_000)).toBe(
          true,
        )
        world.wire?.pass()
        await Promise.all(asked)
      }
      expect(await eventually(() => world.app.core.read(performance.now()).open === 0)).toBe(true)
      const made = ids.map((id) => world.call(id).attempts)
      const retries = made.reduce((sum, attempts) => sum + attempts - 1, 0)
      if (client.retries) expect(retries).toBeGreaterThanOrEqual(5)
      else expect(retries).toBe(0)
      // A retry without proof counts by its confidence: 0.9 or a little more in windows this narrow.
      expect(world.retries).toBeLessThanOrEqual(retries + 0.01)
      expect(world.retries).toBeGreaterThanOrEqual(retries * 0.9 - 0.01)
    } finally {
      await driver.close?.()
      await world.close()
    }
  })
})
