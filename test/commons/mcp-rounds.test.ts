/** MCP 2026-07-28 where a call says or asks something before it is answered, and where a stream tells changes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFace, type Face } from '../../src/commons/http/face.ts'
import { createMcpFace } from '../../src/commons/mcp/mcp-face.ts'
import { taskSpec } from '../../src/commons/tasks/task.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { caller, LiveWall, neverGone, testCommons, type TestCommons } from './kit.ts'
import { accepted, last, messagesOf, next, type Message } from './mcp-kit.ts'

const REVISION = '2026-07-28'
const PREFIX = 'io.modelcontextprotocol'

let commons: TestCommons
let face: Face
let proxy: TestProxy

beforeEach(async () => {
  commons = testCommons(new LiveWall())
  face = createFace(commons, '1.2.3', new Map([['/weir/v1/mcp', createMcpFace(commons, '1.2.3')]]))
  proxy = await startProxy({
    upstreams: { api: new URL('http://127.0.0.1:9') },
    own: (...asked) => face.serve(...asked),
  })
})
afterEach(async () => {
  face.drain()
  await proxy.close()
})

interface How {
  readonly agent?: string
  readonly abilities?: object
  readonly meta?: object
  readonly accept?: string
  readonly signal?: AbortSignal
}

function ask(method: string, params: Record<string, unknown>, how: How = {}): Promise<Response> {
  const { agent = 'ann', abilities = { elicitation: {} }, meta = {}, signal } = how
  const { accept = 'application/json, text/event-stream' } = how
  const named = params['name'] ?? params['uri']
  const said = {
    [`${PREFIX}/protocolVersion`]: REVISION,
    [`${PREFIX}/clientCapabilities`]: abilities,
    ...meta,
  }
  return fetch(`${proxy.origin}/weir/v1/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept,
      'mcp-protocol-version': REVISION,
      'mcp-method': method,
      'weir-agent': agent,
      ...(typeof named === 'string' ? { 'mcp-name': named } : {}),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 7, method, params: { _meta: said, ...params } }),
    ...(signal === undefined ? {} : { signal }),
  })
}

/** A task whose only attempt has failed: a person decides. */
async function gated(id: string): Promise<void> {
  const ann = caller('ann')
  await commons.tasks.create(ann, taskSpec.parse({ id, kind: 'review', attempts: 1 }))
  const task = await commons.dispatcher.claim(caller('bob'), ['review'], 0, neverGone)
  await commons.tasks.fail(caller('bob'), id, task!.fence, 'no paper')
}

function uris(...resourceSubscriptions: string[]): object {
  return { notifications: { resourceSubscriptions } }
}

