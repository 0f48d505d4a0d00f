import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFace, type Face } from '../../src/commons/http/face.ts'
import { ROUTES } from '../../src/commons/http/routes.ts'
import { complete } from '../../src/commons/mcp/completion.ts'
import type { Conversation } from '../../src/commons/mcp/conversation.ts'
import { createMcpFace } from '../../src/commons/mcp/mcp-face.ts'
import { promptMessages } from '../../src/commons/mcp/prompts.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { caller, LiveWall, neverGone, testCommons, type TestCommons } from './kit.ts'

let commons: TestCommons
let face: Face
let proxy: TestProxy
const clients: Client[] = []

beforeEach(async () => {
  commons = testCommons(new LiveWall())
  face = createFace(commons, '1.2.3', new Map([['/weir/v1/mcp', createMcpFace(commons, '1.2.3')]]))
  proxy = await startProxy({
    upstreams: { api: new URL('http://127.0.0.1:9') },
    own: (...asked) => face.serve(...asked),
  })
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  face.drain()
  await proxy.close()
})

async function connect(agent: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' })
  const url = new URL(`${proxy.origin}/weir/v1/mcp`)
  const transport = new StreamableHTTPClientTransport(url, {
    requestInit: { headers: { 'weir-agent': agent } },
  })
  await client.connect(transport)
  clients.push(client)
  return client
}

// oxlint-disable-next-line typescript/no-explicit-any -- whatever a tool answers
async function call(client: Client, name: string, given: Record<string, unknown> = {}): Promise<any> {
  const result = await client.callTool({ name, arguments: given })
  const [content] = result.content as { text: string }[]
  return { ...(JSON.parse(content!.text) as object), ...(result.isError === true ? { isError: true } : {}) }
}

function post(message: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${proxy.origin}/weir/v1/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify(message),
  })
}

function ignore(): void {}

/** Of a client that hears nothing and cannot be asked. */
const silent: Conversation = {
  hears: { progress: false, log: false },
  progress: ignore,
  log: ignore,
  can: () => false,
  ask: () => Promise.reject(new Error('nobody to ask')),
}

