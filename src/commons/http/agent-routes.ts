/** The registry over HTTP, and what is known of the upstreams. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { demand } from '../caller.ts'
import type { Commons } from '../commons.ts'
import { agentName, anyJson, shortName } from '../names.ts'
import { Refused } from '../refused.ts'
import { registration, type AgentView } from '../registry/registration.ts'
import { limit, truth, waitMs } from './query.ts'
import { route, type Route } from './route.ts'

const agent = z.strictObject({ agent: agentName })
const flow = z.object({
  upstream: z.string(),
  calls: z.number(),
  errorRatio: z.number(),
  lastSeenAt: z.string(),
  condition: z.string().meta({ description: 'Of the upstream, now' }),
})
const agentView = z
  .object({
    agent: agentName,
    registered: z.boolean(),
    live: z.boolean(),
    capabilities: registration.shape.capabilities,
    endpoint: z.string().optional(),
    card: anyJson.optional(),
    registeredAt: z.string().optional(),
    expiresAt: z.string().optional(),
    tasks: z.number().int(),
    observed: z
      .object({
        lastSeenAt: z.string(),
        calls: z.number(),
        errorRatio: z.number(),
        condition: z.string(),
        flows: z.array(flow),
      })
      .optional()
      .meta({ description: 'What Weir saw of its traffic; absent = no call lately' }),
  })
  .meta({ id: 'Agent' })

export const upstreamView = z
  .object({
    upstream: z.string(),
    canBear: z.enum(['yes', 'ramp', 'no']),
    why: z.string().meta({ description: 'Its condition, when it cannot bear more' }),
    rate: z.number().optional().meta({ description: 'Calls per second on the ramp' }),
  })
  .meta({ id: 'Upstream' })

export type UpstreamView = z.output<typeof upstreamView>

/** How often somebody who waits for an upstream looks; each at a moment of its own, so that no crowd comes back. */
const LOOK_MS = { least: 100, spread: 300 } as const

export const agentRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/weir/v1/agents',
    id: 'findAgents',
    tag: 'registry',
    summary: 'Who is there, what it can do, and how it is doing',
    query: z.strictObject({
      capability: shortName.optional(),
      version: z.string().max(64).optional(),
      live: truth,
      after: z.string().max(128).optional().default(''),
      limit,
    }),
    answers: { 200: { description: 'Agents by name', schema: z.object({ agents: z.array(agentView) }) } },
    async run({ commons, caller, query: { limit: most, ...query } }) {
      const agents = await commons.registry.find(caller, { ...query, most })
      return { status: 200, body: { agents: agents.map(shownAgent) } }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/agents/{agent}',
    id: 'readAgent',
    tag: 'registry',
    summary: 'One agent',
    params: agent,
    answers: { 200: { description: 'The agent', schema: agentView } },
    async run({ commons, caller, params }) {
      return { status: 200, body: shownAgent(await commons.registry.get(caller, params.agent)) }
    },
  }),
  route({
    method: 'PUT',
    path: '/weir/v1/agents/{agent}',
    id: 'registerAgent',
    tag: 'registry',
    summary: 'Registers the caller, or says anew what it can do; also a sign of life',
    params: agent,
    body: registration,
    answers: { 200: { description: 'Registered', schema: agentView } },
    async run({ commons, caller, params, body }) {
      return { status: 200, body: shownAgent(await commons.registry.register(caller, params.agent, body)) }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/agents/{agent}/heartbeat',
    id: 'heartbeatAgent',
    tag: 'registry',
    summary: 'A sign of life',
    params: agent,
    answers: { 200: { description: 'Alive until then', schema: z.object({ expiresAt: z.string() }) } },
    async run({ commons, caller, params }) {
      const expiresAt = await commons.registry.heartbeat(caller, params.agent)
      return { status: 200, body: { expiresAt: iso(expiresAt) } }
    },
  }),
  route({
    method: 'DELETE',
    path: '/weir/v1/agents/{agent}',
    id: 'deregisterAgent',
    tag: 'registry',
    summary: 'Leaves; what it had goes to others',
    params: agent,
    answers: { 204: { description: 'Gone' } },
    async run({ commons, caller, params }) {
      await commons.registry.leave(caller, params.agent)
      return { status: 204 }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/upstreams',
    id: 'listUpstreams',
    tag: 'upstreams',
    summary: 'Which upstreams can bear more work now',
    answers: {
      200: { description: 'All upstreams', schema: z.object({ upstreams: z.array(upstreamView) }) },
    },
    async run({ commons, caller }) {
      demand(commons.may, caller, { do: 'upstream.read', on: '*' })
      return {
        status: 200,
        body: { upstreams: commons.upstreams.map((name) => shownUpstream(commons, name)) },
      }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/upstreams/{upstream}',
    id: 'awaitUpstream',
    tag: 'upstreams',
    summary: 'One upstream; with waitMs, answers as soon as it can bear more, or when the time is over',
    params: z.strictObject({ upstream: z.string().min(1).max(63) }),
    query: z.strictObject({ waitMs }),
    answers: { 200: { description: 'As it is at the moment of the answer', schema: upstreamView } },
    async run(asked) {
      const { commons, caller, params, query } = asked
      demand(commons.may, caller, { do: 'upstream.read', on: params.upstream })
      const until = commons.store.now() + Math.min(query.waitMs, commons.limits.waitMs)
      let view = shownUpstream(commons, params.upstream)
      if (view.canBear === 'no' && query.waitMs > 0) asked.wait()
      while (view.canBear === 'no' && commons.store.now() < until && !asked.signal.aborted) {
        await sleep(LOOK_MS.least + Math.random() * LOOK_MS.spread)
        view = shownUpstream(commons, params.upstream)
      }
      return { status: 200, body: view }
    },
  }),
]

/** @throws Refused `unknown` */
export function shownUpstream(commons: Pick<Commons, 'canBear' | 'upstreams'>, name: string): UpstreamView {
  const bearing = commons.canBear(name)
  if (bearing === undefined) {
    throw new Refused('unknown', `there is no upstream ${name}`, [
      { where: 'upstream', found: name, allowed: commons.upstreams.join(', ') },
    ])
  }
  if (bearing.is === 'open') return { upstream: name, canBear: 'yes', why: '' }
  if (bearing.is === 'shut') return { upstream: name, canBear: 'no', why: bearing.condition }
  return { upstream: name, canBear: 'ramp', why: 'recovering', rate: bearing.rate }
}

export function shownAgent(view: AgentView): z.output<typeof agentView> {
  const { registeredAt, expiresAt, observed, ...rest } = view
  return {
    ...rest,
    capabilities: [...rest.capabilities],
    ...(registeredAt === undefined ? {} : { registeredAt: iso(registeredAt) }),
    ...(expiresAt === undefined ? {} : { expiresAt: iso(expiresAt) }),
    ...(observed === undefined
      ? {}
      : {
          observed: {
            ...observed,
            lastSeenAt: iso(observed.lastSeenAt),
            flows: observed.flows.map((each) => ({ ...each, lastSeenAt: iso(each.lastSeenAt) })),
          },
        }),
  }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
