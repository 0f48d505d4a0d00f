/** Weir itself short of memory, time or room: it sheds by priority before it suffers (promises.md row 62, G8, G9). */
import { expect, test } from 'vitest'
import { createCoordinator } from '../../src/core/coordinator.ts'
import { CheckedCaller, type CallResult } from '../kit/faults/checked-caller.ts'
import { WeirWorld } from '../kit/faults/weir-world.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { holdPolicy, policyOf } from '../kit/policy.ts'
import { startProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'

test('under pressure nothing is held from 0.8 on, and only critical calls pass from 0.9 on', async () => {
  const core = createCoordinator({ policy: policyOf(holdPolicy()), upstreams: ['api'], seed: 1 })
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, core }))
  const ask = async (priority: string): Promise<[number, string]> => {
    const headers = { 'weir-priority': priority }
    const answer = await fetch(`${proxy.origin}/api/x`, { headers })
    return [answer.status, answer.headers.get('weir-reason') ?? '']
  }
  core.pressure(0.85)
  expect(await ask('batch')).toEqual([200, ''])
  core.pressure(0.95)
  for (const priority of ['batch', 'normal', 'interactive']) {
    const [status, reason] = await ask(priority)
    expect([priority, status, reason]).toEqual([priority, 503, 'overload'])
  }
  expect(await ask('critical')).toEqual([200, ''])
  core.pressure(0)
  expect(await ask('batch')).toEqual([200, ''])
})

test('bodies of waiting calls fill the memory for them in order of priority, and never beyond it', async () => {
  const upstream = kept(await HttpUpstream.start())
  const hold = { bodyBytes: 1000, totalBytes: 10_000 }
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, hold }))
  proxy.core.verdictFor = () => ({ do: 'hold', reason: 'drift', until: performance.now() + 60_000 })
  const ask = async (priority: string, most: number): Promise<number> => {
    const before = proxy.proxy.stats.held
    const crowd = await Promise.all(Array.from({ length: most }, async () => RawClient.open(proxy.port)))
    for (const client of crowd) {
      kept(client)
      client.send(
        `POST /api/x HTTP/1.1\r\nHost: a\r\nWeir-Priority: ${priority}\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(1000)}`,
      )
    }
    const refused = (): number => crowd.filter(({ text }) => text.includes('hold-memory')).length
    await eventually(() => proxy.proxy.stats.held - before + refused() === most)
    return proxy.proxy.stats.held - before
  }
  expect(await ask('batch', 12)).toBe(8)
  expect(await ask('normal', 3)).toBe(1)
  expect(await ask('critical', 3)).toBe(1)
  await eventually(() => proxy.proxy.stats.heldBytes === hold.totalBytes)
})

test(
  'with a heap of 96 MiB and far more work than it can do, it neither dies nor stops answering its operator',
  { timeout: 120_000 },
  async () => {
    const world = kept(
      await WeirWorld.start({
        weather: { serviceMs: 20 },
        process: { node: ['--max-old-space-size=96'] },
      }),
    )
    const caller = kept(new CheckedCaller(() => world.agents, 60_000, 400))
    const until = performance.now() + 8000
    const results: CallResult[] = []
    const work = async (worker: number): Promise<void> => {
      for (let n = 0; performance.now() < until; n += 1) {
        const id = `w${worker}-${n}`
        const agent = `agent-${worker}-${n}`
        results.push(await caller.call({ id, upstream: 'up0', agent, bytesIn: 20_000, bytesOut: 20_000 }))
      }
    }
    let slowestMs = 0
    const watch = (async (): Promise<void> => {
      while (performance.now() < until) {
        const from = performance.now()
        expect((await fetch(`${world.operator}/livez`)).status).toBe(200)
        await world.metrics(5000)
        slowestMs = Math.max(slowestMs, performance.now() - from)
        await new Promise((resolve) => setTimeout(resolve, 250))
      }
    })()
    await Promise.all([watch, ...Array.from({ length: 100 }, (_, worker) => work(worker))])
    expect(world.weir!.isEnded).toBe(false)
    expect(slowestMs).toBeLessThan(8000)
    const bad = results.filter(({ ending }) => ending !== 'whole' && ending !== 'own')
    expect(bad).toEqual([])
    expect(results.filter(({ ending }) => ending === 'whole').length).toBeGreaterThan(500)
  },
)
