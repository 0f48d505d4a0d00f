/** Many calls that wait, and what ends their wait: a signal, or their clients (promises.md rows 44 and 65, G5, G10). */
import { expect, test } from 'vitest'
import { CheckedCaller } from '../kit/faults/checked-caller.ts'
import { WeirWorld } from '../kit/faults/weir-world.ts'
import { eventually, kept } from '../kit/kept.ts'
import { oneAtATimePolicy } from '../kit/policy.ts'
import { RawClient } from '../kit/raw-client.ts'

const ONE_AT_A_TIME = oneAtATimePolicy('60s')

function ask(n: number, body: string): string {
  const head = `POST /@agent-${n}/up0/bytes HTTP/1.1\r\nHost: weir.local\r\nX-Call-Id: c${n}`
  return `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

async function heldWithin(world: WeirWorld, held: number, withinMs: number): Promise<number> {
  const from = performance.now()
  let seen = -1
  while (performance.now() - from < withinMs) {
    seen = (await world.metrics()).sum('weir_held')
    if (seen === held) return performance.now() - from
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${seen} held instead of ${held}`)
}

test(
  '500 calls are held when SIGTERM comes: 500 answers, no connection is cut',
  { timeout: 90_000 },
  async () => {
    const world = kept(await WeirWorld.start({ policy: ONE_AT_A_TIME, weather: { serviceMs: 5, hung: 1 } }))
    const caller = kept(new CheckedCaller(() => world.agents, 60_000, 600))
    const calls = Array.from({ length: 501 }, async (_, n) =>
      caller.call({ id: `c${n}`, upstream: 'up0', agent: `agent-${n}`, bytesIn: 2000 }),
    )
    await heldWithin(world, 500, 10_000)
    world.weir!.signal('SIGTERM')
    const results = await Promise.all(calls)
    await world.weir!.ended
    // The one at the upstream, which hangs, has waited in vain; every other has an answer that says when to come.
    expect(results.filter(({ ending }) => ending !== 'own')).toEqual([])
    const held = results.filter(({ reason }) => reason === 'draining')
    expect(held.length).toBeGreaterThanOrEqual(500 - 6)
    expect(new Set(held.map(({ status }) => status))).toEqual(new Set([503]))
    expect(world.weir!.exitCode).toBe(0)
  },
)

test(
  '1,000 clients of held calls are killed: none waits after a second, and none was sent',
  { timeout: 90_000 },
  async () => {
    const world = kept(
      await WeirWorld.start({ policy: ONE_AT_A_TIME, weather: { serviceMs: 60_000 }, firstByteMs: 60_000 }),
    )
    const port = Number(new URL(world.agents).port)
    const body = 'x'.repeat(128 * 1024)
    const first = kept(await RawClient.open(port))
    first.send(ask(0, 'one'))
    const { ledger } = world.upstreams[0]!.echo
    await eventually(() => ledger.size === 1)
    const crowd = await Promise.all(Array.from({ length: 1000 }, async () => RawClient.open(port)))
    crowd.forEach((client, n) => client.send(ask(n + 1, body)))
    await heldWithin(world, 1000, 30_000)
    for (const client of crowd) client.socket.resetAndDestroy()
    expect(await heldWithin(world, 0, 5000)).toBeLessThan(1000)
    expect((await world.metrics()).sum('weir_held_bytes')).toBe(0)
    expect([...ledger.keys()]).toEqual(['c0'])
  },
)
