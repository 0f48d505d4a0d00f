/** MCP 2026-07-28, as bytes: what each request must say, and what it is answered. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFace, type Face } from '../../src/commons/http/face.ts'
import { McpCount } from '../../src/commons/mcp/mcp-count.ts'
import { createMcpFace } from '../../src/commons/mcp/mcp-face.ts'
import { taskSpec } from '../../src/commons/tasks/task.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { caller, LiveWall, testCommons, type TestCommons } from './kit.ts'

const REVISION = '2026-07-28'
const META = {
  'io.modelcontextprotocol/protocolVersion': REVISION,
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

let commons: TestCommons
let face: Face
let proxy: TestProxy
let count: McpCount

beforeEach(async () => {
  commons = testCommons(new LiveWall())
  count = new McpCount()
  face = createFace(commons, '1.2.3', new Map([['/weir/v1/mcp', createMcpFace(commons, '1.2.3', { count })]]))
  proxy = await startProxy({
    upstreams: { api: new URL('http://127.0.0.1:9') },
    own: (...asked) => face.serve(...asked),
  })
})
afterEach(async () => {
  face.drain()
  await proxy.close()
})

interface Told {
  readonly status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever is answered
  readonly body: any
}

/** @param changes headers; undefined takes one away */
async function send(message: object, changes: Record<string, string | undefined> = {}): Promise<Told> {
  const headers = Object.fromEntries(
    Object.entries({
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': REVISION,
      'weir-agent': 'ann',
      ...changes,
    }).filter((header): header is [string, string] => header[1] !== undefined),
  )
  const answer = await fetch(`${proxy.origin}/weir/v1/mcp`, {
    method: 'POST',
    headers,
    body: JSON.stringify(message),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
}

async function ask(
  method: string,
  params: Record<string, unknown> = {},
  changes: Record<string, string | undefined> = {},
): Promise<Told> {
  const named = typeof params['name'] === 'string' ? params['name'] : params['uri']
  const headers = { 'mcp-method': method, ...(typeof named === 'string' ? { 'mcp-name': named } : {}) }
  const message = { jsonrpc: '2.0', id: 7, method, params: { _meta: META, ...params } }
  return send(message, { ...headers, ...changes })
}

describe('MCP without a handshake', () => {
  it('says who it is and what it offers', async () => {
    expect(await ask('server/discover')).toEqual({
      status: 200,
      body: {
        jsonrpc: '2.0',
        id: 7,
        result: {
          resultType: 'complete',
          supportedVersions: [REVISION],
          capabilities: {
            tools: {},
            resources: { subscribe: true },
            prompts: {},
            completions: {},
            logging: {},
          },
          instructions: expect.stringContaining('upstream_status') as string,
          ttlMs: 300_000,
          cacheScope: 'private',
          _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'weir', title: 'Weir', version: '1.2.3' } },
        },
      },
    })
  })

  it('takes a task from its creation to its end', async () => {
    const call = async (agent: string, name: string, given: object): Promise<any> => {
      const { body } = await ask('tools/call', { name, arguments: given }, { 'weir-agent': agent })
      return body.result.structuredContent
    }
    const created = await call('ann', 'create_task', { kind: 'review', input: { text: 'x' } })
    const { id, fence } = await call('bob', 'claim_task', { capabilities: ['review'] })
    expect(id).toBe(created.id)
    expect(await call('bob', 'complete_task', { id, fence, output: 'fine' })).toMatchObject({ state: 'done' })
    const { body } = await ask('resources/read', { uri: `weir://tasks/${id}` })
    expect(JSON.parse(body.result.contents[0].text)).toMatchObject({ result: 'fine', owner: 'bob' })
    expect(body.result).toMatchObject({ ttlMs: 0, cacheScope: 'private', resultType: 'complete' })
  })

  it('lists tools in one order, resources and templates', async () => {
    const first = await ask('tools/list')
    expect((await ask('tools/list')).body).toEqual(first.body)
    expect(first.body.result.tools.length).toBeGreaterThan(20)
    const { body } = await ask('resources/list')
    expect(body.result.resources.map(({ uri }: { uri: string }) => uri)).toContain('weir://handoffs')
    const templates = await ask('resources/templates/list')
    expect(templates.body.result.resourceTemplates).toContainEqual(
      expect.objectContaining({ uriTemplate: 'weir://tasks/{id}/what-if' }),
    )
  })

  it('shows a task in a prompt as it is, and completes the names that prompts take', async () => {
    await commons.tasks.create(caller('ann'), taskSpec.parse({ id: 'job-1', kind: 'review', input: 'text' }))
    const { body } = await ask('prompts/list')
    expect(body.result).toMatchObject({ ttlMs: 300_000, cacheScope: 'private' })
    expect(body.result.prompts.map(({ name }: { name: string }) => name)).toEqual([
      'take_over_task',
      'explain_upstream',
      'plan_work',
    ])
    const told = await ask('prompts/get', { name: 'take_over_task', arguments: { id: 'job-1' } })
    const [task, foreseen, words] = told.body.result.messages
    expect(JSON.parse(task.content.resource.text)).toMatchObject({ id: 'job-1', input: 'text' })
    expect(foreseen.content.resource.uri).toBe('weir://tasks/job-1/what-if')
    expect(words.content.text).toContain('claim_task')
    const ref = { type: 'ref/prompt', name: 'take_over_task' }
    const completed = await ask('completion/complete', { ref, argument: { name: 'id', value: 'jo' } })
    expect(completed.body.result.completion).toEqual({ values: ['job-1'], total: 1, hasMore: false })
  })

  it.each<[string, string, object]>([
    ['a prompt that there is not', 'prompts/get', { name: 'none' }],
    ['a prompt without what it needs', 'prompts/get', { name: 'take_over_task' }],
    ['a prompt about nothing', 'prompts/get', { name: 'take_over_task', arguments: { id: 'none' } }],
    ['an argument that is no text', 'prompts/get', { name: 'plan_work', arguments: { goal: 1 } }],
    ['a completion of nothing', 'completion/complete', {}],
    ['a completion of another kind', 'completion/complete', { ref: { type: 'x' }, argument: {} }],
    [
      'a completion for a prompt that there is not',
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'none' }, argument: { name: 'id', value: '' } },
    ],
  ])('refuses %s', async (_what, method, params) => {
    expect(await ask(method, { ...params })).toMatchObject({ status: 200, body: { error: { code: -32602 } } })
  })

  it('routes a prompt by its name in the header, which must be that of the body', async () => {
    const told = await ask('prompts/get', { name: 'plan_work' }, { 'mcp-name': 'take_over_task' })
    expect(told).toMatchObject({ status: 400, body: { error: { code: -32020 } } })
  })

  it.each<[string, object | undefined]>([
    ['no _meta', undefined],
    ['no revision', { ...META, 'io.modelcontextprotocol/protocolVersion': undefined }],
    ['no capabilities', { ...META, 'io.modelcontextprotocol/clientCapabilities': undefined }],
  ])('refuses a request with %s', async (_name, _meta) => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta } }
    expect(await send(message, { 'mcp-method': 'tools/list' })).toMatchObject({
      status: 400,
      body: { id: 1, error: { code: -32602 } },
    })
  })

  it.each<[string, Record<string, string | undefined>]>([
    ['of another revision', { 'mcp-protocol-version': '2025-11-25' }],
    ['without the method', { 'mcp-method': undefined }],
    ['of another method', { 'mcp-method': 'tools/list' }],
    ['without the name', { 'mcp-name': undefined }],
    ['of another name', { 'mcp-name': 'read_state' }],
  ])('refuses a header %s: who routes by it must not be told otherwise', async (_name, changes) => {
    const told = await ask('tools/call', { name: 'upstream_status' }, changes)
    expect(told).toMatchObject({ status: 400, body: { id: 7, error: { code: -32020 } } })
  })

  it('reads a name that no header can hold as it is', async () => {
    const uri = 'weir://none/ü'
    const name = `=?base64?${Buffer.from(uri).toString('base64')}?=`
    expect(await ask('resources/read', { uri }, { 'mcp-name': name })).toMatchObject({
      status: 200,
      body: { error: { code: -32602, data: { uri } } },
    })
  })

  it('names the revision that it speaks to who asks for one to come', async () => {
    const meta = { ...META, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' }
    expect(await ask('tools/list', { _meta: meta }, { 'mcp-protocol-version': '2099-01-01' })).toMatchObject({
      status: 400,
      body: { error: { code: -32022, data: { supported: [REVISION], requested: '2099-01-01' } } },
    })
  })

  it.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'constructor'])(
    'has no method %s',
    async (method) => {
      expect(await ask(method)).toMatchObject({ status: 404, body: { id: 7, error: { code: -32601 } } })
    },
  )

  it('tells a tool that there is not from a call that fails', async () => {
    expect(await ask('tools/call', { name: 'no_such_tool' })).toMatchObject({
      status: 200,
      body: { error: { code: -32602, message: 'Unknown tool: no_such_tool' } },
    })
    const failed = await ask('tools/call', { name: 'read_state', arguments: { key: 'none' } })
    expect(failed).toMatchObject({ status: 200, body: { result: { isError: true, resultType: 'complete' } } })
  })

  it('takes notifications, and no batches and no responses', async () => {
    expect(await send({ jsonrpc: '2.0', method: 'notifications/cancelled' })).toEqual({ status: 202 })
    expect((await send([])).status).toBe(400)
    expect(await send({ jsonrpc: '2.0', id: 1, result: {} })).toMatchObject({
      status: 400,
      body: { error: { code: -32600 } },
    })
  })

  it('counts requests by revision, whatever clients say that it is', async () => {
    await ask('server/discover')
    await send({ jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-protocol-version': '2025-11-25' })
    await send({ jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-protocol-version': '__proto__' })
    expect(count.requests).toEqual({ '2026-07-28': 1, '2025-11-25': 1, '2025-06-18': 0, other: 1 })
    expect(count.open).toBe(0)
  })
})