describe('a call that waits', () => {
  const waiting = { name: 'await_upstream', arguments: { upstream: 'tool', waitMs: 60_000 } }

  it('tells how long it has waited and for what, and why, to who wants to hear it', async () => {
    commons.bearings.set('tool', { is: 'shut', condition: 'drifting' })
    const meta = { progressToken: 'p-1', [`${PREFIX}/logLevel`]: 'warning' }
    const messages = messagesOf(await ask('tools/call', waiting, { meta }))
    expect(await next(messages)).toMatchObject({
      method: 'notifications/progress',
      params: { progressToken: 'p-1', progress: 0, total: 60_000, message: 'tool is drifting' },
    })
    // The log begins where it is when the wait begins: what is said until it is heard is said again.
    let told: Message
    while (told?.method !== 'notifications/message') {
      commons.bus.announce({ type: 'weir.condition.changed', subject: 'tool', data: {} })
      commons.bus.announce({ type: 'weir.drift.started', subject: 'api', data: {} })
      commons.bus.announce({ type: 'weir.drift.started', subject: 'tool', data: { readings: 1 } })
      told = await next(messages)
    }
    expect(told.params).toMatchObject({
      level: 'warning',
      logger: 'weir',
      data: { type: 'weir.drift.started', subject: 'tool' },
    })
    commons.bearings.delete('tool')
    let ended: Message
    for await (const message of messages) ended = message
    expect(ended).toMatchObject({ id: 7, result: { structuredContent: { canBear: 'yes' } } })
  })

  it.each<[string, How]>([
    ['did not ask', {}],
    ['takes no streams', { accept: 'application/json', meta: { progressToken: 1 } }],
  ])('says nothing to who %s', async (_who, how) => {
    commons.bearings.set('tool', { is: 'shut', condition: 'drifting' })
    const answer = ask('tools/call', { ...waiting, arguments: { upstream: 'tool', waitMs: 1 } }, how)
    const told = await answer
    expect(told.headers.get('content-type')).toBe('application/json')
    expect(await told.json()).toMatchObject({ result: { structuredContent: { canBear: 'no' } } })
  })

  it('has no level of a log that the protocol does not name', async () => {
    const meta = { [`${PREFIX}/logLevel`]: 'loud' }
    const told = await ask('tools/call', waiting, { meta })
    expect([told.status, await told.json()]).toMatchObject([400, { error: { code: -32602 } }])
  })

  it('shows no events to who may not follow them, and goes on', async () => {
    const refused: string[] = []
    const guarded = testCommons(new LiveWall(), commons.store, (_caller, action) => {
      if (action.do === 'event.subscribe') refused.push(action.on)
      return action.do !== 'event.subscribe'
    })
    guarded.bearings.set('tool', { is: 'shut', condition: 'drifting' })
    const before = face
    face = createFace(guarded, '1', new Map([['/weir/v1/mcp', createMcpFace(guarded, '1')]]))
    const meta = { [`${PREFIX}/logLevel`]: 'debug' }
    const answer = ask('tools/call', waiting, { meta })
    await expect.poll(() => refused).toEqual(['weir.*'])
    guarded.bearings.delete('tool')
    const told = await answer
    face = before
    expect(told.headers.get('content-type')).toBe('application/json')
    expect(await told.json()).toMatchObject({ result: { structuredContent: { canBear: 'yes' } } })
    expect(guarded.trouble).toEqual([])
  })
})

