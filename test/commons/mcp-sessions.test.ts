/** Sessions of MCP with a handshake: whose they are, how many, for how long, and what a client hears and is asked in one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '../../src/commons/caller.ts'
import { DEFAULT_LIMITS, storeBounds } from '../../src/commons/limits.ts'
import { createFace, type Face } from '../../src/commons/http/face.ts'
import { McpCount } from '../../src/commons/mcp/mcp-count.ts'
import { createMcpFace } from '../../src/commons/mcp/mcp-face.ts'
import { Seal } from '../../src/commons/mcp/seal.ts'
import { IDLE_MS, MOST_SESSIONS_OF_ONE, Sessions } from '../../src/commons/mcp/sessions.ts'
import { LmdbStore } from '../../src/commons/stores/lmdb-store.ts'
import { MemoryStore } from '../../src/commons/stores/memory-store.ts'
import { taskSpec } from '../../src/commons/tasks/task.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import {
  caller,
  FakeWall,
  LiveWall,
  memoryStore,
  neverGone,
  refusal,
  testCommons,
  type TestCommons,
} from './kit.ts'
import { accepted, last, messagesOf, next, type Message } from './mcp-kit.ts'

const nobody = new Set<never>()

function derived(agent: string): Caller {
  return { ...caller(agent), trust: 'derived' }
}

describe('the sessions of a store', () => {
  it('are there again when it is opened again', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'weir-mcp-'))
    const open = async (): Promise<LmdbStore> => {
      const store = new LmdbStore(directory, storeBounds(DEFAULT_LIMITS), () => 0)
      await store.open()
      return store
    }
    const first = await open()
    const { id } = await new Sessions(first).open(caller('ann'), nobody)
    const sealed = await new Seal(first).close('text')
    await first.close()
    const second = await open()
    const session = await new Sessions(second).find(id, caller('ann'))
    expect(session).toMatchObject({ id })
    await new Sessions(second).follow(session!, 'weir://tasks')
    expect(await new Seal(second).open(sealed)).toBe('text')
    await second.close()
    rmSync(directory, { recursive: true })
  })

  it('belong to the agent that opened them, as surely as it was known then', async () => {
    const sessions = new Sessions(memoryStore(new FakeWall()))
    const { id } = await sessions.open(caller('ann'), nobody)
    expect(await sessions.find(id, caller('ann'))).toMatchObject({ id, agent: 'ann' })
    expect(await sessions.find(id, caller('eve'))).toBeUndefined()
    expect(await sessions.find(id, { ...caller('ann'), trust: 'verified' })).toBeUndefined()
    expect(await sessions.find('none', caller('ann'))).toBeUndefined()
  })

  it('belong to whoever has their id when it was opened by nobody in particular', async () => {
    const sessions = new Sessions(memoryStore(new FakeWall()))
    const { id } = await sessions.open(derived('peer-1'), nobody)
    expect(await sessions.find(id, derived('mcp-2'))).toMatchObject({ id })
    expect(await sessions.find(id, derived('key-3'))).toBeUndefined()
    expect(await sessions.find(id, caller('mcp-2'))).toBeUndefined()
    const named = await sessions.open(caller('ann'), nobody)
    expect(await sessions.find(named.id, derived('mcp-2'))).toBeUndefined()
  })

  it('end by themselves when nobody uses them, and not while somebody does', async () => {
    const wall = new FakeWall()
    const store = memoryStore(wall)
    const sessions = new Sessions(store)
    const ann = caller('ann')
    const [used, idle] = [await sessions.open(ann, nobody), await sessions.open(ann, nobody)]
    wall.pass(IDLE_MS / 2)
    expect(await sessions.find(used.id, ann)).toBeDefined()
    wall.pass(IDLE_MS / 2 + 1)
    expect(await sessions.find(used.id, ann)).toBeDefined()
    expect(await sessions.find(idle.id, ann)).toBeUndefined()
    expect(await store.count('mcp-session-due')).toBe(2)
    await sessions.open(ann, nobody)
    expect(await store.count('mcp-session-due')).toBe(2)
  })

  it('are so many for one agent, and the one that was idle longest goes', async () => {
    const wall = new FakeWall()
    const store = memoryStore(wall)
    const sessions = new Sessions(store)
    const ids: string[] = []
    for (let each = 0; each <= MOST_SESSIONS_OF_ONE; each++) {
      wall.pass(1)
      ids.push((await sessions.open(caller('ann'), nobody)).id)
    }
    expect(await sessions.find(ids[0]!, caller('ann'))).toBeUndefined()
    expect(await sessions.find(ids[1]!, caller('ann'))).toBeDefined()
    expect(await store.count('mcp-session-of/ann')).toBe(MOST_SESSIONS_OF_ONE)
  })

  it('are so many in all, and the one that was idle longest goes', async () => {
    const wall = new FakeWall()
    const { rooms, logs } = storeBounds({ ...DEFAULT_LIMITS, agents: 3 })
    const sessions = new Sessions(new MemoryStore({ rooms, logs }, wall.now))
    const ids: string[] = []
    for (const agent of ['a', 'b', 'c', 'd']) {
      wall.pass(1)
      ids.push((await sessions.open(caller(agent), nobody)).id)
    }
    expect(await sessions.find(ids[0]!, caller('a'))).toBeUndefined()
    expect(await sessions.find(ids[3]!, caller('d'))).toBeDefined()
  })

  it('take as many questions as they may, and one answer to each, for whoever asked', async () => {
    const sessions = new Sessions(memoryStore(new FakeWall()))
    const session = await sessions.open(caller('ann'), nobody)
    const names = Array.from({ length: 16 }, (_, index) => `q${index}`)
    const ids = await sessions.asked(session, names)
    expect(await refusal(sessions.asked(session, ['more']))).toBe('too-many')
    const first = ids.get('q0')!
    expect(await sessions.answered(session, first, { result: 1 })).toBe(true)
    expect(await sessions.answered(session, first, { result: 2 })).toBe(false)
    expect(await sessions.answered(session, 'none', { result: 1 })).toBe(false)
    expect(await sessions.answered(session, '__proto__', { result: 1 })).toBe(false)
    expect(await sessions.answered(session, ids.get('q1')!, { result: 'x'.repeat(70_000) })).toBe(true)
    expect(await sessions.said(session)).toMatchObject({
      [first]: { result: 1 },
      [ids.get('q1')!]: { error: 'the answer is too large' },
    })
    await sessions.forget(session, ids.values())
    expect(await sessions.said(session)).toEqual({})
    await sessions.end(session)
    expect(await sessions.said(session)).toBeUndefined()
  })

  it('follow so many resources', async () => {
    const sessions = new Sessions(memoryStore(new FakeWall()))
    const session = await sessions.open(caller('ann'), nobody)
    for (let each = 0; each < 64; each++) await sessions.follow(session, `weir://state/${each}`)
    await sessions.follow(session, 'weir://state/0')
    expect(await refusal(sessions.follow(session, 'weir://state/64'))).toBe('too-many')
    await sessions.unfollow(session, 'weir://state/0')
    await sessions.follow(session, 'weir://state/64')
    expect((await sessions.find(session.id, caller('ann')))?.uris).toHaveLength(64)
  })
})

let commons: TestCommons
let count: McpCount
let faces: Face[]
let proxies: TestProxy[]

/** One more Weir of the same store. */
async function weir(): Promise<string> {
  const mcp = createMcpFace(commons, '1.2.3', { count })
  const face = createFace(commons, '1.2.3', new Map([['/weir/v1/mcp', mcp]]))
  const proxy = await startProxy({
    upstreams: { api: new URL('http://127.0.0.1:9') },
    own: (...asked) => face.serve(...asked),
  })
  faces.push(face)
  proxies.push(proxy)
  return `${proxy.origin}/weir/v1/mcp`
}

