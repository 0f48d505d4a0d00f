/** What the owner of a workflow asks, over HTTP: handoffs, and what if a step fails now. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Handoff } from '../../src/commons/tasks/handoffs.ts'
import type { Task } from '../../src/commons/tasks/task.ts'
import type { WhatIfView } from '../../src/commons/http/workflow-routes.ts'
import { createFace, type Face } from '../../src/commons/http/face.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { caller, LiveWall, neverGone, testCommons, type TestCommons } from './kit.ts'

const BOSS = caller('boss', 'story')
let commons: TestCommons
let face: Face
let proxy: TestProxy

beforeEach(async () => {
  commons = testCommons(new LiveWall())
  face = createFace(commons, '1.2.3')
  proxy = await startProxy({
    upstreams: { api: new URL('http://127.0.0.1:9') },
    own: (request, response, path, from) => face.serve(request, response, path, from),
  })
})
afterEach(async () => {
  face.drain()
  await proxy.close()
})

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(`${proxy.origin}/weir/v1${path}`, { headers: { 'weir-agent': 'boss' } })
  return (await answer.json()) as T
}

interface Page {
  readonly handoffs: readonly (Handoff & { input?: unknown })[]
  readonly next: number
}

async function claim(agent: string, capability: string): Promise<Task> {
  const task = await commons.dispatcher.claim(caller(agent), [capability], 0, neverGone)
  if (task === undefined) throw new Error(`nothing to claim for ${agent}`)
  return task
}

async function join(...agents: readonly [string, ...string[]][]): Promise<void> {
  for (const [agent, ...names] of agents) {
    const capabilities = names.map((name) => ({ name }))
    await commons.registry.register(caller(agent), agent, { capabilities, ttlMs: 60_000 })
  }
}

const short = ({ handoffs }: Page): string[] =>
  handoffs.map(({ task, from, to, how, attempt }) => `${task} ${from}>${to} ${how} ${attempt}`)

describe('handoffs', () => {
  it('tell who handed what to whom, from the first step to the last', async () => {
    const review = { kind: 'review', onDone: [{ kind: 'publish' }] }
    await commons.tasks.create(BOSS, { id: 'draft', kind: 'draft', input: { topic: 'x' }, onDone: [review] })
    const draft = await claim('ann', 'draft')
    await commons.tasks.complete(caller('ann'), draft.id, draft.fence, { text: 'once' })
    const reviewing = await claim('bob', 'review')
    await commons.tasks.complete(caller('bob'), reviewing.id, reviewing.fence, { text: 'twice' })
    await claim('cyd', 'publish')
    const page = await get<Page>('/handoffs?workflow=story')
    expect(short(page)).toEqual([
      'draft boss>ann assigned 1',
      'draft.d0 ann>bob assigned 1',
      'draft.d0.d0 bob>cyd assigned 1',
    ])
    expect(page.handoffs.map(({ input }) => input)).toEqual([
      { topic: 'x' },
      { text: 'once' },
      { text: 'twice' },
    ])
    expect(page.handoffs.map(({ workflow }) => workflow)).toEqual(['story', 'story', 'story'])
  })

  it('say from whom a task was taken and why, and when it came to a person', async () => {
    await commons.tasks.create(BOSS, {
      id: 'draft',
      kind: 'draft',
      attempts: 2,
      leaseMs: 1000,
      retryDelayMs: 0,
    })
    await claim('ann', 'draft')
    commons.wall.pass(1500)
    await commons.tick()
    const second = await claim('bob', 'draft')
    await commons.tasks.fail(caller('bob'), second.id, second.fence, 'no idea')
    const page = await get<Page>('/handoffs?workflow=story')
    expect(short(page)).toEqual([
      'draft boss>ann assigned 1',
      'draft ann>bob reassigned 2',
      'draft bob>person escalated 2',
    ])
    expect(page.handoffs.map(({ why }) => why)).toEqual([
      '',
      'lease: no word of its owner',
      'attempts: 2 attempts, the last one: failed no idea',
    ])
    await commons.tasks.decide(caller('eve'), 'draft', { decision: 'retry', attempts: 1 })
    await claim('ann', 'draft')
    expect(short(await get<Page>('/handoffs?task=draft')).at(-1)).toBe('draft eve>ann reassigned 3')
  })

  it('are those of one workflow, page by page', async () => {
    for (const [id, workflow] of [
      ['a', 'one'],
      ['b', 'two'],
      ['c', 'one'],
    ] as const) {
      await commons.tasks.create(caller('boss', workflow), { id, kind: id })
      await claim('ann', id)
    }
    expect(short(await get<Page>('/handoffs?workflow=one'))).toHaveLength(2)
    const first = await get<Page>('/handoffs?limit=2')
    expect(first.handoffs.map(({ task }) => task)).toEqual(['a', 'b'])
    const rest = await get<Page>(`/handoffs?limit=2&after=${first.next}`)
    expect(rest.handoffs.map(({ task }) => task)).toEqual(['c'])
  })

  it('leave a large input to its task', async () => {
    await commons.tasks.create(BOSS, { id: 'big', kind: 'draft', input: 'x'.repeat(5000) })
    await claim('ann', 'draft')
    const [row] = (await get<Page>('/handoffs')).handoffs
    expect(row).toMatchObject({ task: 'big' })
    expect(row).not.toHaveProperty('input')
  })
})

const ask = (id: string): Promise<WhatIfView> => get<WhatIfView>(`/tasks/${id}/what-if`)

describe('what if a step fails now', () => {
  it('somebody else takes it: who, when, and what waits meanwhile; and nothing is done by asking', async () => {
    await join(['ann', 'draft'], ['bob', 'draft', 'review'], ['cyd', 'review'])
    await commons.tasks.create(BOSS, { id: 'draft', kind: 'draft', onDone: [{ kind: 'review' }] })
    await commons.tasks.create(BOSS, { id: 'sum', kind: 'sum', after: ['draft'] })
    await claim('ann', 'draft')
    const before = await commons.tasks.get(BOSS, 'draft')
    const answer = await ask('draft')
    expect(answer).toMatchObject({
      fails: { becomes: 'ready', attempt: 2, attempts: 3, creates: [] },
      vanishes: { becomes: 'ready', attempt: 2 },
      takers: [{ agent: 'bob', tasks: 0 }],
      waiting: [{ id: 'sum', kind: 'sum' }],
    })
    expect(answer.says.join('\n')).toContain('bob can take it, or ann again')
    expect(answer.says.join('\n')).toContain('sum waits until it is done')
    expect(answer.says.join('\n')).toContain('review follows when it is done')
    expect(await commons.tasks.get(BOSS, 'draft')).toEqual(before)
    expect((await get<{ counts: { running: number } }>('/tasks')).counts.running).toBe(1)
  })

  it('is what then happens', async () => {
    await join(['bob', 'draft'])
    await commons.tasks.create(BOSS, {
      id: 'draft',
      kind: 'draft',
      retryDelayMs: 0,
      onFailed: [{ kind: 'alarm' }],
      attempts: 2,
    })
    const first = await claim('ann', 'draft')
    const foreseen = await ask('draft')
    const after = await commons.tasks.fail(caller('ann'), 'draft', first.fence, 'x')
    expect(after.state.in).toBe(foreseen.fails?.becomes)
    const second = await claim('bob', 'draft')
    const last = await ask('draft')
    expect(last.fails).toMatchObject({ becomes: 'gate', creates: [{ kind: 'alarm' }] })
    expect(last.says[1]).toContain('it goes to a person')
    const gated = await commons.tasks.fail(caller('bob'), 'draft', second.fence, 'y')
    expect(gated.state.in).toBe('gate')
    expect((await commons.tasks.ready('alarm', 10)).map(({ task }) => task.kind)).toEqual(['alarm'])
    expect((await ask('draft')).says[1]).toBe(
      'A person decides: more attempts, done with a result, or cancelled.',
    )
  })

  it('waits for its upstream, or for somebody who can', async () => {
    await commons.tasks.create(BOSS, { id: 'draft', kind: 'draft', upstreams: ['api'] })
    await claim('ann', 'draft')
    commons.bearings.set('api', { is: 'shut', condition: 'drifting' })
    const answer = await ask('draft')
    expect(answer.fails).toMatchObject({ becomes: 'ready', why: 'api is drifting' })
    expect(answer.says[1]).toContain('once its upstream can bear it (api is drifting)')
    expect(answer.says[1]).toContain('nobody else that is live can draft')
  })

  it.each(['ready', 'blocked'])('of a task that is %s speaks of its next owner', async (state) => {
    await commons.tasks.create(BOSS, { id: 'first', kind: 'first' })
    await commons.tasks.create(BOSS, { id: 'second', kind: 'second', after: ['first'], attempts: 1 })
    const answer = await ask(state === 'ready' ? 'first' : 'second')
    expect(answer.task.state).toBe(state)
    expect(answer.fails?.becomes).toBe(state === 'ready' ? 'ready' : 'gate')
    expect(answer).not.toHaveProperty('vanishes')
    expect(answer.says[1]).toMatch(/^If its next owner fails: /)
  })

  it('says that one has ended, and of none that there is none', async () => {
    await commons.tasks.create(BOSS, { id: 'draft', kind: 'draft' })
    const { fence } = await claim('ann', 'draft')
    await commons.tasks.complete(caller('ann'), 'draft', fence, 1)
    expect((await ask('draft')).says[1]).toBe('It has ended and cannot fail any more.')
    expect(await get('/tasks/none/what-if')).toMatchObject({ status: 404, code: 'unknown' })
  })
})