describe('a person at the gate', () => {
  const decide = { name: 'decide_task', arguments: { id: 'job' } }

  it('is asked through the client of whoever may decide, and what they say is done', async () => {
    await gated('job')
    const asked = await last(await ask('tools/call', decide))
    expect(asked.result).toMatchObject({ resultType: 'input_required' })
    const [[name, question]] = Object.entries<Message>(asked.result.inputRequests) as [[string, Message]]
    expect(question).toMatchObject({ method: 'elicitation/create' })
    expect(question.params.message).toContain('no paper')
    const { requestState } = asked.result
    const inputResponses = { [name]: accepted({ decision: 'done', result: 'signed by hand' }) }
    const { result } = await last(await ask('tools/call', { ...decide, inputResponses, requestState }))
    expect(result).toMatchObject({
      resultType: 'complete',
      structuredContent: { state: 'done', result: 'signed by hand' },
    })
  })

  it('may not want to decide: then the task waits on', async () => {
    await gated('job')
    const { result } = await last(await ask('tools/call', decide))
    const [name = ''] = Object.keys(result.inputRequests)
    const inputResponses = { [name]: { action: 'decline' } }
    const told = await last(await ask('tools/call', { ...decide, inputResponses }))
    expect(told.result).toMatchObject({ isError: true })
    expect(told.result.content[0].text).toContain('nobody decided')
    expect(await commons.tasks.get(caller('ann'), 'job')).toMatchObject({ state: { in: 'gate' } })
  })

  it('is not asked what was decided for an earlier stay', async () => {
    await gated('job')
    const { result } = await last(await ask('tools/call', decide))
    const [name = ''] = Object.keys(result.inputRequests)
    await commons.tasks.decide(caller('ann'), 'job', { decision: 'retry', attempts: 1 })
    commons.wall.pass(5000)
    const task = await commons.dispatcher.claim(caller('bob'), ['review'], 0, neverGone)
    await commons.tasks.fail(caller('bob'), 'job', task!.fence, 'again')
    const { requestState } = result
    const inputResponses = { [name]: accepted({ decision: 'cancel' }) }
    const told = await last(await ask('tools/call', { ...decide, inputResponses, requestState }))
    expect(told.result.resultType).toBe('input_required')
    expect(Object.keys(told.result.inputRequests)).not.toEqual([name])
  })

  it.each<[string, object, How]>([
    ['a client cannot ask', decide, { abilities: {} }],
    ['a client shows addresses only', decide, { abilities: { elicitation: { url: {} } } }],
    ['no task waits', { name: 'decide_task', arguments: { id: 'none' } }, {}],
  ])('is not asked where %s', async (_case, params, how) => {
    await gated('job')
    const { result } = await last(await ask('tools/call', { ...params }, how))
    expect(result).toMatchObject({ resultType: 'complete', isError: true })
  })

  it('is not asked for whoever may not decide', async () => {
    const guarded = testCommons(
      new LiveWall(),
      commons.store,
      (_caller, action) => action.do !== 'task.decide',
    )
    await gated('job')
    const other = createFace(guarded, '1', new Map([['/weir/v1/mcp', createMcpFace(guarded, '1')]]))
    const before = face
    face = other
    const { result } = await last(await ask('tools/call', decide))
    face = before
    other.drain()
    expect(result.content[0].text).toContain('may not task.decide')
  })

  it.each<[string, (state: string) => unknown, How & { id?: string; later?: number }]>([
    ['changed', (state) => `${state}-TAMPERED`, {}],
    ['cut', (state) => state.slice(0, 20), {}],
    ['of another alphabet', (state) => `${state}=`, {}],
    ['no text', () => 1, {}],
    ['of another agent', (state) => state, { agent: 'eve' }],
    ['for another call', (state) => state, { id: 'other' }],
    ['over', (state) => state, { later: 900_001 }],
  ])('is not believed with a state that is %s', async (_case, change, { id = 'job', later = 0, ...how }) => {
    await gated('job')
    await gated('other')
    const { result } = await last(await ask('tools/call', decide))
    commons.wall.pass(later)
    const params = { name: 'decide_task', arguments: { id }, requestState: change(result.requestState) }
    expect(await last(await ask('tools/call', params, how))).toMatchObject({ error: { code: -32602 } })
  })

  it('is believed by another Weir of the same store', async () => {
    await gated('job')
    const { result } = await last(await ask('tools/call', decide))
    const [name = ''] = Object.keys(result.inputRequests)
    const other = testCommons(new LiveWall(), commons.store)
    const before = face
    face = createFace(other, '1', new Map([['/weir/v1/mcp', createMcpFace(other, '1')]]))
    const inputResponses = { [name]: accepted({ decision: 'cancel' }) }
    const params = { requestState: result.requestState, inputResponses, ...decide }
    const told = await last(await ask('tools/call', params))
    face.drain()
    face = before
    expect(told.result.structuredContent).toMatchObject({ state: 'cancelled' })
  })

  it.each([null, 'x', { 'decision-0': 5 }])(
    'takes no answers like %j for a decision',
    async (inputResponses) => {
      await gated('job')
      const { result = {} } = await last(await ask('tools/call', { ...decide, inputResponses }))
      expect(result.resultType).not.toBe('complete')
    },
  )
})

describe('a prompt without what it needs', () => {
  it('asks the person before the client', async () => {
    const { result } = await last(await ask('prompts/get', { name: 'plan_work' }))
    expect(result.inputRequests.missing.params.requestedSchema).toMatchObject({ required: ['goal'] })
    const inputResponses = { missing: accepted({ goal: 'ship it' }) }
    const told = await last(
      await ask('prompts/get', { name: 'plan_work', inputResponses, requestState: result.requestState }),
    )
    expect(JSON.stringify(told.result.messages)).toContain('ship it')
  })

  it('is refused when they would not say it', async () => {
    const inputResponses = { missing: { action: 'cancel' } }
    const told = await last(await ask('prompts/get', { name: 'plan_work', inputResponses }))
    expect(told).toMatchObject({ error: { code: -32602 } })
  })
})

