/** What the bus hears of a task: one event per step, in the same commit as the step, so that the story has no gaps. */
import type { Millis } from '../../core/model.ts'
import { ownEventText, type OwnEvent } from '../events/cloud-event.ts'
import type { Json } from '../json.ts'
import type { Change } from '../store.ts'
import { giverOf } from './task-machine.ts'
import type { Task } from './task.ts'

/** Undefined = a step that nobody needs to hear of (a heartbeat). */
function typeOf(before: Task | undefined, after: Task): OwnEvent['type'] | undefined {
  if (before === undefined) return 'weir.task.created'
  if (before.state.in === after.state.in) return undefined
  const { state } = after
  switch (state.in) {
    case 'running':
      return 'weir.task.assigned'
    case 'done':
      return 'weir.task.done'
    case 'gate':
      return 'weir.task.gated'
    case 'cancelled':
      return 'weir.task.cancelled'
    case 'parked':
      return 'weir.task.parked'
    case 'ready':
      if (before.state.in === 'running') return 'weir.task.reassigned'
      return before.state.in === 'parked' ? 'weir.task.resumed' : 'weir.task.ready'
    case 'blocked':
  }
  return undefined
}

export function taskEvent(before: Task | undefined, after: Task, now: Millis): Change | undefined {
  const type = typeOf(before, after)
  if (type === undefined) return undefined
  const data: Record<string, Json> = {
    task: after.id,
    kind: after.kind,
    capability: after.capability,
    from: before?.state.in ?? '',
    to: after.state.in,
    attempt: after.attempt,
    fence: after.fence,
  }
  if (after.parent !== '') data['parent'] = after.parent
  const { state } = after
  if (state.in === 'running' || state.in === 'done') data['owner'] = state.owner
  // Who hands it to whom, and why again, is said in one message: it needs no other to be understood.
  if (before === undefined || state.in === 'running' || state.in === 'gate') data['handedBy'] = giverOf(after)
  if (state.in === 'running') {
    const failed = after.tried.findLast(({ end }) => end !== 'undelivered')
    if (failed !== undefined) data['why'] = `${failed.end}: ${failed.reason}`
  }
  if (state.in === 'parked') data['upstream'] = state.upstream
  if (state.in === 'gate') data['why'] = `${state.cause}: ${state.detail}`
  if (before?.state.in === 'running' && state.in !== 'done') {
    const last = after.tried.at(-1)
    data['lostBy'] = before.state.owner
    if (last !== undefined) data['why'] ??= `${last.end}: ${last.reason}`
  }
  const event = { type, subject: after.id, correlationid: after.correlationid, data }
  return { do: 'append', log: 'events', value: ownEventText(event, now) }
}
