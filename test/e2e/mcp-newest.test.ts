/** A client of the official SDK that speaks the newest revision of MCP drives a task from end to end. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApp, type App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'

let app: App
let origin: string
let operator: string
const clients: Client[] = []

beforeEach(async () => {
  const flags = {
    upstream: ['api=http://127.0.0.1:9'],
    listen: '127.0.0.1:0',
    operator: '127.0.0.1:0',
    logLevel: 'silent',
  }
  app = createApp({ ...loadConfig({ env: {}, flags }), commons: { store: { kind: 'memory' }, limits: {} } })
  const started = await app.start()
  origin = `http://127.0.0.1:${started.proxy.port}`
  operator = `http://127.0.0.1:${started.operator.port}`
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close()
  await app.stop()
})

async function connect(agent: string, mode: 'auto' | 'legacy', capabilities = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { capabilities, versionNegotiation: { mode } })
  const url = new URL(`${origin}/weir/v1/mcp`)
  await client.connect(
    new StreamableHTTPClientTransport(url, { requestInit: { headers: { 'weir-agent': agent } } }),
  )
  clients.push(client)
  return client
}

async function call(client: Client, name: string, given: Record<string, unknown> = {}): Promise<any> {
  const { structuredContent } = await client.callTool({ name, arguments: given })
  return structuredContent
}

describe.each(['auto', 'legacy'] as const)('the SDK with %s negotiation', (mode) => {
  it('takes a task from its creation to its end', async () => {
    const [ann, bob] = [await connect('ann', mode), await connect('bob', mode)]
    expect((await ann.listTools()).tools.map(({ name }) => name)).toContain('await_upstream')
    await call(bob, 'register_agent', { agent: 'bob', capabilities: [{ name: 'review' }] })
    expect((await call(ann, 'upstream_status')).upstreams).toEqual([
      { upstream: 'api', canBear: 'yes', why: '' },
    ])
    const { id } = await call(ann, 'create_task', { kind: 'review', correlationid: 'story', input: 'x' })
    expect((await ann.listPrompts()).prompts.map(({ name }) => name)).toContain('take_over_task')
    const ref = { type: 'ref/prompt', name: 'take_over_task' } as const
    const { completion } = await ann.complete({
      ref,
      argument: { name: 'id', value: String(id).slice(0, 4) },
    })
    expect(completion.values).toContain(id)
    const { messages } = await ann.getPrompt({ name: 'take_over_task', arguments: { id: String(id) } })
    expect(JSON.stringify(messages)).toContain('claim_task')
    const { fence } = await call(bob, 'claim_task', { waitMs: 1000 })
    const foreseen = await call(ann, 'what_if_task_fails', { id })
    expect(foreseen.fails).toMatchObject({ becomes: 'ready', attempt: 2 })
    expect(await call(bob, 'complete_task', { id, fence, output: 'fine' })).toMatchObject({ state: 'done' })
    const { handoffs } = await call(ann, 'list_handoffs', { workflow: 'story' })
    expect(handoffs).toMatchObject([{ from: 'ann', to: 'bob', how: 'assigned', input: 'x' }])
    const read = await ann.readResource({ uri: `weir://tasks/${id}` })
    expect(JSON.parse((read.contents[0] as { text: string }).text)).toMatchObject({ result: 'fine' })
    const page = await (await fetch(`${operator}/metrics`)).text()
    const revision = mode === 'auto' ? '2026-07-28' : '2025-11-25'
    expect(
      Number(
        new RegExp(`weir_commons_mcp_requests_total\\{revision="${revision}"\\} (\\d+)`).exec(page)?.[1],
      ),
    ).toBeGreaterThan(5)
  })

  it('asks its person at the gate, and hears of the decision and of waits', async () => {
    const ann = await connect('ann', mode, { elicitation: {} })
    const bob = await connect('bob', mode)
    const asked: string[] = []
    ann.setRequestHandler('elicitation/create', ({ params }) => {
      asked.push(params.message)
      return { action: 'accept', content: { decision: 'done', result: 'signed' } }
    })
    await call(ann, 'create_task', { id: 'job', kind: 'sign', attempts: 1 })
    const { fence } = await call(bob, 'claim_task', { capabilities: ['sign'], waitMs: 1000 })
    await call(bob, 'fail_task', { id: 'job', fence, reason: 'no ink' })
    const updated = new Promise<string>((resolve) => {
      bob.setNotificationHandler('notifications/resources/updated', ({ params }) => resolve(params.uri))
    })
    const uri = 'weir://tasks/job'
    if (mode === 'auto') {
      const { honoredFilter } = await bob.listen({ resourceSubscriptions: [uri, 'weir://agents'] })
      expect(honoredFilter).toMatchObject({ resourceSubscriptions: [uri] })
    } else {
      await bob.subscribeResource({ uri })
      await expect
        .poll(async () => (await fetch(`${operator}/metrics`)).text())
        .toContain('weir_commons_mcp_open 2')
    }
    expect(await call(ann, 'decide_task', { id: 'job' })).toMatchObject({ state: 'done', result: 'signed' })
    expect(asked).toEqual([expect.stringContaining('no ink')])
    expect(await updated).toBe(uri)
    const progress: number[] = []
    const waiting = { capabilities: ['sign'], waitMs: 1500 }
    await bob.callTool(
      { name: 'claim_task', arguments: waiting },
      { onprogress: ({ progress: done }) => progress.push(done) },
    )
    expect(progress[0]).toBe(0)
    expect(progress.at(-1)).toBeGreaterThan(900)
  })
})
