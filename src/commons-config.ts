/** The `commons:` block of the config, checked. */
import { resolve } from 'node:path'
import type { CommonsLimits } from './commons/limits.ts'
import type { ConfigValue } from './config-schema.ts'
import type { Complaint, Path } from './policy/problems.ts'

export interface CommonsConfig {
  readonly store:
    | { readonly kind: 'memory' }
    | { readonly kind: 'lmdb'; readonly dir: string }
    | { readonly kind: 'redis'; readonly url: string; readonly prefix: string }
  readonly limits: Partial<CommonsLimits>
}

export interface CommonsResolving {
  /** Relative paths begin here. */
  readonly folder: string
  readonly workers: number
  report(path: Path, complaint: Complaint): void
}

/** Undefined = agents share nothing. */
export function commonsConfig(
  value: ConfigValue['commons'],
  to: CommonsResolving,
): CommonsConfig | undefined {
  if (value.store === 'none') return undefined
  const store = storeOf(value, to)
  if (store === undefined) return undefined
  if (store.kind !== 'redis' && to.workers > 1) {
    to.report(['commons', 'store'], {
      found: `${to.workers} workers, and a store of one process (${store.kind})`,
      allowed: 'redis with more than one worker',
      fix: 'set commons.store to redis, or workers to 1: each worker would have a commons of its own',
    })
  }
  return {
    store,
    limits: {
      recordBytes: value.maxRecordBytes,
      roomBytes: value.maxRoomBytes,
      documents: value.maxDocuments,
      tasks: value.maxTasks,
      events: value.maxEvents,
      agents: value.maxAgents,
      listeners: value.maxListeners,
      keepTasksMs: value.keepTasks,
    },
  }
}

function storeOf(value: ConfigValue['commons'], to: CommonsResolving): CommonsConfig['store'] | undefined {
  if (value.store === 'memory') return { kind: 'memory' }
  if (value.store === 'redis') {
    if (value.redis !== undefined) return { kind: 'redis', url: value.redis.href, prefix: value.prefix }
    to.report(['commons', 'store'], {
      found: 'redis without commons.redis',
      allowed: 'both',
      fix: 'add commons.redis: redis://host:6379',
    })
    return undefined
  }
  if (value.dir !== undefined) return { kind: 'lmdb', dir: resolve(to.folder, value.dir) }
  to.report(['commons', 'store'], {
    found: 'lmdb without commons.dir',
    allowed: 'both',
    fix: 'add commons.dir: a directory on a local disk',
  })
  return undefined
}
