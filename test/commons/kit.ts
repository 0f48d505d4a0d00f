/** A memory store, a clock that moves when told, and callers: what the tests of the commons begin with. */
import { setMaxListeners } from 'node:events'
import { everybodyMay, type Caller, type May } from '../../src/commons/caller.ts'
import { createCommons, type Commons } from '../../src/commons/commons.ts'
import { DEFAULT_LIMITS, storeBounds } from '../../src/commons/limits.ts'
import type { Store } from '../../src/commons/store.ts'
import { MemoryStore } from '../../src/commons/stores/memory-store.ts'
import type { Bearing } from '../../src/commons/tasks/upstream-gate.ts'

export class FakeWall {
  at = 1_000_000

  readonly now = (): number => this.at

  pass(ms: number): void {
    this.at += ms
  }
}

/** Goes on by itself, and can be moved on. */
export class LiveWall extends FakeWall {
  readonly #began = Date.now()

  override readonly now = (): number => this.at + Date.now() - this.#began
}

export function memoryStore(wall: FakeWall): MemoryStore {
  return new MemoryStore(storeBounds(DEFAULT_LIMITS), wall.now)
}

export function caller(agent: string, workflow = ''): Caller {
  return { agent, trust: 'claimed', workflow }
}

/** The `why` of what is thrown, so that a test can say which refusal it expects. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    return error instanceof Error && 'why' in error ? String(error.why) : `not a refusal: ${String(error)}`
  }
}

export interface TestCommons extends Commons {
  readonly wall: FakeWall
  /** What `canBear` answers; well unless told otherwise. */
  readonly bearings: Map<string, Bearing>
  readonly trouble: unknown[]
  /** Types and subjects of the events so far. */
  told(): Promise<string[]>
}

/** The commons without a timer: tests call `tick`. */
export function testCommons(
  wall = new FakeWall(),
  store: Store = memoryStore(wall),
  may: May = everybodyMay,
): TestCommons {
  const bearings = new Map<string, Bearing>()
  const trouble: unknown[] = []
  const upstreams = ['api', 'tool']
  const commons = createCommons({
    store,
    may,
    upstreams,
    canBear: (name) => bearings.get(name) ?? (upstreams.includes(name) ? { is: 'open' } : undefined),
    flowNames: {
      upstream: (index) => ({ name: upstreams[index] ?? '', condition: 'healthy' }),
      agent: () => 'ordinary',
    },
    onTrouble: (error) => trouble.push(error),
  })
  commons.bus.start()
  commons.changes.start()
  return {
    ...commons,
    wall,
    bearings,
    trouble,
    async told() {
      await commons.bus.settled()
      const { entries } = await commons.bus.page(0, 1000)
      return entries.map(
        ({ item }) => `${item.type} ${JSON.stringify(item['subject'] ?? '').replaceAll('"', '')}`,
      )
    },
  }
}

export const neverGone = new AbortController().signal
setMaxListeners(0, neverGone)