beforeEach(() => {
  commons = testCommons(new LiveWall())
  count = new McpCount()
  faces = []
  proxies = []
})
afterEach(async () => {
  for (const face of faces) face.drain()
  for (const proxy of proxies) await proxy.close()
})

interface How {
  readonly method?: string
  readonly agent?: string
  readonly session?: string | undefined
  readonly headers?: Record<string, string>
}

function send(url: string, message: object | undefined, how: How = {}): Promise<Response> {
  const { method = 'POST', agent = 'ann', session, headers = {} } = how
  return fetch(url, {
    method,
    headers: {
      ...(message === undefined ? {} : { 'content-type': 'application/json' }),
      accept: 'application/json, text/event-stream',
      'weir-agent': agent,
      ...(session === undefined ? {} : { 'mcp-session-id': session }),
      ...headers,
    },
    ...(message === undefined ? {} : { body: JSON.stringify(message) }),
  })
}

async function begin(url: string, protocolVersion: string, capabilities: object = {}): Promise<string> {
  const params = { protocolVersion, capabilities, clientInfo: { name: 'test', version: '1' } }
  const answer = await send(url, { jsonrpc: '2.0', id: 1, method: 'initialize', params })
  expect((await last(answer)).result).toMatchObject({
    protocolVersion,
    capabilities: { resources: { subscribe: true }, logging: {} },
  })
  const session = answer.headers.get('mcp-session-id') ?? ''
  expect(session).toMatch(/^[\w-]{32}$/)
  return session
}

