/** Tasks over HTTP. */
import { z } from 'zod'
import type { Commons } from '../commons.ts'
import { agentName, anyJson, shortName, taskId } from '../names.ts'
import { Refused } from '../refused.ts'
import { TASK_STATES, taskSpec, type Task } from '../tasks/task.ts'
import { limit } from './query.ts'
import { route, type Route } from './route.ts'

const id = z.strictObject({ id: taskId })
const fence = z.number().int().min(1).meta({ description: 'From the answer to the claim' })
const attempt = z.object({
  owner: z.string(),
  fence: z.number(),
  from: z.string(),
  until: z.string(),
  end: z.string(),
  reason: z.string(),
})

export const taskView = z
  .object({
    id: taskId,
    kind: z.string(),
    capability: z.string(),
    state: z.enum(TASK_STATES),
    since: z.string().meta({ description: 'Of this state' }),
    why: z
      .string()
      .meta({ description: 'Why nobody is at it right now; empty = somebody is, or it has ended' }),
    owner: z.string().optional(),
    leaseUntil: z.string().optional(),
    fence: z.number().int(),
    attempt: z.number().int(),
    attempts: z.number().int(),
    input: anyJson,
    result: anyJson.optional(),
    upstreams: z.array(z.string()),
    after: z.array(z.string()),
    parent: z.string().optional(),
    correlationid: z.string().optional(),
    createdBy: z.string(),
    createdAt: z.string(),
    deadlineAt: z.string().optional(),
    tried: z.array(attempt),
  })
  .meta({ id: 'Task' })

export function shownTask(task: Task, commons: Pick<Commons, 'tasks' | 'store'>): z.output<typeof taskView> {
  const { state, deadlineAt, parent, correlationid } = task
  return {
    id: task.id,
    kind: task.kind,
    capability: task.capability,
    state: state.in,
    since: iso(state.since),
    why: commons.tasks.why(task, commons.store.now()),
    ...(state.in === 'running' || state.in === 'done' ? { owner: state.owner } : {}),
    ...(state.in === 'running' ? { leaseUntil: iso(state.leaseUntil) } : {}),
    fence: task.fence,
    attempt: task.attempt,
    attempts: task.attempts,
    input: task.input,
    ...(task.result === undefined ? {} : { result: task.result }),
    upstreams: [...task.upstreams],
    after: [...task.after],
    ...(parent === '' ? {} : { parent }),
    ...(correlationid === '' ? {} : { correlationid }),
    createdBy: task.createdBy,
    createdAt: iso(task.createdAt),
    ...(deadlineAt === 0 ? {} : { deadlineAt: iso(deadlineAt) }),
    tried: task.tried.map((each) => ({ ...each, from: iso(each.from), until: iso(each.until) })),
  }
}

const claimBody = z.strictObject({
  capabilities: z
    .array(shortName)
    .min(1)
    .max(16)
    .optional()
    .meta({ description: 'Absent = those that the caller has registered' }),
  waitMs: z.number().int().min(0).max(600_000).optional().default(0),
})

export const decisionBody = z
  .discriminatedUnion('decision', [
    z.strictObject({
      decision: z.literal('retry'),
      attempts: z.number().int().min(1).max(100).optional().default(1),
      deadlineMs: z
        .number()
        .int()
        .min(100)
        .max(30 * 86_400_000)
        .optional(),
    }),
    z.strictObject({ decision: z.literal('done'), result: anyJson }),
    z.strictObject({ decision: z.literal('cancel') }),
  ])
  .meta({ id: 'Decision' })

