/**
 * Delegation: tasks, each with exactly one owner at a time. Every step is one commit over the version that was looked
 * at, with its event and what follows from it in the same commit: two who believe to own a task cannot both take a
 * step, and a crash between two steps loses neither.
 */
import type { Millis } from '../../core/model.ts'
import { demand, type Caller, type May } from '../caller.ts'
import type { Json } from '../json.ts'
import { type Fault, Refused } from '../refused.ts'
import type { Validators } from '../schemas/validator.ts'
import { step, unchanged, type Decided } from '../step.ts'
import type { Change, Store, Stored } from '../store.ts'
import { taskEvent } from './task-events.ts'
import { TaskIds } from './task-ids.ts'
import type { AttemptEnd, FollowUp, Task, TaskSpec, TaskStateName } from './task.ts'
import * as machine from './task-machine.ts'
import type { UpstreamGate } from './upstream-gate.ts'
import { readBack } from '../read-back.ts'

export interface TasksOptions {
  readonly keepMs: Millis
  readonly recordBytes: number
}

/** A task as it was at one moment. */
export interface TaskAt {
  readonly task: Task
  readonly version: number
}

/** Records that one round of housekeeping touches. */
const ROUND = 256
/** Rounds in a row, so that the rest of the housekeeping gets its turn. */
const MOST_ROUNDS = 16

