/**
 * `npm run bench -- spool`: what a promise of 202 is worth. Weir, and Redis under it, are killed with SIGKILL at random
 * moments under load; afterwards each promised call must have its end, and the upstream's ledger must not have seen
 * twice what may not be sent twice. Then how many promises a second there are, on either store, and how long the main
 * thread stands still for them.
 */
import { HAS_REDIS } from '../test/kit/redis-server.ts'
import { killUnderLoad, type KillFigures } from './spool/spool-kills.ts'
import { pause, SpoolLoad } from './spool/spool-load.ts'
import { SpoolWorld } from './spool/spool-world.ts'

const SEED = 6
const WRITERS = 32
/** Until the code is compiled. */
const WARM_MS = 3000

interface SpeedFigures {
  readonly acceptsPerSecond: number
  readonly stallMsP99: number
  /** Of all threads of Weir's process: what is left of the figure when others use the machine, too. */
  readonly cpuMsPerAccept: number
}

export async function run({ smoke }: { smoke: boolean }): Promise<Record<string, unknown>> {
  const kills = smoke ? 4 : 100
  const half = HAS_REDIS ? Math.ceil(kills / 2) : kills
  const settleMs = smoke ? 60_000 : 120_000
  const lmdb = await killUnderLoad({ store: 'lmdb', kills: half, seed: SEED, redisEvery: 0, settleMs })
  const redis = HAS_REDIS
    ? await killUnderLoad({ store: 'redis', kills: kills - half, seed: SEED + 1, redisEvery: 2, settleMs })
    : undefined
  const speed = await acceptsPerSecond('lmdb', smoke ? 1000 : 10_000)
  const redisSpeed = HAS_REDIS ? await acceptsPerSecond('redis', smoke ? 1000 : 10_000) : undefined
  const sum = (read: (figures: KillFigures) => number): number =>
    read(lmdb) + (redis === undefined ? 0 : read(redis))
  return {
    kills: sum((figures) => figures.kills),
    promised: sum((figures) => figures.promised),
    lost: sum((figures) => figures.lost),
    sentTwice: sum((figures) => figures.sentTwice),
    acceptsPerSecond: speed.acceptsPerSecond,
    stallMsP99: speed.stallMsP99,
    stores: {
      lmdb: { ...lmdb, ...speed },
      ...(redis === undefined ? {} : { redis: { ...redis, ...redisSpeed } }),
    },
  }
}

/** Promises only: the runner has one place, and the upstream takes its time. */
async function acceptsPerSecond(store: 'lmdb' | 'redis', forMs: number): Promise<SpeedFigures> {
  const world = await SpoolWorld.start({ store, serviceMs: 1000, deferral: 'concurrency: 1' })
  const load = new SpoolLoad(() => world.agents, 0)
  try {
    load.start(WRITERS)
    await pause(WARM_MS)
    // The delay of the event loop counts from one scrape to the next.
    const start = await scrape(world)
    const before = load.promised.length
    const from = performance.now()
    await pause(forMs)
    const accepts = load.promised.length - before
    const tookMs = performance.now() - from
    const end = await scrape(world)
    await load.stop()
    return {
      acceptsPerSecond: Math.round((1000 * accepts) / tookMs),
      stallMsP99: rounded(end.stallMs),
      cpuMsPerAccept: rounded((end.cpuMs - start.cpuMs) / accepts),
    }
  } finally {
    await load.stop()
    await load.close()
    await world.close()
  }
}

/** p99 of the delay of Weir's event loop since the last time, and what it has used of the processor; in ms. */
async function scrape({ operator }: SpoolWorld): Promise<{ stallMs: number; cpuMs: number }> {
  const lines = (await (await fetch(`${operator}/metrics`)).text()).split('\n')
  const read = (series: string): number =>
    1000 * Number(lines.find((line) => line.startsWith(`${series} `))?.split(' ')[1] ?? Number.NaN)
  return {
    stallMs: read('weir_event_loop_delay_seconds{quantile="0.99"}'),
    cpuMs: read('process_cpu_seconds_total'),
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
