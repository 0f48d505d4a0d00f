/** Weir under limits of the system: few open files, little memory, and as the first process of a container. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CheckedCaller } from '../kit/faults/checked-caller.ts'
import { WeirWorld } from '../kit/faults/weir-world.ts'
import { eventually, kept } from '../kit/kept.ts'
import { RawClient } from '../kit/raw-client.ts'

test(
  'with 256 open files it takes as many connections as it can serve, and its operator is answered',
  { timeout: 60_000 },
  async () => {
    const world = kept(
      await WeirWorld.start({ process: { under: ['bash', '-c', 'ulimit -n 256; exec "$@"', 'bash'] } }),
    )
    const port = Number(new URL(world.agents).port)
    const crowd = await Promise.all(Array.from({ length: 300 }, async () => RawClient.open(port)))
    for (const client of crowd) kept(client)
    await eventually(() => crowd.filter(({ isClosed }) => isClosed).length > 150)
    const metrics = await world.metrics(2000)
    const inside = metrics.sum('weir_connections')
    expect(inside).toBeLessThan(256 - 32)
    expect(inside + metrics.sum('weir_connections_dropped_total')).toBe(300)
    // Who is inside is served: its call finds a file for its upstream.
    const client = crowd.find(({ isClosed }) => !isClosed)!
    client.send('POST /up0/bytes HTTP/1.1\r\nHost: weir.local\r\nX-Call-Id: one\r\nContent-Length: 0\r\n\r\n')
    expect((await client.response()).status).toBe(200)
    expect(world.weir!.output).toContain('fewer connections than configured')
    expect((await fetch(`${world.operator}/readyz`)).status).toBe(200)
  },
)

test(
  'as process 1 it hears SIGTERM, answers what is in flight, and exits 0',
  { timeout: 60_000 },
  async () => {
    const world = kept(
      await WeirWorld.start({
        weather: { serviceMs: 500 },
        process: { under: ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] },
      }),
    )
    const caller = kept(new CheckedCaller(() => world.agents, 10_000))
    const call = caller.call({ id: 'last', upstream: 'up0', agent: 'a' })
    await eventually(() => world.upstreams[0]!.echo.ledger.has('last'))
    // `unshare` waits around it; the only child is the first process of its namespace.
    const children = readFileSync(`/proc/${world.pid}/task/${world.pid}/children`, 'latin1')
    const pid = Number(children.trim())
    expect(readFileSync(`/proc/${pid}/status`, 'latin1')).toMatch(/^NSpid:\s+\d+\s+1$/m)
    process.kill(pid, 'SIGTERM')
    expect((await call).ending).toBe('whole')
    await world.weir!.ended
    expect(world.weir!.exitCode).toBe(0)
  },
)
