/** One run's journal: the recorder before the core, and the writer behind it. */
import { randomBytes } from 'node:crypto'
import type { Coordinator, FleetCore } from '../core/coordinator.ts'
import type { Millis, Outcome } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import { createShownNames } from './hash-ids.ts'
import { headerLine } from './header.ts'
import type { HeaderLine } from './line.ts'
import { createPartStore, type PartStore } from './part-store.ts'
import { recordCore, type CarriedCall, type RecordedCore } from './record.ts'
import { JournalWriter, type WriterStats } from './writer.ts'

export interface JournalOptions {
  /** Absolute. */
  readonly dir: string
  readonly maxFileBytes: number
  readonly maxTotalBytes: number
  readonly hashIds: boolean
  /** Of the hashes of names and of parts of routes. */
  readonly key: Buffer
  /** Paths are written as they came. */
  readonly paths: boolean
}

export interface JournalDeps {
  /** As it was made: before its first call. */
  readonly core: Coordinator & FleetCore
  /** What the core was made of. */
  readonly made: NonNullable<HeaderLine['core']>
  readonly upstreams: readonly string[]
  readonly policy: Policy
  /** Digest of the policy in force, at the start and at every `adopt`. */
  readonly digest: () => string
  readonly version: string
  /** The core's clock. */
  readonly clock: () => Millis
  /** In ms. */
  readonly wall: () => number
  /** At every try that fails. */
  readonly onTrouble: (error: unknown, dropped: number) => void
  readonly onRecovered: (dropped: number) => void
  /** For tests: another place than `options.dir`. */
  readonly store?: PartStore
}

export interface Journal {
  /** To be told everything in place of the core that it was made with. */
  readonly core: RecordedCore
  readonly stats: Readonly<WriterStats>
  /** Begins the first part. @throws when the operator must act, such as EACCES; a full disk is waited for instead */
  open(): Promise<void>
  /** A call is over for its client. */
  ended(call: CarriedCall, outcome: Outcome): void
  /** After the last call: what is in memory goes to disk, within two seconds. */
  close(): Promise<void>
}

/** What may pass by itself. */
const PASSING = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY', 'ETIMEDOUT'])

export function createJournal(options: JournalOptions, deps: JournalDeps): Journal {
  const { clock, upstreams, policy, digest } = deps
  const run = randomBytes(8).toString('hex')
  const startedAt = deps.wall()
  // The zero of the core's clock: its instants go into the lines as they are.
  const zero = startedAt - clock()
  const facts = {
    source: `weir ${deps.version}`,
    upstreams,
    run,
    core: deps.made,
    policies: digest(),
    hashedIds: options.hashIds,
  }
  const writer = new JournalWriter({
    store: deps.store ?? createPartStore(options.dir, run, startedAt),
    header: (part) => JSON.stringify(headerLine({ ...facts, part }, zero)),
    maxFileBytes: options.maxFileBytes,
    maxTotalBytes: options.maxTotalBytes,
    clock,
    onTrouble: deps.onTrouble,
    onRecovered: deps.onRecovered,
  })
  const core = recordCore(deps.core, {
    upstreams,
    policy,
    digest,
    shown: createShownNames(options),
    hidesNames: options.hashIds,
    paths: options.paths,
    sink: writer.write,
  })
  return {
    core,
    stats: writer.stats,
    async open() {
      try {
        await writer.open()
      } catch (error) {
        const isPassing = error instanceof Error && 'code' in error && PASSING.has(String(error.code))
        if (!isPassing) throw error
        deps.onTrouble(error, 0)
      }
    },
    ended: (call, outcome) => core.ended(call, outcome, clock()),
    async close() {
      core.finish()
      await writer.close()
    },
  }
}
