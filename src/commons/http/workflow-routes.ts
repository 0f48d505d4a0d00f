/** What the owner of a workflow asks: what was handed from whom to whom, and what if this step fails now. */
import { z } from 'zod'
import { demand, type Caller } from '../caller.ts'
import type { Commons } from '../commons.ts'
import { anyJson, taskId } from '../names.ts'
import { Refused } from '../refused.ts'
import { HANDOFF_KINDS, HANDOFF_TYPES, handoffOf, type Handoff } from '../tasks/handoffs.ts'
import { TASK_STATES, type Task } from '../tasks/task.ts'
import { whatIf, type Ending } from '../tasks/what-if.ts'
import { limit, wholeNumber } from './query.ts'
import { route, type Route } from './route.ts'
import { shownTask, taskView } from './task-routes.ts'
import { saysWhatIf } from './what-if-text.ts'

/** A larger input is read from its task: a page of handoffs stays a page. */
const SHOWN_INPUT_BYTES = 4096
/** Of those who could take it, and of those who wait for it. */
const SHOWN_ROWS = 20

const handoffView = z
  .object({
    offset: z.number().int(),
    event: z.string().meta({ description: 'Id of the event on the bus' }),
    at: z.string(),
    workflow: z.string(),
    task: taskId,
    kind: z.string(),
    capability: z.string(),
    how: z.enum(HANDOFF_KINDS).meta({ description: 'escalated = to a person' }),
    from: z.string(),
    to: z.string(),
    attempt: z.number().int(),
    fence: z.number().int(),
    why: z.string().meta({ description: 'Why it did not stay where it was; empty = its first owner' }),
    parent: z.string(),
    input: anyJson
      .optional()
      .meta({ description: 'What was handed over; absent = larger than 4 KiB, or no longer kept' }),
  })
  .meta({ id: 'Handoff' })

const endingView = z
  .object({
    at: z.string(),
    becomes: z.enum(TASK_STATES),
    notBefore: z.string().optional().meta({ description: 'The earliest next attempt' }),
    attempt: z.number().int().meta({ description: 'Of the next owner, if there is one' }),
    attempts: z.number().int(),
    why: z.string().meta({ description: 'Why nobody would be at it then' }),
    creates: z.array(z.object({ id: taskId, kind: z.string(), capability: z.string() })),
  })
  .meta({ id: 'Ending' })

const takerView = z.object({
  agent: z.string(),
  tasks: z.number().int().meta({ description: 'What it has now' }),
  condition: z.string(),
})

export const whatIfView = z
  .object({
    task: taskView,
    says: z.array(z.string()).meta({ description: 'The answer in sentences' }),
    fails: endingView.optional().meta({ description: 'Its owner, or the next one, says that it failed' }),
    vanishes: endingView.optional().meta({ description: 'Its owner says nothing more' }),
    takers: z
      .array(takerView)
      .meta({ description: 'Live agents that can do it, the one who has it left out' }),
    waiting: z
      .array(z.object({ id: taskId, kind: z.string() }))
      .meta({ description: 'Tasks that are blocked until it is done' }),
  })
  .meta({ id: 'WhatIf' })

export type WhatIfView = z.output<typeof whatIfView>

export const workflowRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/weir/v1/handoffs',
    id: 'listHandoffs',
    tag: 'workflows',
    summary: 'Every handoff as one message: what passed from whom to whom, when, and why',
    query: z.strictObject({
      workflow: z
        .string()
        .min(1)
        .max(256)
        .optional()
        .meta({ description: 'Its correlationid; absent = all' }),
      task: taskId.optional(),
      after: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional(),
      limit,
    }),
    answers: {
      200: {
        description:
          'The oldest first; `next` is the place to go on from, `first` that of the oldest event kept',
        schema: z.object({ handoffs: z.array(handoffView), next: z.number().int(), first: z.number().int() }),
      },
    },
    async run({ commons, caller, query }) {
      const { workflow, task, after, limit: most } = query
      const filter = {
        types: [...HANDOFF_TYPES],
        ...(workflow === undefined ? {} : { correlationid: workflow }),
        ...(task === undefined ? {} : { subject: task }),
      }
      const { entries, next, first } = await commons.bus.find(caller, filter, after ?? 0, most)
      const handoffs = []
      for (const entry of entries) {
        const handoff = handoffOf(entry)
        if (handoff !== undefined) handoffs.push(await withInput(handoff, commons, caller))
      }
      return { status: 200, body: { handoffs, next, first } }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/tasks/{id}/what-if',
    id: 'whatIfTaskFails',
    tag: 'workflows',
    summary: 'What happens if this step fails now: who takes it, when, and what waits for it',
    params: z.strictObject({ id: taskId }),
    answers: { 200: { description: 'As it would be done, not done', schema: whatIfView } },
    async run({ commons, caller, params }) {
      const task = await commons.tasks.get(caller, params.id)
      const now = commons.store.now()
      const { fails, vanishes } = whatIf(task, now)
      const takers = await takersOf(task, commons, caller)
      const waiting = await commons.tasks.waitingFor(task.id, SHOWN_ROWS)
      const shown = {
        task: shownTask(task, commons),
        ...(fails === undefined ? {} : { fails: shownEnding(fails, commons) }),
        ...(vanishes === undefined ? {} : { vanishes: shownEnding(vanishes, commons) }),
        takers,
        waiting: waiting.map(({ id, kind }) => ({ id, kind })),
      }
      const follows = task.onDone.map(({ kind }) => kind)
      return { status: 200, body: { ...shown, says: saysWhatIf({ ...shown, follows }) } }
    },
  }),
]

async function withInput(handoff: Handoff, { tasks, may }: Commons, caller: Caller): Promise<object> {
  const task = await tasks.find(handoff.task)
  if (task === undefined || !may(caller, { do: 'task.read', on: task.kind })) return handoff
  const isSmall = Buffer.byteLength(JSON.stringify(task.input)) <= SHOWN_INPUT_BYTES
  return isSmall ? { ...handoff, input: task.input } : handoff
}

/** Whoever is left when its owner is not; nobody for a caller who may not read of agents. */
async function takersOf(task: Task, commons: Commons, caller: Caller): Promise<z.output<typeof takerView>[]> {
  const owner = task.state.in === 'running' ? task.state.owner : ''
  const query = { capability: task.capability, live: true, after: '', most: SHOWN_ROWS + 1 }
  try {
    demand(commons.may, caller, { do: 'agent.read', on: task.capability })
    const found = await commons.registry.find(caller, query)
    return found
      .filter(({ agent }) => agent !== owner)
      .slice(0, SHOWN_ROWS)
      .map(({ agent, tasks, observed }) => ({ agent, tasks, condition: observed?.condition ?? 'ordinary' }))
  } catch (error) {
    if (error instanceof Refused && error.why === 'forbidden') return []
    throw error
  }
}

function shownEnding({ at, next, creates }: Ending, { tasks }: Commons): z.output<typeof endingView> {
  const { state } = next
  const notBefore = state.in === 'ready' ? state.notBefore : undefined
  return {
    at: iso(at),
    becomes: state.in,
    ...(notBefore === undefined ? {} : { notBefore: iso(notBefore) }),
    attempt: next.attempt + 1,
    attempts: next.attempts,
    // At the instant from which it may go: what is in the way then are upstreams, or that nobody is there.
    why: tasks.why(next, notBefore ?? at),
    creates: creates.map(({ id, kind, capability }) => ({ id, kind, capability })),
  }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
