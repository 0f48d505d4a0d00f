/** The `deferral:` block of the config, checked: its key files are read, and a promise that cannot last is refused. */
import { resolve } from 'node:path'
import type { ConfigValue } from './config-schema.ts'
import type { DeferralOptions } from './defer/deferral.ts'
import { lastingProblem } from './defer/lasting-directory.ts'
import type { Complaint, Path } from './policy/problems.ts'

export interface DeferralConfig extends DeferralOptions {
  readonly store:
    | { readonly kind: 'lmdb'; readonly dir: string }
    | { readonly kind: 'redis'; readonly url: string; readonly prefix: string }
  /** The one that seals first; the others only open. */
  readonly keys: readonly string[]
}

export interface DeferralResolving {
  /** Relative paths begin here. */
  readonly folder: string
  readonly upstreams: readonly string[]
  readonly workers: number
  /** Kubernetes says so in the environment of every pod. */
  readonly isInCluster: boolean
  /** The text of a file; undefined = it cannot be read. */
  read(path: string): string | undefined
  report(path: Path, complaint: Complaint): void
}

const LEAST_KEY = 32
const LONGEST_KEY = 1024

/** Undefined = nothing is deferred. */
export function deferralConfig(
  value: ConfigValue['deferral'],
  to: DeferralResolving,
): DeferralConfig | undefined {
  if (value.store === 'none') return undefined
  const store = storeOf(value, to)
  const keys = keysOf(value, to)
  for (const name of Object.keys(value.credentials ?? {})) {
    if (to.upstreams.includes(name)) continue
    to.report(['deferral', 'credentials', name], {
      found: `deferral.credentials for an upstream that is not there: ${name}`,
      allowed: to.upstreams.join(', '),
      fix: 'name a configured upstream',
      atKey: true,
    })
  }
  if (store === undefined || keys === undefined) return undefined
  return {
    store,
    keys,
    callBytes: value.maxCallBytes,
    answerBytes: value.maxAnswerBytes,
    ttlMs: value.ttl,
    concurrency: value.concurrency,
    credentials: value.credentials ?? {},
    bounds: {
      calls: value.maxCalls,
      bytes: value.maxTotalBytes,
      perAgent: value.maxPerAgent,
      keepMs: value.keep,
      attempts: value.attempts,
    },
  }
}

function storeOf(value: ConfigValue['deferral'], to: DeferralResolving): DeferralConfig['store'] | undefined {
  if (value.store === 'redis') {
    if (value.redis !== undefined) return { kind: 'redis', url: value.redis.href, prefix: value.prefix }
    to.report(['deferral', 'store'], {
      found: 'deferral.store redis without deferral.redis',
      allowed: 'redis://host:port or rediss://host:port',
      fix: 'add deferral.redis',
    })
    return undefined
  }
  if (value.dir === undefined) {
    to.report(['deferral', 'store'], {
      found: 'deferral.store lmdb without deferral.dir',
      allowed: 'the path of a directory on a local disk that lasts',
      fix: 'add deferral.dir',
    })
    return undefined
  }
  if (to.workers > 1) {
    to.report(['deferral', 'store'], {
      found: `deferral.store lmdb with ${to.workers} workers: one process writes to a directory`,
      allowed: 'redis, or workers: 1',
      fix: 'write `store: redis`, which workers and replicas share',
    })
    return undefined
  }
  const dir = resolve(to.folder, value.dir)
  const problem = lastingProblem(dir, to.isInCluster)
  if (problem === undefined || value.volatile) return { kind: 'lmdb', dir }
  to.report(['deferral', 'dir'], {
    found: `deferral.dir ${problem}: 202 would promise an answer that a restart loses`,
    allowed: 'a persistent volume, or store: redis',
    fix: 'mount a persistent volume there, or write `store: redis`; `volatile: true` if it is only a trial',
  })
  return undefined
}

function keysOf(value: ConfigValue['deferral'], to: DeferralResolving): readonly string[] | undefined {
  const keys: string[] = []
  for (const [index, path] of (value.keyFiles ?? []).entries()) {
    const text = to.read(resolve(to.folder, path))?.trim()
    if (text !== undefined && text.length >= LEAST_KEY && text.length <= LONGEST_KEY) keys.push(text)
    else {
      to.report(['deferral', 'keyFiles', index], {
        found: `deferral.keyFiles ${text === undefined ? 'cannot be read' : `holds ${text.length} characters`}`,
        allowed: `a file with a secret of ${LEAST_KEY} to ${LONGEST_KEY} characters`,
        fix: 'check the path; `head -c 32 /dev/urandom | base64` makes a key',
      })
    }
  }
  if (value.keyFiles === undefined) {
    to.report(['deferral', 'store'], {
      found: 'deferral without deferral.keyFiles: what agents send would be on disk in the clear',
      allowed: 'a list of files, the first one seals',
      fix: '`head -c 32 /dev/urandom | base64 > deferral.key`, and keyFiles: [deferral.key]',
    })
  }
  return keys.length === 0 || keys.length < (value.keyFiles?.length ?? 1) ? undefined : keys
}
