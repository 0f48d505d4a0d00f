/** Idle connections that end under the feet of the next call (promises.md row 8). */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CheckedCaller } from '../kit/faults/checked-caller.ts'
import { EchoUpstream } from '../kit/faults/echo-upstream.ts'
import { kept } from '../kit/kept.ts'
import { startProxy } from '../kit/proxy.ts'

test(
  'an upstream that closes idle connections as it announced costs no call',
  { timeout: 30_000 },
  async () => {
    const upstream = kept(await EchoUpstream.start({ serviceMs: 1 }, 1, 2000))
    const proxy = kept(await startProxy({ upstreams: { up0: new URL(`http://127.0.0.1:${upstream.port}`) } }))
    const caller = kept(new CheckedCaller(() => proxy.origin, 10_000))
    const endings: string[] = []
    const work = async (worker: number): Promise<void> => {
      // Gaps around the moment at which the upstream closes.
      for (const [n, gapMs] of [1000, 1900, 2000, 2050].entries()) {
        endings.push((await caller.call({ id: `${worker}-${n}`, upstream: 'up0', agent: 'a' })).ending)
        await pause(gapMs + worker)
      }
    }
    await Promise.all(Array.from({ length: 20 }, (_, worker) => work(worker)))
    expect(endings.length).toBe(80)
    expect(new Set(endings)).toEqual(new Set(['whole']))
  },
)