export const taskRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/weir/v1/tasks',
    id: 'createTask',
    tag: 'tasks',
    summary: 'Creates a task; it is kept when this answers',
    body: taskSpec,
    answers: { 201: { description: 'Created', schema: taskView } },
    async run({ commons, caller, body }) {
      const task = await commons.tasks.create(caller, body)
      return {
        status: 201,
        headers: { location: `/weir/v1/tasks/${task.id}` },
        body: shownTask(task, commons),
      }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/tasks',
    id: 'listTasks',
    tag: 'tasks',
    summary:
      'Who has what, since when, why: tasks by state or by owner, and how many there are in each state',
    query: z.strictObject({ state: z.enum(TASK_STATES).optional(), owner: agentName.optional(), limit }),
    answers: {
      200: {
        description: 'The longest in their state first; running ones unless a state or an owner is named',
        schema: z.object({
          tasks: z.array(taskView),
          counts: z.record(z.enum(TASK_STATES), z.number().int()),
        }),
      },
    },
    async run({ commons, caller, query }) {
      const { state, owner, limit: most } = query
      const found =
        owner === undefined
          ? await commons.tasks.inState(caller, state ?? 'running', most)
          : await commons.tasks.ownedBy(caller, owner, most)
      const tasks = found.map((task) => shownTask(task, commons))
      const counts: Record<string, number> = {}
      for (const name of TASK_STATES) counts[name] = await commons.tasks.count(name)
      return { status: 200, body: { tasks, counts } }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/tasks/claim',
    id: 'claimTask',
    tag: 'tasks',
    summary:
      'Takes the next task that the caller can do and whose upstreams can bear it; waits for one if asked to',
    body: claimBody,
    answers: {
      200: { description: 'The task, with the fence of this claim', schema: taskView },
      204: { description: 'None now' },
    },
    async run(asked) {
      const { commons, caller, body } = asked
      const capabilities = body.capabilities ?? (await ownCapabilities(commons, asked.caller))
      if (body.waitMs > 0) asked.wait()
      const wait = Math.min(body.waitMs, commons.limits.waitMs)
      const task = await commons.dispatcher.claim(caller, capabilities, wait, asked.signal)
      return task === undefined ? { status: 204 } : { status: 200, body: shownTask(task, commons) }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/tasks/{id}',
    id: 'readTask',
    tag: 'tasks',
    summary: 'One task',
    params: id,
    answers: { 200: { description: 'The task', schema: taskView } },
    async run({ commons, caller, params }) {
      return { status: 200, body: shownTask(await commons.tasks.get(caller, params.id), commons) }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/tasks/{id}/heartbeat',
    id: 'heartbeatTask',
    tag: 'tasks',
    summary: 'The owner is still at it: a new lease',
    params: id,
    body: z.strictObject({ fence }),
    answers: { 200: { description: 'The task', schema: taskView } },
    async run({ commons, caller, params, body }) {
      return {
        status: 200,
        body: shownTask(await commons.tasks.heartbeat(caller, params.id, body.fence), commons),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/tasks/{id}/complete',
    id: 'completeTask',
    tag: 'tasks',
    summary:
      'The owner is done; 422 when the output does not fit its schema: the task goes on without this owner',
    params: id,
    body: z.strictObject({ fence, output: anyJson.optional() }),
    answers: { 200: { description: 'The task', schema: taskView } },
    async run({ commons, caller, params, body }) {
      const output = body.output ?? null
      return {
        status: 200,
        body: shownTask(await commons.tasks.complete(caller, params.id, body.fence, output), commons),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/tasks/{id}/fail',
    id: 'failTask',
    tag: 'tasks',
    summary: 'The owner gives up: another one, or after the last attempt a person',
    params: id,
    body: z.strictObject({ fence, reason: z.string().min(1).max(500) }),
    answers: { 200: { description: 'The task', schema: taskView } },
    async run({ commons, caller, params, body }) {
      return {
        status: 200,
        body: shownTask(await commons.tasks.fail(caller, params.id, body.fence, body.reason), commons),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/tasks/{id}/decide',
    id: 'decideTask',
    tag: 'tasks',
    summary: 'What a person says at the gate: more attempts, done, or cancelled',
    params: id,
    body: decisionBody,
    answers: { 200: { description: 'The task', schema: taskView } },
    async run({ commons, caller, params, body }) {
      const task =
        body.decision === 'cancel'
          ? await commons.tasks.cancel(caller, params.id)
          : await commons.tasks.decide(
              caller,
              params.id,
              body.decision === 'done' ? { ...body, result: body.result } : body,
            )
      return { status: 200, body: shownTask(task, commons) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/weir/v1/tasks/{id}',
    id: 'cancelTask',
    tag: 'tasks',
    summary: 'Cancels a task that has not ended; its owner is refused from then on',
    params: id,
    answers: { 200: { description: 'The task', schema: taskView } },
    async run({ commons, caller, params }) {
      return { status: 200, body: shownTask(await commons.tasks.cancel(caller, params.id), commons) }
    },
  }),
]

/** @throws Refused `malformed` when it has said nothing of itself */
export async function ownCapabilities(
  commons: Commons,
  caller: Parameters<Commons['registry']['get']>[0],
): Promise<string[]> {
  const view = await commons.registry.get(caller, caller.agent).catch(() => undefined)
  const names = view?.capabilities.map(({ name }) => name) ?? []
  if (names.length > 0) return names.slice(0, 16)
  throw new Refused('malformed', `${caller.agent} has registered no capability, and names none`, [
    { where: '/capabilities', found: 'none', allowed: 'names of capabilities, or a registration with some' },
  ])
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