const call = (name: string, given: object, meta: object = {}): object => ({
  jsonrpc: '2.0',
  id: 5,
  method: 'tools/call',
  params: { name, arguments: given, _meta: meta },
})
const request = (method: string, params: object = {}): object => ({ jsonrpc: '2.0', id: 3, method, params })

async function gated(id: string): Promise<void> {
  await commons.tasks.create(caller('ann'), taskSpec.parse({ id, kind: 'review', attempts: 1 }))
  const task = await commons.dispatcher.claim(caller('bob'), ['review'], 0, neverGone)
  await commons.tasks.fail(caller('bob'), id, task!.fence, 'no paper')
}

describe.each(['2025-11-25', '2025-06-18'])('a session of %s', (revision) => {
  it('is known by its id alone to its own agent, until it is ended', async () => {
    const url = await weir()
    const session = await begin(url, revision)
    expect((await send(url, request('ping'), { session })).status).toBe(200)
    expect((await send(url, request('ping'), { session, agent: 'eve' })).status).toBe(404)
    expect((await send(url, request('ping'), { session: 'none' })).status).toBe(404)
    expect((await send(url, undefined, { method: 'GET', session: 'none' })).status).toBe(404)
    expect((await send(url, undefined, { method: 'DELETE', session, agent: 'eve' })).status).toBe(404)
    expect((await send(url, undefined, { method: 'DELETE', session })).status).toBe(204)
    expect((await send(url, request('ping'), { session })).status).toBe(404)
    expect((await send(url, request('ping'))).status).toBe(200)
  })

  it('hears how long a call waits, and its log from the level on that it has set', async () => {
    const url = await weir()
    const session = await begin(url, revision)
    expect(
      await last(await send(url, request('logging/setLevel', { level: 'notice' }), { session })),
    ).toEqual({
      jsonrpc: '2.0',
      id: 3,
      result: {},
    })
    commons.bearings.set('tool', { is: 'shut', condition: 'drifting' })
    const given = { upstream: 'tool', waitMs: 60_000 }
    const messages = messagesOf(
      await send(url, call('await_upstream', given, { progressToken: 9 }), { session }),
    )
    expect(await next(messages)).toMatchObject({
      method: 'notifications/progress',
      params: { progressToken: 9, progress: 0, message: 'tool is drifting' },
    })
    let told: Message
    while (told?.method !== 'notifications/message') {
      commons.bus.announce({ type: 'weir.probe.told', subject: 'tool', data: {} })
      commons.bus.announce({ type: 'weir.condition.changed', subject: 'tool', data: {} })
      told = await next(messages)
    }
    expect(told.params).toMatchObject({ level: 'notice', data: { type: 'weir.condition.changed' } })
    commons.bearings.delete('tool')
    let ended: Message
    for await (const message of messages) ended = message
    expect(ended).toMatchObject({ id: 5, result: { structuredContent: { canBear: 'yes' } } })
  })

  it('follows resources on the newest stream that listens, through any Weir of the store', async () => {
    const [url, other] = [await weir(), await weir()]
    const session = await begin(url, revision)
    const older = messagesOf(await send(url, undefined, { method: 'GET', session }))
    const stream = messagesOf(await send(other, undefined, { method: 'GET', session }))
    const uri = 'weir://state/plan/a'
    for (const each of [uri, 'weir://tasks']) {
      const told = await last(await send(url, request('resources/subscribe', { uri: each }), { session }))
      expect(told.result).toEqual({})
    }
    await commons.state.write(caller('bob'), 'plan/a', 1, {}, 0)
    expect(await next(stream)).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/resources/updated',
      params: { uri },
    })
    expect(await next(older)).toBeUndefined()
    await send(url, request('resources/unsubscribe', { uri }), { session })
    await commons.state.write(caller('bob'), 'plan/a', 2, {}, 0)
    await commons.tasks.create(caller('bob'), taskSpec.parse({ kind: 'review' }))
    expect(await next(stream)).toMatchObject({ params: { uri: 'weir://tasks' } })
    faces[1]!.drain()
    expect(await next(stream)).toBeUndefined()
  })

  it('follows nothing that is not told, or that there is not', async () => {
    const url = await weir()
    const session = await begin(url, revision)
    for (const uri of ['weir://agents', 'weir://tasks/none', 'weir://state/', 'file:///etc/passwd']) {
      const told = await last(await send(url, request('resources/subscribe', { uri }), { session }))
      expect(told).toMatchObject({ error: { code: -32602 } })
    }
  })

  it('asks the person before the client at the gate, and takes the answer through any Weir of the store', async () => {
    const [url, other] = [await weir(), await weir()]
    const session = await begin(url, revision, { elicitation: {} })
    await gated('job')
    const decide = call('decide_task', { id: 'job' }, { progressToken: 4 })
    const messages = messagesOf(await send(url, decide, { session }))
    const { id, method, params } = await next(messages)
    expect(await next(messages)).toMatchObject({ params: { progressToken: 4, total: 300_000 } })
    expect([method, params.message]).toEqual(['elicitation/create', expect.stringContaining('no paper')])
    const answer = { jsonrpc: '2.0', id, result: accepted({ decision: 'retry', attempts: 2 }) }
    const eve = await begin(url, revision)
    expect((await send(other, answer, { session: eve })).status).toBe(400)
    expect((await send(other, answer)).status).toBe(400)
    expect((await send(other, answer, { session })).status).toBe(202)
    expect((await send(other, answer, { session })).status).toBe(400)
    expect(await next(messages)).toMatchObject({ id: 5, result: { structuredContent: { state: 'ready' } } })
    expect(await next(messages)).toBeUndefined()
  })

  it('is told when the client does not answer what it is asked', async () => {
    const url = await weir()
    const session = await begin(url, revision, { elicitation: {} })
    await gated('job')
    const refusing = messagesOf(await send(url, call('decide_task', { id: 'job' }), { session }))
    const { id } = await next(refusing)
    await send(url, { jsonrpc: '2.0', id, error: { code: -1, message: 'nobody there' } }, { session })
    expect((await next(refusing)).error.message).toContain('nobody there')
    const wrong = messagesOf(await send(url, call('decide_task', { id: 'job' }), { session }))
    await send(url, { jsonrpc: '2.0', id: (await next(wrong)).id, result: { action: 'maybe' } }, { session })
    expect(await next(wrong)).toMatchObject({ error: { code: -32602 } })
    const left = messagesOf(await send(url, call('decide_task', { id: 'job' }), { session }))
    await next(left)
    await send(url, undefined, { method: 'DELETE', session })
    expect((await next(left)).error.message).toContain('did not answer')
    const late = await begin(url, revision, { elicitation: {} })
    const drained = messagesOf(await send(url, call('decide_task', { id: 'job' }), { session: late }))
    await next(drained)
    faces[0]!.drain()
    expect((await next(drained)).error.message).toContain('did not answer')
  })

  it.each<[string, Record<string, string>, number]>([
    ['takes no streams', { accept: 'application/json' }, 406],
    ['sends no JSON', { 'content-type': 'text/plain' }, 415],
    ['speaks another revision', { 'mcp-protocol-version': '1999-01-01' }, 400],
  ])('is not for who %s', async (_who, headers, status) => {
    const url = await weir()
    const session = await begin(url, revision)
    expect((await send(url, request('ping'), { session, headers })).status).toBe(status)
  })
})

