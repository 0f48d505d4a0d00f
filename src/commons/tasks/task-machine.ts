/**
 * The life of a task. Pure: a task and what happened in, the next task out, or undefined when it does not apply.
 *
 * ```
 * blocked -> ready <-> parked
 *              |  ^________________________________
 *              v                                   | (failed, contract, lease, left: reassigned)
 *           running -> done                        |
 *              |_______________________________ ___|
 *              v  (last attempt, deadline)  
 *             gate -> ready | done | cancelled   (a person decides)
 * ```
 * A task leaves this circle only as done or cancelled: nothing drops it.
 */
import type { Millis } from '../../core/model.ts'
import type { Json } from '../json.ts'
import type { Marks } from '../store.ts'
import {
  LONGEST_RETRY_MS,
  REMEMBERED_ATTEMPTS,
  TASK_DEFAULTS,
  type AttemptEnd,
  type FollowUp,
  type GateCause,
  type Task,
  type TaskSpec,
  type TaskState,
} from './task.ts'

export interface Origin {
  readonly id: string
  readonly by: string
  readonly correlationid: string
  readonly parent: string
  /** Who passes it on; absent = `by`. */
  readonly handedBy?: string
}

/** @param waitsFor tasks of `after` that are not done yet */
export function created(spec: TaskSpec, origin: Origin, waitsFor: readonly string[], now: Millis): Task {
  const state: TaskState =
    waitsFor.length > 0
      ? { in: 'blocked', since: now, waitsFor }
      : { in: 'ready', since: now, notBefore: now }
  return {
    id: origin.id,
    kind: spec.kind,
    capability: spec.capability ?? spec.kind,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema let only JSON through
    input: (spec.input ?? null) as Json,
    upstreams: spec.upstreams ?? [],
    deadlineAt: spec.deadlineMs === undefined ? 0 : now + spec.deadlineMs,
    attempts: spec.attempts ?? TASK_DEFAULTS.attempts,
    leaseMs: spec.leaseMs ?? TASK_DEFAULTS.leaseMs,
    retryDelayMs: spec.retryDelayMs ?? TASK_DEFAULTS.retryDelayMs,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    ...(spec.output === undefined ? {} : { outputSchema: spec.output as Json }),
    after: spec.after ?? [],
    onDone: spec.onDone ?? [],
    onFailed: spec.onFailed ?? [],
    createdBy: origin.by,
    createdAt: now,
    correlationid: origin.correlationid,
    parent: origin.parent,
    handedBy: origin.handedBy ?? origin.by,
    state,
    attempt: 0,
    fence: 0,
    tried: [],
    hasDependents: false,
  }
}

export function claimed(task: Task, owner: string, now: Millis): Task | undefined {
  if (task.state.in !== 'ready' || task.state.notBefore > now || isOverdue(task, now)) return undefined
  return {
    ...task,
    attempt: task.attempt + 1,
    fence: task.fence + 1,
    state: { in: 'running', owner, since: now, leaseUntil: now + task.leaseMs },
  }
}

/** Whether this owner, with this fence, has the task at this instant. */
export function isOwnedBy(task: Task, owner: string, fence: number, now: Millis): boolean {
  const { state } = task
  return state.in === 'running' && state.owner === owner && task.fence === fence && state.leaseUntil > now
}

export function renewed(task: Task, now: Millis): Task | undefined {
  const { state } = task
  return state.in === 'running' ? { ...task, state: { ...state, leaseUntil: now + task.leaseMs } } : undefined
}

export function completed(task: Task, result: Json, owner: string, now: Millis): Task {
  return { ...task, result, state: { in: 'done', since: now, owner } }
}

/** An attempt ended without a result: another owner, or after the last one a person. */
export function attemptEnded(task: Task, end: AttemptEnd, reason: string, now: Millis): Task | undefined {
  const { state } = task
  if (state.in !== 'running') return undefined
  const ended = { owner: state.owner, fence: task.fence, from: state.since, until: now, end, reason }
  const tried = [...task.tried, ended].slice(-REMEMBERED_ATTEMPTS)
  // An assignment that never reached its owner was no attempt.
  const isDelivered = end !== 'undelivered'
  const attempt = isDelivered ? task.attempt : task.attempt - 1
  const next = { ...task, attempt, tried, ...(isDelivered ? { handedBy: state.owner } : {}) }
  if (isOverdue(task, now)) return { ...next, state: atGate('deadline', 'its time is over', now) }
  if (attempt >= task.attempts) {
    return {
      ...next,
      state: atGate('attempts', `${attempt} attempts, the last one: ${end} ${reason}`.trim(), now),
    }
  }
  // Who lost it in silence may have done no harm; who failed may fail again at once.
  const waits = end === 'failed' || end === 'contract'
  const delay = waits ? Math.min(LONGEST_RETRY_MS, task.retryDelayMs * 2 ** (attempt - 1)) : 0
  return { ...next, state: { in: 'ready', since: now, notBefore: now + delay } }
}

/** What time alone does to it. */
export function overtaken(task: Task, now: Millis): Task | undefined {
  const { state } = task
  if (state.in === 'running' && state.leaseUntil <= now) {
    return attemptEnded(task, 'lease', 'no word of its owner', now)
  }
  const isOpen = state.in === 'blocked' || state.in === 'ready' || state.in === 'parked'
  if (!isOpen || !isOverdue(task, now)) return undefined
  return { ...task, state: atGate('deadline', `its time was over while it was ${state.in}`, now) }
}

