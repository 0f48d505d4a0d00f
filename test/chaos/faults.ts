/** What is done to Weir and around it, one function per fault; each opens its window and closes it. */
import { kill } from 'node:process'
import type { Random } from '../../src/core/random.ts'
import type { Faults } from '../kit/faults/fault-proxy.ts'
import type { Weather } from '../kit/faults/echo-upstream.ts'
import { HOLDING_POLICY, type WeirWorld } from '../kit/faults/weir-world.ts'
import { RawClient } from '../kit/raw-client.ts'
import type { Windows } from './windows.ts'

export interface ChaosRoom {
  readonly world: WeirWorld
  readonly windows: Windows
  readonly random: Random
  /** Without trouble. */
  readonly calm: Weather
}

type Fault = (room: ChaosRoom, lastsMs: number) => Promise<void>

const BAD_POLICY = 'version: 1\nrules: [ { name: broken, then: { do: explode } } ]\n'
const OTHER_POLICY = `${HOLDING_POLICY}  - name: fair\n    mode: enforce\n    then:\n      do: hold\n      limits: [{ per: agent, concurrency: 64 }]\n`
const HOUR_MS = 3_600_000
/** A connection that a wire fault touched may show it so much later: buffers, timers of both ends. */
const SETTLE_MS = 3000

export const FAULTS: Readonly<Record<string, Fault>> = {
  slow: weather({ serviceMs: 600 }),
  errors: weather({ serviceMs: 20, refused: 0.5 }),
  hanging: weather({ serviceMs: 20, hung: 0.2 }),
  resets: weather({ serviceMs: 20, reset: 0.2 }),
  'cut-answers': weather({ serviceMs: 20, cut: 0.2, short: 0.2 }),
  'early-answers': weather({ serviceMs: 20, early: 0.2 }),
  latency: wire({ latencyMs: 100, jitterMs: 200 }),
  bandwidth: wire({ bytesPerSecond: 200_000 }),
  slices: wire({ sliceBytes: 7, sliceGapMs: 1 }),
  blackhole: wire({ blackhole: true }),
  'wire-limit': wire({ limitBytes: 2000 }),
  'wire-reset': wire({ resetAfterBytes: 2000 }),
  'slow-close': wire({ closeDelayMs: 500 }),
  async 'reset-all'({ world, windows, random }) {
    const { name, wire: proxy } = pick(world.upstreams, random)
    const window = windows.open('reset-all', name)
    proxy.reset()
    windows.close(window, SETTLE_MS)
  },
  async 'door-shut'({ world, windows, random }, lastsMs) {
    const { name, wire: proxy } = pick(world.upstreams, random)
    const window = windows.open('door-shut', name)
    proxy.isShut = true
    await pause(lastsMs)
    proxy.isShut = false
    windows.close(window, SETTLE_MS)
  },
  async stall({ world, windows }, lastsMs) {
    const { weir, pid } = world
    const window = windows.open('stall')
    kill(pid, 'SIGSTOP')
    await pause(lastsMs)
    if (world.weir === weir) kill(pid, 'SIGCONT')
    windows.close(window, 1000)
  },
  async 'wall-clock'({ world, windows, random }, lastsMs) {
    const window = windows.open('wall-clock')
    await world.shiftWall(random() < 0.5 ? HOUR_MS : -HOUR_MS)
    await pause(lastsMs)
    await world.shiftWall(0)
    windows.close(window)
  },
  async 'redis-kill'({ world, windows }, lastsMs) {
    if (world.redis === undefined) return
    const window = windows.open('redis-kill')
    await world.redis.kill()
    await pause(lastsMs)
    await world.redis.run()
    windows.close(window)
  },
  async 'redis-freeze'({ world, windows }, lastsMs) {
    if (world.redis === undefined) return
    const window = windows.open('redis-freeze')
    world.redis.freeze()
    await pause(lastsMs)
    world.redis.thaw()
    windows.close(window)
  },
  async 'policy-reload'({ world, windows, random }, lastsMs) {
    const window = windows.open('policy-reload')
    await world.policy(random() < 0.5 ? OTHER_POLICY : BAD_POLICY)
    await pause(lastsMs)
    await world.policy(HOLDING_POLICY)
    windows.close(window)
  },
  async 'client-kills'({ world, windows, random }) {
    const window = windows.open('client-kills')
    const port = Number(new URL(world.agents).port)
    const crowd = await Promise.allSettled(Array.from({ length: 60 }, async () => RawClient.open(port)))
    for (const opened of crowd) {
      if (opened.status === 'fulfilled')
        opened.value.send(
          `POST /up0/bytes HTTP/1.1\r\nHost: a\r\nX-Call-Id: crowd-${random()}\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`,
        )
    }
    await pause(100 * random())
    for (const opened of crowd) if (opened.status === 'fulfilled') opened.value.socket.resetAndDestroy()
    windows.close(window)
  },
}

/** SIGTERM or SIGKILL, and the next one on the same ports. Calls meanwhile meet a closed door. */
export async function restart({ world, windows }: ChaosRoom, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const window = windows.open('restart')
  world.weir!.signal(signal)
  await world.weir!.ended
  await world.run()
  windows.close(window, 500)
}

function weather(changes: Partial<Weather>): Fault {
  return async ({ world, windows, random, calm }, lastsMs) => {
    const { name, echo } = pick(world.upstreams, random)
    const window = windows.open('weather', name)
    echo.weather = { ...calm, ...changes }
    await pause(lastsMs)
    echo.weather = calm
    windows.close(window, SETTLE_MS)
  }
}

function wire(faults: Faults): Fault {
  return async ({ world, windows, random }, lastsMs) => {
    const { name, wire: proxy } = pick(world.upstreams, random)
    const window = windows.open('wire', name)
    proxy.set(random() < 0.7 ? 'down' : 'up', faults)
    await pause(lastsMs)
    proxy.heal()
    windows.close(window, SETTLE_MS)
  }
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
