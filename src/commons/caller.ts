/** Who asks, and whether it may. Permissions are for names that were proved; where nobody proves one, everybody may. */
import type { Trust } from '../core/model.ts'
import { Refused } from './refused.ts'

export interface Caller {
  /** One name per agent on every surface of Weir. */
  readonly agent: string
  readonly trust: Trust
  /** Workflow or trace; '' = none was said. */
  readonly workflow: string
}

/** What a permission can be given for; `on` is an agent, a topic, a key or prefix of state, a kind of task. */
export const ACTIONS = [
  'agent.read',
  'agent.register',
  'event.publish',
  'event.subscribe',
  'state.read',
  'state.write',
  'schema.read',
  'schema.write',
  'task.create',
  'task.read',
  'task.claim',
  'task.decide',
  'upstream.read',
] as const

export interface Action {
  readonly do: (typeof ACTIONS)[number]
  readonly on: string
}

export type May = (caller: Caller, action: Action) => boolean

export const everybodyMay: May = () => true

/** @throws Refused `forbidden` */
export function demand(may: May, caller: Caller, action: Action): void {
  if (may(caller, action)) return
  throw new Refused('forbidden', `${caller.agent} may not ${action.do} on ${action.on}`, [
    { where: action.do, found: action.on, allowed: 'what the permissions of this agent name' },
  ])
}