describe('a stream that listens', () => {
  it('says what it follows, tells each change, and says so when Weir goes away', async () => {
    await commons.tasks.create(caller('ann'), taskSpec.parse({ id: 'job', kind: 'review' }))
    const wanted = ['weir://state/plan/a', 'weir://tasks/job', 'weir://upstreams/tool']
    const given = uris(...wanted, 'weir://agents', 'weir://tasks/none', 'weir://upstreams/none')
    const messages = messagesOf(await ask('subscriptions/listen', { ...given }))
    const tagged = { _meta: { [`${PREFIX}/subscriptionId`]: 7 } }
    expect(await next(messages)).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: { ...tagged, notifications: { resourceSubscriptions: wanted } },
    })
    const updated = (uri: string): object => ({
      jsonrpc: '2.0',
      method: 'notifications/resources/updated',
      params: { ...tagged, uri },
    })
    await commons.state.write(caller('bob'), 'plan/b', 1, {}, 0)
    await commons.state.write(caller('bob'), 'plan/a', 1, {}, 0)
    expect(await next(messages)).toEqual(updated('weir://state/plan/a'))
    await commons.tasks.cancel(caller('ann'), 'job')
    expect(await next(messages)).toEqual(updated('weir://tasks/job'))
    commons.bearings.set('tool', { is: 'shut', condition: 'drifting' })
    expect(await next(messages)).toEqual(updated('weir://upstreams/tool'))
    face.drain()
    expect(await next(messages)).toMatchObject({ id: 7, result: { resultType: 'complete', ...tagged } })
    expect(await next(messages)).toBeUndefined()
  })

  it('follows nothing that the caller may not read', async () => {
    const guarded = testCommons(
      new LiveWall(),
      commons.store,
      (_caller, action) => action.do === 'state.read' && action.on === 'mine',
    )
    const before = face
    face = createFace(guarded, '1', new Map([['/weir/v1/mcp', createMcpFace(guarded, '1')]]))
    const wanted = ['weir://state/mine', 'weir://state/theirs', 'weir://upstreams', 'weir://tasks']
    const messages = messagesOf(await ask('subscriptions/listen', { ...uris(...wanted) }))
    const { params } = await next(messages)
    face.drain()
    face = before
    expect(params.notifications).toEqual({ resourceSubscriptions: ['weir://state/mine'] })
  })

  it('tells no more when the caller may no longer read it', async () => {
    const allowed = new Set(['one', 'two'])
    const guarded = testCommons(new LiveWall(), commons.store, (_caller, { on }) => allowed.has(on))
    const before = face
    face = createFace(guarded, '1', new Map([['/weir/v1/mcp', createMcpFace(guarded, '1')]]))
    const wanted = uris('weir://state/one', 'weir://state/two')
    const messages = messagesOf(await ask('subscriptions/listen', { ...wanted }))
    await next(messages)
    allowed.delete('one')
    await commons.state.write(caller('bob'), 'one', 1, {}, 0)
    await commons.state.write(caller('bob'), 'two', 1, {}, 0)
    expect((await next(messages)).params.uri).toBe('weir://state/two')
    face.drain()
    face = before
  })

  it('has a bound on what it follows, and wants a client that takes streams', async () => {
    const many = Array.from({ length: 65 }, (_, index) => `weir://state/${index}`)
    const refused = { error: { code: -32602 } }
    expect(await last(await ask('subscriptions/listen', { ...uris(...many) }))).toMatchObject(refused)
    const how = { accept: 'application/json' }
    expect(await last(await ask('subscriptions/listen', {}, how))).toMatchObject(refused)
  })

  it('takes a place, and gives it back when the client goes', async () => {
    const leaving = new AbortController()
    const messages = messagesOf(await ask('subscriptions/listen', {}, { signal: leaving.signal }))
    expect(await next(messages)).toMatchObject({ params: { notifications: {} } })
    expect(face.waiting).toBe(1)
    leaving.abort()
    await expect(next(messages)).rejects.toThrow('abort')
    await expect.poll(() => face.waiting).toBe(0)
  })
})
