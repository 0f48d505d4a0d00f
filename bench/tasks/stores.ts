/** A fresh store of each kind; Redis is a server of our own, opened twice. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_LIMITS, storeBounds } from '../../src/commons/limits.ts'
import type { Store } from '../../src/commons/store.ts'
import { LmdbStore } from '../../src/commons/stores/lmdb-store.ts'
import { MemoryStore } from '../../src/commons/stores/memory-store.ts'
import { RedisStore } from '../../src/commons/stores/redis-store.ts'
import { RedisServer } from '../../test/kit/redis-server.ts'

interface Opened {
  readonly stores: readonly Store[]
  close(): Promise<void>
}

const bounds = storeBounds(DEFAULT_LIMITS)
const wall = (): number => Date.now()

export const STORES: Readonly<Record<string, () => Promise<Opened>>> = {
  async memory() {
    return { stores: [new MemoryStore(bounds, wall)], close: async () => {} }
  },
  async lmdb() {
    const directory = mkdtempSync(join(tmpdir(), 'weir-bench-tasks-'))
    return {
      stores: [new LmdbStore(directory, bounds, wall)],
      close: async () => rmSync(directory, { recursive: true }),
    }
  },
  async redis() {
    const server = await RedisServer.start()
    const options = { url: server.url, prefix: 'bench' }
    return {
      stores: [1, 2].map(() => new RedisStore(options, bounds, wall)),
      close: () => server.close(),
    }
  },
}
