/** Kills at random moments under load, and afterwards the account: what was promised against what the ledger saw. */
import { seeded } from '../../src/core/random.ts'
import { pause, SpoolLoad, type Promised } from './spool-load.ts'
import { SpoolWorld } from './spool-world.ts'

export interface KillFigures {
  readonly kills: number
  readonly promised: number
  /** Promised, and without an end, or done without the upstream having seen it. */
  readonly lost: number
  /** Calls without a key that the upstream saw more than once. */
  readonly sentTwice: number
  readonly done: number
  readonly unknown: number
  /** Ends other than these. */
  readonly other: number
  /** Keyed calls that the upstream saw more than once: at least once is what was promised. */
  readonly keyedAgain: number
}

export interface KillOptions {
  readonly store: 'lmdb' | 'redis'
  readonly kills: number
  readonly seed: number
  /** Every how many kills it is Redis instead; 0 = never. */
  readonly redisEvery: number
  /** How long the ends are waited for, in ms. */
  readonly settleMs: number
}

const AGENTS = 8

export async function killUnderLoad(options: KillOptions): Promise<KillFigures> {
  const random = seeded(options.seed)
  const world = await SpoolWorld.start({ store: options.store, serviceMs: 30, deferral: 'concurrency: 16' })
  const load = new SpoolLoad(() => world.agents, 20)
  try {
    load.start(AGENTS)
    for (let kills = 1; kills <= options.kills; kills += 1) {
      // Somewhere between accepting, marking, sending, and keeping the answer.
      await pause(150 + random() * 850)
      const isRedis = options.redisEvery > 0 && kills % options.redisEvery === 0
      if (isRedis) await world.restartRedis()
      else await world.restart()
    }
    await pause(500)
    await load.stop()
    return await account(world, load, options)
  } finally {
    await load.stop()
    await load.close()
    await world.close()
  }
}

async function account(world: SpoolWorld, load: SpoolLoad, options: KillOptions): Promise<KillFigures> {
  const ends = new Map<string, { status: number; state: string }>()
  const by = performance.now() + options.settleMs
  let open: Promised[] = load.promised
  while (open.length > 0 && performance.now() < by) {
    const left: Promised[] = []
    for (let from = 0; from < open.length; from += 32) {
      const batch = open.slice(from, from + 32)
      const seen = await Promise.all(batch.map(async (call) => await load.endOf(call)))
      for (const [index, end] of seen.entries()) {
        if (end === undefined) left.push(batch[index]!)
        else ends.set(batch[index]!.id, end)
      }
    }
    open = left
    if (open.length > 0) await pause(500)
  }
  const { calls } = world.sandbox.ledger
  const isLost = ({ id }: Promised): boolean => {
    const end = ends.get(id)
    return end === undefined || end.state === '' || (end.state === 'done' && !calls.has(id))
  }
  const again = [...calls].filter(([, { attempts }]) => attempts > 1)
  const state = (wanted: string): number => [...ends.values()].filter((end) => end.state === wanted).length
  const [done, unknown] = [state('done'), state('unknown')]
  return {
    kills: options.kills,
    promised: load.promised.length,
    lost: load.promised.filter(isLost).length,
    sentTwice: again.filter(([id]) => load.asked.get(id) !== true).length,
    keyedAgain: again.filter(([id]) => load.asked.get(id) === true).length,
    done,
    unknown,
    other: ends.size - done - unknown,
  }
}