export function parked(task: Task, upstream: string, now: Millis): Task | undefined {
  return task.state.in === 'ready' ? { ...task, state: { in: 'parked', since: now, upstream } } : undefined
}

export function unparked(task: Task, now: Millis): Task | undefined {
  return task.state.in === 'parked'
    ? { ...task, state: { in: 'ready', since: now, notBefore: now } }
    : undefined
}

export function dependencyDone(task: Task, id: string, now: Millis): Task | undefined {
  const { state } = task
  if (state.in !== 'blocked') return undefined
  const waitsFor = state.waitsFor.filter((other) => other !== id)
  if (waitsFor.length > 0) return { ...task, state: { ...state, waitsFor } }
  return { ...task, state: { in: 'ready', since: now, notBefore: now } }
}

export function dependencyLost(task: Task, id: string, now: Millis): Task | undefined {
  if (task.state.in !== 'blocked') return undefined
  return { ...task, state: atGate('dependency', `${id} was cancelled`, now) }
}

/** What a person says at the gate: more attempts, or take it as done. */
export type Decision =
  | { readonly decision: 'retry'; readonly attempts: number; readonly deadlineMs?: Millis | undefined }
  | { readonly decision: 'done'; readonly result: Json }

export function decided(task: Task, by: string, what: Decision, now: Millis): Task | undefined {
  if (task.state.in !== 'gate') return undefined
  if (what.decision === 'done') return completed(task, what.result, by, now)
  return {
    ...task,
    attempts: task.attempt + what.attempts,
    handedBy: by,
    deadlineAt: what.deadlineMs === undefined ? 0 : now + what.deadlineMs,
    state: { in: 'ready', since: now, notBefore: now },
  }
}

export function cancelled(task: Task, by: string, now: Millis): Task | undefined {
  if (task.state.in === 'done' || task.state.in === 'cancelled') return undefined
  return { ...task, state: { in: 'cancelled', since: now, by } }
}

/** The tasks that follow, in order. Their ids follow from the task's and its end: no end makes them twice. */
export function followUps(before: Task, after: Task, now: Millis): readonly Task[] {
  const isDone = after.state.in === 'done' && before.state.in !== 'done'
  const isLost = after.state.in === 'gate' && before.state.in !== 'gate' && after.state.cause !== 'dependency'
  const specs = isDone ? after.onDone : isLost ? after.onFailed : []
  const handedBy = after.state.in === 'done' ? after.state.owner : giverOf(after)
  return specs.map((spec, index) => {
    const origin = {
      id: `${after.id}.${isDone ? 'd' : `f${after.state.since.toString(36)}-`}${index}`,
      by: after.createdBy,
      correlationid: after.correlationid,
      parent: after.id,
      handedBy,
    }
    const { inputFrom: _, ...rest } = spec
    return created({ ...rest, input: inputOf(spec, after) }, origin, [], now)
  })
}

/** Who passes it on now. */
export function giverOf({ handedBy, createdBy }: Task): string {
  return handedBy ?? createdBy
}

function inputOf(spec: FollowUp, task: Task): unknown {
  const from = spec.inputFrom ?? (spec.input === undefined ? 'output' : 'given')
  return from === 'given' ? spec.input : from === 'output' ? (task.result ?? null) : task.input
}

/** Ordered indexes in which a task is found. */
export const INDEX = {
  /** What time will do something to. */
  due: 'task-due',
  /** Ended with others waiting for it. */
  release: 'task-release',
  ready: (capability: string): string => `task-ready/${capability}`,
  parked: (upstream: string): string => `task-parked/${upstream}`,
  owner: (owner: string): string => `task-owner/${owner}`,
  after: (id: string): string => `task-after/${id}`,
  state: (name: TaskState['in']): string => `task-state/${name}`,
} as const

/** @param keepMs how long the end of a task is kept */
export function marksOf(task: Task, keepMs: Millis): Marks {
  const { state } = task
  const marks: Record<string, number> = { [INDEX.state(state.in)]: state.since }
  const deadline = task.deadlineAt === 0 ? Infinity : task.deadlineAt
  let due = Infinity
  switch (state.in) {
    case 'blocked':
      due = deadline
      for (const id of state.waitsFor) marks[INDEX.after(id)] = state.since
      break
    case 'ready':
      due = deadline
      marks[INDEX.ready(task.capability)] = state.notBefore
      break
    case 'parked':
      due = deadline
      marks[INDEX.parked(state.upstream)] = state.since
      break
    case 'running':
      due = state.leaseUntil
      marks[INDEX.owner(state.owner)] = state.since
      break
    case 'gate':
      break
    case 'done':
    case 'cancelled':
      due = state.since + keepMs
      if (task.hasDependents) marks[INDEX.release] = state.since
      break
  }
  if (due !== Infinity) marks[INDEX.due] = due
  return marks
}

function isOverdue(task: Task, now: Millis): boolean {
  return task.deadlineAt !== 0 && task.deadlineAt <= now
}

function atGate(cause: GateCause, detail: string, now: Millis): TaskState {
  return { in: 'gate', since: now, cause, detail: detail.slice(0, 500) }
}
