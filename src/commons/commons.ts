/** The room's rooms, joined: one store, one clock of housekeeping, and what each tells the others. */
import { randomBytes } from 'node:crypto'
import type { Millis } from '../core/model.ts'
import { everybodyMay, type May } from './caller.ts'
import { Bus } from './events/bus.ts'
import { Groups } from './events/groups.ts'
import { DEFAULT_LIMITS, type CommonsLimits } from './limits.ts'
import { LogTail } from './log-tail.ts'
import { Elsewhere } from './registry/elsewhere.ts'
import { FlowBook, type FlowNames } from './registry/flow-book.ts'
import { Registry } from './registry/registry.ts'
import { SchemaBook } from './schemas/schema-book.ts'
import { Validators } from './schemas/validator.ts'
import type { ChangeRecord } from './state/document.ts'
import { State } from './state/state.ts'
import type { Store } from './store.ts'
import { Dispatcher } from './tasks/dispatcher.ts'
import { Tasks } from './tasks/tasks.ts'
import { type CanBear, UpstreamGate } from './tasks/upstream-gate.ts'
import { readBack } from './read-back.ts'

export interface CommonsDeps {
  readonly store: Store
  /** This Weir among those that share the store, another name after each start; made up when absent. */
  readonly replica?: string
  /** Names of the configured upstreams. */
  readonly upstreams: readonly string[]
  readonly canBear: CanBear
  readonly flowNames: FlowNames
  readonly limits?: Partial<CommonsLimits>
  readonly may?: May
  /** The store did not answer, or something of ours failed; said once per case, not per call. */
  readonly onTrouble: (error: unknown) => void
}

export interface Commons {
  readonly store: Store
  readonly replica: string
  readonly limits: CommonsLimits
  readonly may: May
  readonly upstreams: readonly string[]
  readonly canBear: CanBear
  readonly schemas: SchemaBook
  readonly state: State
  readonly changes: LogTail<ChangeRecord>
  readonly bus: Bus
  readonly groups: Groups
  readonly flows: FlowBook
  readonly registry: Registry
  readonly tasks: Tasks
  readonly dispatcher: Dispatcher
  readonly onTrouble: (error: unknown) => void
  /** What is due now; the timer of `start` calls it, and tests. Never rejects. */
  tick(): Promise<void>
  /** @throws StoreError */
  start(): Promise<void>
  stop(): Promise<void>
}

/** In the place of a change that the disk changed. */
const DAMAGED: ChangeRecord = { key: '', change: 'deleted', by: 'weir', at: 0 }
/** A lost lease is noticed within this time of its end. */
const TICK_MS: Millis = 250

export function createCommons(deps: CommonsDeps): Commons {
  const { store, upstreams, canBear, onTrouble, may = everybodyMay } = deps
  const { replica = randomBytes(6).toString('hex') } = deps
  const limits = { ...DEFAULT_LIMITS, ...deps.limits }
  const validators = new Validators()
  const schemas = new SchemaBook(store, may, validators)
  const state = new State(store, may, schemas, { history: limits.history, recordBytes: limits.recordBytes })
  const changes = new LogTail<ChangeRecord>(store, 'state', (text) =>
    text === '' ? DAMAGED : readBack<ChangeRecord>(text),
  )
  const bus = new Bus(store, may, schemas, replica)
  const groups = new Groups(store, may, bus)
  const flows = new FlowBook(limits.agents, deps.flowNames)
  const elsewhere = new Elsewhere(store, replica, flows)
  const registry = new Registry(store, may, flows, elsewhere)
  const gate = new UpstreamGate(canBear)
  const tasks = new Tasks(store, may, validators, gate, {
    keepMs: limits.keepTasksMs,
    recordBytes: limits.recordBytes,
  })
  const dispatcher = new Dispatcher(store, may, tasks, gate, onTrouble)
  registry.onLeft((agent, reason) => tasks.ownerLeft(agent, reason))
  let timer: NodeJS.Timeout | undefined
  let ticking: Promise<void> | undefined

  async function work(): Promise<void> {
    const parts = [
      registry.tick(),
      elsewhere.tick(),
      tasks.tick(upstreams).then(() => dispatcher.lookAll()),
      state.sweep(),
      bus.sweep(),
    ]
    for (const result of await Promise.allSettled(parts)) {
      if (result.status === 'rejected') onTrouble(result.reason)
    }
  }

  /** One at a time: a slow store is not asked again before it has answered. */
  function tick(): Promise<void> {
    return (ticking ??= work().finally(() => {
      ticking = undefined
    }))
  }

  return {
    store,
    replica,
    limits,
    may,
    upstreams,
    canBear,
    schemas,
    state,
    changes,
    bus,
    groups,
    flows,
    registry,
    tasks,
    dispatcher,
    onTrouble,
    tick,
    async start() {
      await store.open()
      bus.start()
      changes.start()
      timer = setInterval(() => void tick(), TICK_MS)
      timer.unref()
    },
    async stop() {
      clearInterval(timer)
      await ticking
      await bus.settled()
      bus.stop()
      changes.stop()
      await store.close()
    },
  }
}
