/** The undici interceptor over real sockets, below undici's own callers. */
import { Agent, fetch as undiciFetch, request, type Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSandbox, type Sandbox } from '../../src/demo/sandbox.ts'
import { Coordination } from '../../src/wrap/coordination.ts'
import { coordinate } from '../../src/wrap/interceptor.ts'
import { CallRefused } from '../../src/wrap/refused.ts'
import { withAgent, withWorkflow } from '../../src/wrap/scope.ts'

const ONE =
  'version: 1\nrules:\n  - { name: one, mode: enforce, then: { do: hold, hold: { max: 20s }, limits: [{ per: upstream, concurrency: 1 }] } }\n'
const NEVER = 'version: 1\nrules:\n  - { name: no, mode: enforce, then: { do: shed, final: true } }\n'

let sandbox: Sandbox
let coordination: Coordination
let agent: Dispatcher

function start(policy: string, onRefusal: 'answer' | 'throw' = 'answer'): void {
  coordination = new Coordination({ upstreams: { up: sandbox.url }, policy, onRefusal, seed: 1 })
  agent = new Agent().compose(coordinate(coordination))
}
const row = (): ReturnType<Coordination['read']>['upstreams'][number] => coordination.read().upstreams[0]!
const post = (path = '/v1/chat/completions', given: object = {}): Promise<Dispatcher.ResponseData> =>
  request(`${sandbox.url}${path}`, { dispatcher: agent, method: 'POST', body: '{"model":"m"}', ...given })
async function eventually(truth: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300 && !truth(); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 10))
  expect(truth()).toBe(true)
}

beforeEach(async () => {
  sandbox = createSandbox()
  await sandbox.listen()
})
afterEach(async () => {
  const { open } = coordination.read()
  coordination.close()
  await agent.close()
  await sandbox.close()
  if (open !== 0) throw new Error(`${open} calls are left open`)
})

describe('the undici interceptor', () => {
  it('passes a call and its answer through, and tells the core', async () => {
    start('version: 1')
    const { statusCode, headers, body } = await post()
    expect([statusCode, headers['content-type']]).toEqual([200, 'application/json'])
    expect(await body.json()).toMatchObject({ object: 'chat.completion' })
    expect(row()).toMatchObject({ attempts: 1, inFlight: 0, settlements: { success: 1 } })
  })

  it('holds the second call until the first one has ended', async () => {
    start(ONE)
    sandbox.behave({ serviceMs: 150 })
    const answers = await Promise.all([post(), post()])
    await Promise.all(answers.map(({ body }) => body.text()))
    expect(row().outcomes).toMatchObject({ passed: 1, 'passed-after-hold': 1 })
  })

  it('lets a held call be aborted', async () => {
    start(ONE)
    sandbox.behave({ serviceMs: 300 })
    const first = post()
    const leaving = new AbortController()
    const second = post('/v1/chat/completions', { signal: leaving.signal }).catch((error: unknown) => error)
    await eventually(() => row().held === 1)
    leaving.abort(new Error('enough'))
    expect(await second).toMatchObject({ message: 'enough' })
    expect(row().outcomes['client-gone']).toBe(1)
    await (await first).body.text()
  })

  it('answers a refusal as the upstream would, to request and to fetch', async () => {
    start(NEVER)
    const refused = await post()
    expect([refused.statusCode, refused.headers['weir-reason']]).toEqual([403, 'forbidden'])
    expect(await refused.body.json()).toMatchObject({ code: 'forbidden' })
    const fetched = await undiciFetch(`${sandbox.url}/v1/models`, { dispatcher: agent })
    expect([fetched.status, fetched.headers.get('x-should-retry')]).toEqual([403, 'false'])
  })

  it('throws a refusal where that is wanted', async () => {
    start(NEVER, 'throw')
    expect(await post().catch((error: unknown) => error)).toBeInstanceOf(CallRefused)
  })

  it('carries names to the core and not to the upstream, and a trace to both', async () => {
    start('version: 1')
    const given = { headers: { 'weir-priority': 'batch', 'x-own': 'kept', 'x-list': ['1', '2'] } }
    const { body } = await withWorkflow('run-1', () => withAgent('planner', () => post('/echo', given)))
    await body.text()
    expect(coordination.read().agentsKnown).toBe(1)
    const flat = await withWorkflow('run-2', () =>
      post('/echo', { headers: ['weir-agent', 'flat', 'x-own', 'kept'] }),
    )
    await flat.body.text()
    expect(coordination.read()).toMatchObject({ agentsKnown: 2, workflowsKnown: 2 })
  })

  it('knows a connection that breaks for a failure', async () => {
    start('version: 1')
    sandbox.behave({ phases: [{ from: 0, until: Infinity, stopped: true }] })
    await expect(post()).rejects.toThrow(/ECONNRESET|other side closed/)
    expect(row().settlements.failure).toBe(1)
  })

  it('leaves others alone', async () => {
    start(NEVER)
    const other = createSandbox()
    await other.listen()
    const { statusCode, body } = await request(`${other.url}/v1/models`, { dispatcher: agent })
    await body.text()
    expect(statusCode).toBe(200)
    await other.close()
  })
})