describe('the MCP face', () => {
  it('offers every operation as a tool, and reads as resources', async () => {
    const client = await connect('ann')
    const { tools } = await client.listTools()
    expect(tools).toHaveLength(ROUTES.length)
    expect(tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['upstream_status', 'await_upstream', 'claim_task']),
    )
    const { resources } = await client.listResources()
    expect(resources.map(({ uri }) => uri)).toContain('weir://agents')
    const { resourceTemplates } = await client.listResourceTemplates()
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toContain('weir://state/{key}')
  })

  it('takes a task from its creation to its end, between two clients of the official SDK', async () => {
    const [ann, bob] = [await connect('ann'), await connect('bob')]
    await call(bob, 'register_agent', { agent: 'bob', capabilities: [{ name: 'review' }] })
    expect((await call(ann, 'find_agents', { capability: 'review', live: true })).agents).toHaveLength(1)
    const created = await call(ann, 'create_task', {
      kind: 'review',
      input: { text: 'x' },
      output: { type: 'string' },
    })
    const { id, fence } = await call(bob, 'claim_task', { waitMs: 1000 })
    expect(id).toBe(created.id)
    expect(await call(bob, 'heartbeat_task', { id, fence })).toMatchObject({ owner: 'bob' })
    expect(await call(ann, 'complete_task', { id, fence, output: 'x' })).toMatchObject({
      isError: true,
      code: 'conflict',
    })
    expect(await call(bob, 'complete_task', { id, fence, output: 'fine' })).toMatchObject({ state: 'done' })
    const read = await ann.readResource({ uri: `weir://tasks/${id}` })
    expect(JSON.parse((read.contents[0] as { text: string }).text)).toMatchObject({ result: 'fine' })
    expect(await call(bob, 'claim_task')).toEqual({ task: null })
  })

  it('shares state and events', async () => {
    const ann = await connect('ann')
    const { etag } = await call(ann, 'write_state', { key: 'plan/a', value: { step: 1 }, ifNoneMatch: '*' })
    expect(await call(ann, 'write_state', { key: 'plan/a', value: 2, ifNoneMatch: '*' })).toMatchObject({
      code: 'changed',
    })
    expect(await call(ann, 'write_state', { key: 'plan/a', value: 2, ifMatch: etag })).toMatchObject({
      key: 'plan/a',
    })
    expect(await call(ann, 'read_state', { key: 'plan/a' })).toMatchObject({ value: 2, by: 'ann' })
    const event = { specversion: '1.0', id: '1', source: '/me', type: 'report.ready', data: 1 }
    await call(ann, 'publish_events', { event })
    expect((await call(ann, 'read_events', { type: 'report.*', after: 0, limit: 5 })).events).toMatchObject([
      { event: { sender: 'ann', data: 1 } },
    ])
  })

  it('shows how the upstreams are, and waits for one', async () => {
    const ann = await connect('ann')
    commons.bearings.set('tool', { is: 'shut', condition: 'drifting' })
    expect((await call(ann, 'upstream_status')).upstreams[1]).toEqual({
      upstream: 'tool',
      canBear: 'no',
      why: 'drifting',
    })
    const waiting = call(ann, 'await_upstream', { upstream: 'tool', waitMs: 5000 })
    commons.bearings.delete('tool')
    expect(await waiting).toMatchObject({ canBear: 'yes' })
  })

  it('begins conversations with what is so now: an upstream, and who is there for a plan', async () => {
    const client = await connect('ann')
    await call(client, 'register_agent', { agent: 'ann', capabilities: [{ name: 'review' }] })
    commons.bus.announce({
      type: 'weir.drift.started',
      subject: 'api',
      data: { upstream: 'api', readings: { slowdown: 3 } },
    })
    commons.bus.announce({ type: 'weir.drift.started', subject: 'tool', data: { upstream: 'tool' } })
    await commons.bus.settled()
    commons.bearings.set('api', { is: 'shut', condition: 'drifting' })
    const { prompts } = await client.listPrompts()
    expect(prompts.map(({ name }) => name)).toEqual(['take_over_task', 'explain_upstream', 'plan_work'])
    const read = async (name: string, given: Record<string, string>): Promise<string[]> => {
      const { messages } = await client.getPrompt({ name, arguments: given })
      return messages.map(({ content }) =>
        content.type === 'resource' && 'text' in content.resource
          ? content.resource.text
          : content.type === 'text'
            ? content.text
            : '',
      )
    }
    const [state, events, words] = await read('explain_upstream', { upstream: 'api' })
    expect(JSON.parse(state!)).toMatchObject({ canBear: 'no', why: 'drifting' })
    const { events: shown } = JSON.parse(events!) as { events: { event: object }[] }
    expect(shown.map(({ event }) => event)).toMatchObject([
      { type: 'weir.drift.started', data: { readings: { slowdown: 3 } } },
    ])
    expect(words).toContain('await_upstream')
    const [agents, upstreams, plan] = await read('plan_work', { goal: 'ship it', capability: 'review' })
    expect(JSON.parse(agents!)).toMatchObject({ agents: [{ agent: 'ann' }] })
    expect(JSON.parse(upstreams!)).toMatchObject({ upstreams: [{ upstream: 'api' }, { upstream: 'tool' }] })
    expect(plan).toContain('ship it')
    await expect(client.getPrompt({ name: 'none' })).rejects.toMatchObject({ code: -32602 })
  })

  it('completes names of upstreams, agents and capabilities by their beginning', async () => {
    const client = await connect('ann')
    await call(client, 'register_agent', { agent: 'ann', capabilities: [{ name: 'review' }] })
    commons.flows.ended('anton', 0, false, commons.wall.now())
    const of = async (
      ref: { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string },
      name: string,
      value: string,
    ): Promise<string[]> => (await client.complete({ ref, argument: { name, value } })).completion.values
    const upstream = { type: 'ref/prompt', name: 'explain_upstream' } as const
    expect(await of(upstream, 'upstream', 't')).toEqual(['tool'])
    expect(await of(upstream, 'constructor', '')).toEqual([])
    const plan = { type: 'ref/prompt', name: 'plan_work' } as const
    expect(await of(plan, 'capability', '')).toEqual(['review'])
    expect(await of(plan, 'goal', 'a')).toEqual([])
    const agent = { type: 'ref/resource', uri: 'weir://agents/{agent}' } as const
    expect(await of(agent, 'agent', 'an')).toEqual(['ann', 'anton'])
    await expect(of({ type: 'ref/resource', uri: 'weir://none' }, 'id', '')).rejects.toMatchObject({
      code: -32602,
    })
  })

  it('completes nothing for whoever may not read it, and shows an upstream without events it may not follow', async () => {
    const refused: string[] = []
    const guarded = testCommons(new LiveWall(), undefined, (_caller, action) => {
      const isAllowed = action.do === 'upstream.read' && action.on === 'api'
      if (!isAllowed) refused.push(action.do)
      return isAllowed
    })
    const context = { commons: guarded, caller: caller('ann'), signal: neverGone, wait: ignore }
    for (const name of ['upstream', 'agent', 'capability', 'id']) {
      const asked = { ref: { type: 'ref/prompt', name: 'plan_work' }, argument: { name, value: '' } } as const
      expect((await complete(asked, context)).values).toEqual([])
    }
    expect(new Set(refused)).toEqual(new Set(['upstream.read', 'agent.read', 'task.read']))
    const asked = [{ upstream: 'api' }, context, silent] as const
    const { messages } = await promptMessages('explain_upstream', ...asked)
    expect(JSON.stringify(messages)).toContain('ann may not event.subscribe')
    await expect(promptMessages('plan_work', { goal: 'x' }, context, silent)).rejects.toThrow(
      'may not agent.read',
    )
  })

  it('says what is wrong with a call', async () => {
    const ann = await connect('ann')
    expect(await call(ann, 'read_state', { key: 'a', colour: 'red' })).toMatchObject({
      isError: true,
      errors: [{ allowed: expect.stringContaining('key') as string }],
    })
    expect(await call(ann, 'create_task', {})).toMatchObject({ isError: true, errors: [{ where: '/kind' }] })
    await expect(call(ann, 'no_such_tool')).rejects.toThrow(/Unknown tool: no_such_tool/)
    await expect(ann.readResource({ uri: 'weir://tasks/none' })).rejects.toThrow(/cannot be read/)
  })

  it.each(['2025-11-25', '2025-06-18'])('speaks %s', async (protocolVersion) => {
    const params = { protocolVersion, capabilities: {}, clientInfo: { name: 'x', version: '1' } }
    const answer = await post({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
    expect(await answer.json()).toMatchObject({
      result: { protocolVersion, serverInfo: { name: 'weir', version: '1.2.3' } },
    })
    const listed = await post(
      { jsonrpc: '2.0', id: 2, method: 'tools/list' },
      { 'mcp-protocol-version': protocolVersion },
    )
    expect(await listed.json()).toMatchObject({ id: 2, result: { tools: expect.any(Array) as unknown[] } })
  })

  it('has no sessions to open or to end, and no access for foreign pages', async () => {
    const listen = await fetch(`${proxy.origin}/weir/v1/mcp`, { headers: { accept: 'text/event-stream' } })
    expect([listen.status, listen.headers.get('allow')]).toEqual([405, 'POST'])
    const foreign = await post({ jsonrpc: '2.0', id: 1, method: 'ping' }, { origin: 'https://evil.example' })
    expect(foreign.status).toBe(403)
    expect((await post([])).status).toBe(400)
  })
})