export class Tasks {
  readonly #store: Store
  readonly #may: May
  readonly #validators: Validators
  readonly #gate: UpstreamGate
  readonly #options: TasksOptions
  readonly #ids = new TaskIds()
  readonly #reassigned: Record<AttemptEnd, number> = {
    failed: 0,
    contract: 0,
    lease: 0,
    left: 0,
    undelivered: 0,
  }
  /** Told of every task that may be claimed now. */
  #onReady: (capability: string) => void = () => {}

  constructor(store: Store, may: May, validators: Validators, gate: UpstreamGate, options: TasksOptions) {
    this.#store = store
    this.#may = may
    this.#validators = validators
    this.#gate = gate
    this.#options = options
  }

  onReady(listener: (capability: string) => void): void {
    this.#onReady = listener
  }

  /** Tasks that this process took from an owner for another one, by why. */
  get reassigned(): Readonly<Record<AttemptEnd, number>> {
    return this.#reassigned
  }

  /** @throws Refused `conflict` when the id is there already, `unknown` names of tasks or upstreams, `contract`, `full` */
  async create(caller: Caller, spec: TaskSpec): Promise<Task> {
    demand(this.#may, caller, { do: 'task.create', on: spec.kind })
    this.#check(spec)
    const id = spec.id ?? this.#ids.next(this.#store.now())
    const correlationid = spec.correlationid ?? caller.workflow
    const origin = { id, by: caller.agent, correlationid, parent: '' }
    return step(this.#store, async (): Promise<Decided<Task>> => {
      if (spec.id !== undefined && (await this.#store.get(keyOf(id))) !== undefined) {
        throw new Refused('conflict', `there is a task ${id} already`)
      }
      const now = this.#store.now()
      const needed = await Promise.all((spec.after ?? []).map((other) => this.#needed(other)))
      const waitsFor = needed.flatMap(({ task }) => (task.state.in === 'done' ? [] : [task.id]))
      const task = machine.created(spec, origin, waitsFor, now)
      const text = JSON.stringify(task)
      if (text.length > this.#options.recordBytes) {
        throw new Refused(
          'too-large',
          `the task has ${text.length} bytes; at most ${this.#options.recordBytes}`,
        )
      }
      const changes = [
        ...this.#step(undefined, task, 'absent', now, true),
        ...needed.map(({ task: other, version }) => this.#depends(other, version)),
      ]
      return {
        changes,
        result: () => {
          this.#tell(task)
          return task
        },
      }
    })
  }

  /** @throws Refused `unknown` */
  async get(caller: Caller, id: string): Promise<Task> {
    const { task } = await this.at(id)
    demand(this.#may, caller, { do: 'task.read', on: task.kind })
    return task
  }

  /** Tasks in this state, those that are in it the longest first. */
  async inState(caller: Caller, state: TaskStateName, most: number): Promise<readonly Task[]> {
    demand(this.#may, caller, { do: 'task.read', on: '*' })
    return (await this.#store.marked(machine.INDEX.state(state), Infinity, most)).map(taskOf)
  }

  /** What this agent has now, what it has the longest first. */
  async ownedBy(caller: Caller, owner: string, most: number): Promise<readonly Task[]> {
    demand(this.#may, caller, { do: 'task.read', on: '*' })
    return (await this.#store.marked(machine.INDEX.owner(owner), Infinity, most)).map(taskOf)
  }

  /** Tasks that are blocked until this one is done, those that wait the longest first. */
  async waitingFor(id: string, most: number): Promise<readonly Task[]> {
    return (await this.#store.marked(machine.INDEX.after(id), Infinity, most)).map(taskOf)
  }

  /** Undefined = it is not kept any more. */
  async find(id: string): Promise<Task | undefined> {
    const stored = await this.#store.get(keyOf(id))
    return stored === undefined ? undefined : taskOf(stored)
  }

  count(state: TaskStateName): Promise<number> {
    return this.#store.count(machine.INDEX.state(state))
  }

  /** Why it is not being done right now, in a sentence; '' = it is, or it has ended. */
  why({ state, upstreams }: Task, now: Millis): string {
    switch (state.in) {
      case 'blocked':
        return `waits for ${state.waitsFor.join(', ')}`
      case 'parked':
        return this.#gate.why(state.upstream) || `${state.upstream} can bear it again: about to resume`
      case 'ready': {
        const reasons = upstreams
          .map((upstream) => this.#gate.why(upstream))
          .filter((reason) => reason !== '')
        if (reasons.length > 0) return reasons.join('; ')
        const leftMs = state.notBefore - now
        return leftMs > 0
          ? `waits ${leftMs} ms before its next attempt`
          : 'waits for an agent with its capability'
      }
      case 'gate':
        return `waits for a person: ${state.cause}: ${state.detail}`
      case 'running':
      case 'done':
      case 'cancelled':
    }
    return ''
  }

  /** @throws Refused `conflict` when this caller does not own it under this fence: somebody else may */
  async heartbeat(caller: Caller, id: string, fence: number): Promise<Task> {
    return this.#owned(caller, id, fence, (task, now) => machine.renewed(task, now))
  }

  /**
   * The end of a task. Saying it again under the same fence answers the same.
   *
   * @throws Refused `contract` when the result does not fit: the attempt has failed then, and the task goes on
   */
  async complete(caller: Caller, id: string, fence: number, result: Json): Promise<Task> {
    const { task: first } = await this.at(id)
    if (isEndOf(first, caller.agent, fence)) return first
    let fault: Fault | undefined
    const task = await this.#owned(caller, id, fence, (before, now) => {
      fault = before.outputSchema === undefined ? undefined : this.#validators.of(before.outputSchema)(result)
      if (fault === undefined) return machine.completed(before, result, caller.agent, now)
      return machine.attemptEnded(before, 'contract', `${fault.found} at ${fault.where}`, now)
    })
    if (fault !== undefined) {
      throw new Refused(
        'contract',
        `the output does not fit: ${fault.found}; task ${id} is ${task.state.in} again`,
        [{ ...fault, where: `/output${fault.where === '/' ? '' : fault.where}` }],
      )
    }
    return task
  }

  /** The owner gives up: the next attempt, or after the last one the human gate. */
  async fail(caller: Caller, id: string, fence: number, reason: string): Promise<Task> {
    return this.#owned(caller, id, fence, (task, now) => machine.attemptEnded(task, 'failed', reason, now))
  }

  /** What a person says at the gate. @throws Refused `conflict` when it is not there */
  async decide(caller: Caller, id: string, decision: machine.Decision): Promise<Task> {
    return this.#move(id, (task, now) => {
      demand(this.#may, caller, { do: 'task.decide', on: task.kind })
      const next = machine.decided(task, caller.agent, decision, now)
      if (next === undefined) throw new Refused('conflict', `task ${id} is ${task.state.in}, not at the gate`)
      return next
    })
  }

  async cancel(caller: Caller, id: string): Promise<Task> {
    return this.#move(id, (task, now) => {
      if (task.createdBy !== caller.agent) demand(this.#may, caller, { do: 'task.decide', on: task.kind })
      const next = machine.cancelled(task, caller.agent, now)
      if (next === undefined) throw new Refused('conflict', `task ${id} is ${task.state.in} already`)
      return next
    })
  }

  /** What could be given to an owner of this capability now, the longest waiting first. */
  async ready(capability: string, most: number): Promise<readonly TaskAt[]> {
    const rows = await this.#store.marked(machine.INDEX.ready(capability), this.#store.now(), most)
    return rows.map((row) => ({ task: taskOf(row), version: row.version }))
  }

  /** Gives it to this owner. Undefined = it is no longer what was looked at. */
  async assign({ task, version }: TaskAt, owner: string): Promise<Task | undefined> {
    const now = this.#store.now()
    const next = await this.#try(
      task,
      version,
      machine.claimed(task, owner, now) ?? machine.overtaken(task, now),
    )
    return next?.state.in === 'running' ? next : undefined
  }

  async park({ task, version }: TaskAt, upstream: string): Promise<void> {
    await this.#try(task, version, machine.parked(task, upstream, this.#store.now()))
  }

  /** Takes what an owner has back, because it left or was never told. Undefined = it had nothing to take back. */
  async takeBack(task: Task, end: AttemptEnd, reason: string): Promise<Task | undefined> {
    const { task: now, version } = await this.at(task.id)
    if (now.fence !== task.fence) return undefined
    return this.#try(now, version, machine.attemptEnded(now, end, reason, this.#store.now()))
  }

  /** Everything that an agent has goes to others. */
  async ownerLeft(owner: string, reason: string): Promise<number> {
    let moved = 0
    for (;;) {
      const rows = await this.#store.marked(machine.INDEX.owner(owner), Infinity, ROUND)
      const now = this.#store.now()
      const tries = rows.map(async (row) => {
        const task = taskOf(row)
        return this.#try(task, row.version, machine.attemptEnded(task, 'left', reason, now))
      })
      const done = (await Promise.all(tries)).filter((task) => task !== undefined).length
      moved += done
      if (rows.length < ROUND || done === 0) return moved
    }
  }

  /** Does what time asks for: leases, deadlines, dependencies, upstreams that are well again, old ends. */
  async tick(upstreams: readonly string[]): Promise<void> {
    await this.#overtake()
    await this.#release()
    for (const upstream of upstreams) await this.#unpark(upstream)
  }

  async at(id: string): Promise<TaskAt> {
    const stored = await this.#store.get(keyOf(id))
    if (stored === undefined) throw new Refused('unknown', `there is no task ${id}`)
    return { task: taskOf(stored), version: stored.version }
  }

  /** All that is due, round by round: when many owners are lost at once, the last one is not to wait for the others. */
  async #overtake(): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const now = this.#store.now()
      const rows = await this.#store.marked(machine.INDEX.due, now, ROUND)
      await Promise.all(rows.map((row) => this.#timeOut(row, now)))
      if (rows.length < ROUND) return
    }
  }

  async #timeOut(row: Stored, now: Millis): Promise<void> {
    const task = taskOf(row)
    if (task.state.in === 'done' || task.state.in === 'cancelled') {
      await this.#store.commit([{ do: 'delete', key: row.key, expected: row.version }])
    } else await this.#try(task, row.version, machine.overtaken(task, now))
  }

  /** Tells those that wait for a task that it has ended; only when none is left is the task itself settled. */
  async #release(): Promise<void> {
    const ended = await this.#store.marked(machine.INDEX.release, Infinity, 64)
    for (const row of ended) {
      const task = taskOf(row)
      const now = this.#store.now()
      const waiting = await this.#store.marked(machine.INDEX.after(task.id), Infinity, ROUND)
      await Promise.all(
        waiting.map(async (other) => {
          const blocked = taskOf(other)
          const isDone = task.state.in === 'done'
          const next = isDone
            ? machine.dependencyDone(blocked, task.id, now)
            : machine.dependencyLost(blocked, task.id, now)
          await this.#try(blocked, other.version, next)
        }),
      )
      if (waiting.length > 0) continue
      await this.#try(task, row.version, { ...task, hasDependents: false })
    }
  }

  async #unpark(upstream: string): Promise<void> {
    const now = this.#store.now()
    const room = Math.min(ROUND, this.#gate.room(upstream, now))
    if (room < 1) return
    const rows = await this.#store.marked(machine.INDEX.parked(upstream), Infinity, room)
    await Promise.all(
      rows.map(async (row) => {
        const task = taskOf(row)
        await this.#try(task, row.version, machine.unparked(task, now))
      }),
    )
  }

  /** One step over the version that was looked at; undefined = it does not apply, or somebody was faster. */
  async #try(before: Task, version: number, after: Task | undefined): Promise<Task | undefined> {
    if (after === undefined) return undefined
    const commit = await this.#store.commit(this.#step(before, after, version, this.#store.now(), false))
    if (!commit.ok) return undefined
    this.#count(before, after)
    this.#tell(after)
    return after
  }

  #count(before: Task, after: Task): void {
    if (before.state.in !== 'running' || after.state.in !== 'ready') return
    const last = after.tried.at(-1)
    if (last !== undefined) this.#reassigned[last.end] += 1
  }

  /** A step of whoever owns it, under its fence. */
  async #owned(
    caller: Caller,
    id: string,
    fence: number,
    next: (task: Task, now: Millis) => Task | undefined,
  ): Promise<Task> {
    return this.#move(id, (task, now) => {
      if (!machine.isOwnedBy(task, caller.agent, fence, now)) throw notOwner(task, caller, fence)
      return next(task, now)
    })
  }

  /** Looks and steps until it is done or refused. */
  async #move(id: string, next: (task: Task, now: Millis) => Task | undefined): Promise<Task> {
    return step(this.#store, async (): Promise<Decided<Task>> => {
      const { task, version } = await this.at(id)
      const now = this.#store.now()
      const after = next(task, now)
      if (after === undefined) return unchanged(task)
      return {
        changes: this.#step(task, after, version, now, false),
        result: () => {
          this.#count(task, after)
          this.#tell(after)
          return after
        },
      }
    })
  }

  /** The task, its event, and the tasks that follow from it. */
  #step(
    before: Task | undefined,
    after: Task,
    expected: number | 'absent',
    now: Millis,
    bounded: boolean,
  ): Change[] {
    const event = taskEvent(before, after, now)
    const following = before === undefined ? [] : machine.followUps(before, after, now)
    return [
      this.#put(after, expected, bounded),
      ...(event === undefined ? [] : [event]),
      ...following.flatMap((task) => this.#step(undefined, task, 'absent', now, false)),
    ]
  }

  #put(task: Task, expected: number | 'absent', bounded: boolean): Change {
    const marks = machine.marksOf(task, this.#options.keepMs)
    return { do: 'put', key: keyOf(task.id), value: JSON.stringify(task), expected, marks, bounded }
  }

  /** What a new task needs must still be what it was; a first dependent is noted there, so that its end looks for it. */
  #depends(task: Task, version: number): Change {
    if (task.state.in === 'done' || task.hasDependents)
      return { do: 'check', key: keyOf(task.id), expected: version }
    return this.#put({ ...task, hasDependents: true }, version, false)
  }

  async #needed(id: string): Promise<TaskAt> {
    const found = await this.at(id)
    if (found.task.state.in !== 'cancelled') return found
    throw new Refused('conflict', `task ${id} was cancelled: nothing can come after it`)
  }

  #tell(task: Task): void {
    if (task.state.in === 'ready') this.#onReady(task.capability)
    else if (task.state.in === 'done') {
      for (const { kind, capability } of task.onDone) this.#onReady(capability ?? kind)
    } else if (task.state.in === 'gate') {
      for (const { kind, capability } of task.onFailed) this.#onReady(capability ?? kind)
    }
  }

  /** Names of upstreams and schemas, of the task and of all that follows. */
  #check(spec: TaskSpec | FollowUp): void {
    for (const upstream of spec.upstreams ?? []) {
      if (this.#gate.isKnown(upstream)) continue
      const found = `no upstream ${upstream}`
      throw new Refused('malformed', found, [
        { where: '/upstreams', found, allowed: 'names of configured upstreams' },
      ])
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema let only JSON through
    if (spec.output !== undefined) this.#validators.of(spec.output as Json)
    for (const following of [...(spec.onDone ?? []), ...(spec.onFailed ?? [])]) this.#check(following)
  }
}

function isEndOf(task: Task, owner: string, fence: number): boolean {
  return task.state.in === 'done' && task.state.owner === owner && task.fence === fence
}

function notOwner(task: Task, caller: Caller, fence: number): Refused {
  const { state } = task
  const found =
    state.in === 'running'
      ? `${state.owner} has it with fence ${task.fence}${state.owner === caller.agent ? '' : `, not ${caller.agent}`}`
      : `it is ${state.in}`
  return new Refused('conflict', `task ${task.id} is not ${caller.agent}'s under fence ${fence}: ${found}`, [
    {
      where: '/fence',
      found,
      allowed: 'the fence of your own claim, while its lease lasts: stop, and claim again',
    },
  ])
}

function taskOf(stored: Stored): Task {
  return readBack<Task>(stored.value)
}

function keyOf(id: string): string {
  return `task/${id}`
}
