/** Crowds of held calls that a signal meets, or whose clients are killed. */
import { tallyOf } from './tally.ts'
import { setTimeout as pause } from 'node:timers/promises'
import { CheckedCaller } from '../../test/kit/faults/checked-caller.ts'
import { WeirWorld } from '../../test/kit/faults/weir-world.ts'
import { oneAtATimePolicy } from '../../test/kit/policy.ts'
import { RawClient } from '../../test/kit/raw-client.ts'

const ONE_AT_A_TIME = oneAtATimePolicy('60s')

/** The longest drain of `WeirWorld`, and as much again as an answer takes to be read. */
const DRAIN_BOUND_MS = 10_000 + 1000
/** Promise 44. */
const GONE_BOUND_MS = 1000

/** SIGTERM while so many calls are held and one is at an upstream that hangs. */
export async function heldThenTerm(held: number): Promise<Record<string, number>> {
  const world = await WeirWorld.start({ policy: ONE_AT_A_TIME, weather: { serviceMs: 5, hung: 1 } })
  const caller = new CheckedCaller(() => world.agents, 60_000, held + 10)
  try {
    const calls = Array.from({ length: held + 1 }, async (_, n) =>
      caller.call({ id: `c${n}`, upstream: 'up0', agent: `agent-${n}`, bytesIn: 2000 }),
    )
    await untilHeld(world, held)
    const from = performance.now()
    world.weir!.signal('SIGTERM')
    const results = await Promise.all(calls)
    await world.weir!.ended
    const answers = results.filter(({ ending }) => ending === 'own' || ending === 'whole').length
    const tookMs = Math.round(performance.now() - from)
    const endings = results.map(({ ending }) => ending)
    return {
      ...tallyOf(endings, tookMs - DRAIN_BOUND_MS),
      held,
      answers,
      resets: held + 1 - answers,
      tookMs,
      exitCode: world.weir!.exitCode ?? -1,
    }
  } finally {
    await caller.close()
    await world.close()
  }
}

/** So many clients of held calls are reset at once. */
export async function heldClientsKilled(held: number): Promise<Record<string, number>> {
  const world = await WeirWorld.start({
    policy: ONE_AT_A_TIME,
    weather: { serviceMs: 600_000 },
    firstByteMs: 600_000,
  })
  const crowd: RawClient[] = []
  try {
    const port = Number(new URL(world.agents).port)
    const body = 'x'.repeat(32 * 1024)
    for (let n = 0; n <= held; n += 1) {
      const client = await RawClient.open(port)
      client.send(
        `POST /@agent-${n}/up0/bytes HTTP/1.1\r\nHost: weir.local\r\nX-Call-Id: c${n}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      crowd.push(client)
      if (n === 0) await pause(300)
    }
    await untilHeld(world, held)
    const from = performance.now()
    // The first one keeps the place: whoever it were given to would be sent, rightly.
    for (const client of crowd.slice(1)) client.socket.resetAndDestroy()
    await untilHeld(world, 0)
    const goneWithinMs = Math.round(performance.now() - from)
    const heldBytes = (await world.metrics()).sum('weir_held_bytes')
    // The first one was let through; the others must not have been.
    // All but one left on purpose, and that one still waits for its upstream when the row ends.
    return {
      ...tallyOf([], goneWithinMs - GONE_BOUND_MS),
      held,
      goneWithinMs,
      heldBytes,
      sentUpstream: world.upstreams[0]!.echo.ledger.size - 1,
    }
  } finally {
    for (const client of crowd) client.close()
    await world.close()
  }
}

async function untilHeld(world: WeirWorld, held: number): Promise<void> {
  const by = performance.now() + 60_000
  while ((await world.metrics()).sum('weir_held') !== held) {
    if (performance.now() > by) throw new Error(`never ${held} calls held`)
    await pause(20)
  }
}