describe('without a session', () => {
  it('there is no log to set and nothing to follow, and nobody is asked', async () => {
    const url = await weir()
    await gated('job')
    const refused = { error: { code: -32601 } }
    expect(await last(await send(url, request('logging/setLevel', { level: 'info' })))).toMatchObject(refused)
    const uri = 'weir://tasks/job'
    expect(await last(await send(url, request('resources/subscribe', { uri })))).toMatchObject(refused)
    expect((await last(await send(url, call('decide_task', { id: 'job' })))).result.isError).toBe(true)
    expect((await send(url, undefined, { method: 'PUT' })).status).toBe(405)
    expect((await send(url, { hello: 'world' })).status).toBe(400)
  })
})

describe('the official SDK', () => {
  it('asks its person at the gate, and hears of changes', async () => {
    const url = await weir()
    await gated('job')
    const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } })
    client.setRequestHandler(ElicitRequestSchema, () => ({
      action: 'accept',
      content: { decision: 'done', result: 'fine' },
    }))
    const updated = new Promise<string>((resolve) => {
      client.fallbackNotificationHandler = async ({ params }) => resolve(String(params?.['uri']))
    })
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers: { 'weir-agent': 'ann' } },
    })
    await client.connect(transport)
    await client.subscribeResource({ uri: 'weir://tasks/job' })
    await expect.poll(() => count.open).toBe(1)
    const { structuredContent } = await client.callTool({ name: 'decide_task', arguments: { id: 'job' } })
    expect(structuredContent).toMatchObject({ state: 'done', result: 'fine' })
    expect(await updated).toBe('weir://tasks/job')
    await transport.terminateSession()
    await client.close()
  })
})
