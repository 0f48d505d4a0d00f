/**
 * What would happen if a task failed now. Nothing is described here that could differ from what then happens: the
 * task is given to the very machine that runs it, and what comes out is told instead of kept.
 */
import type { Millis } from '../../core/model.ts'
import * as machine from './task-machine.ts'
import type { Task } from './task.ts'

/** One way for an attempt to end. */
export interface Ending {
  /** Wall clock in ms of the step. */
  readonly at: Millis
  /** As it would be then: ready again, or at the gate. */
  readonly next: Task
  /** Tasks that would be created in the same step. */
  readonly creates: readonly Task[]
}

export interface WhatIf {
  /** Its owner, or the next one, says that it failed. Absent = it cannot fail any more. */
  readonly fails?: Ending
  /** Its owner says nothing more. Absent = nobody has it. */
  readonly vanishes?: Ending
}

/** Whoever would own a task that nobody has. */
const NEXT_OWNER = 'its next owner'

export function whatIf(task: Task, now: Millis): WhatIf {
  const { state } = task
  if (state.in === 'running') {
    const fails = ending(task, 'failed', now)
    const vanishes = ending(task, 'lease', state.leaseUntil)
    return { ...(fails === undefined ? {} : { fails }), ...(vanishes === undefined ? {} : { vanishes }) }
  }
  if (state.in !== 'ready' && state.in !== 'parked' && state.in !== 'blocked') return {}
  const ready: Task = { ...task, state: { in: 'ready', since: now, notBefore: now } }
  const running = machine.claimed(ready, NEXT_OWNER, now)
  const fails = running === undefined ? undefined : ending(running, 'failed', now)
  return fails === undefined ? {} : { fails }
}

function ending(task: Task, end: 'failed' | 'lease', at: Millis): Ending | undefined {
  const next = machine.attemptEnded(task, end, '', at)
  return next === undefined ? undefined : { at, next, creates: machine.followUps(task, next, at) }
}
