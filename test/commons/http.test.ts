import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFace, type Face } from '../../src/commons/http/face.ts'
import { ROUTES } from '../../src/commons/http/routes.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { LiveWall, testCommons, type TestCommons } from './kit.ts'

let commons: TestCommons
let face: Face
let proxy: TestProxy

beforeEach(async () => {
  commons = testCommons(new LiveWall())
  face = createFace(commons, '1.2.3')
  proxy = await startProxy({
    upstreams: { api: new URL('http://127.0.0.1:9') },
    own: (request, response, path, caller) => face.serve(request, response, path, caller),
  })
})
afterEach(async () => {
  face.drain()
  await proxy.close()
})

interface Told {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the API answers
  readonly body: any
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  agent = 'ann',
): Promise<Told> {
  const answer = await fetch(`${proxy.origin}/weir/v1${path}`, {
    method,
    headers: {
      'weir-agent': agent,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
}

/** Reads a stream until so many events have come; comments do not count. */
async function events(path: string, most: number, headers: Record<string, string> = {}): Promise<string[]> {
  const leaving = new AbortController()
  const answer = await fetch(`${proxy.origin}/weir/v1${path}`, {
    headers: { accept: 'text/event-stream', 'weir-agent': 'eve', ...headers },
    signal: leaving.signal,
  })
  expect(answer.headers.get('content-type')).toContain('text/event-stream')
  const found: string[] = []
  let text = ''
  for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += part
    const blocks = text.split('\n\n')
    text = blocks.pop()!
    found.push(...blocks.filter((block) => block.includes('data: ')))
    if (found.length >= most) break
  }
  leaving.abort()
  return found
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2))
}

const cloudEvent = { specversion: '1.0', id: '1', source: '/me', type: 'report.ready', data: { n: 1 } }
const structured = { 'content-type': 'application/cloudevents+json' }

describe('state over HTTP', () => {
  it('is compare-and-set by ETag', async () => {
    const created = await ask('PUT', '/state/plan/a', { step: 1 }, { 'if-none-match': '*' })
    expect(created.status).toBe(201)
    const tag = created.headers.get('etag')!
    const read = await ask('GET', '/state/plan/a')
    expect(read.headers.get('etag')).toBe(tag)
    expect(read.body).toMatchObject({ key: 'plan/a', etag: tag, value: { step: 1 }, by: 'ann' })
    expect((await ask('GET', '/state/plan/a', undefined, { 'if-none-match': tag })).status).toBe(304)
    const next = await ask('PUT', '/state/plan/a', { step: 2 }, { 'if-match': tag })
    expect(next.status).toBe(200)
    const late = await ask('PUT', '/state/plan/a', { step: 3 }, { 'if-match': tag })
    expect(late).toMatchObject({ status: 412, body: { code: 'changed', errors: [{ where: 'If-Match' }] } })
    expect(
      (await ask('GET', '/state/plan/a?history=true')).body.versions.map(
        (row: { value: unknown }) => row.value,
      ),
    ).toEqual([{ step: 2 }, { step: 1 }])
    expect((await ask('DELETE', '/state/plan/a', undefined, { 'if-match': '"x", W/"1"' })).status).toBe(412)
    expect((await ask('DELETE', '/state/plan/a')).status).toBe(204)
    expect((await ask('GET', '/state/plan/a')).status).toBe(404)
  })

  it('is watched from where one stopped', async () => {
    for (const n of [1, 2, 3]) await ask('PUT', `/state/a/${n}`, n)
    const seen = await events('/state?prefix=a/', 2, { 'last-event-id': '1' })
    expect(seen[0]).toMatch(/^id: 2\nevent: written\ndata: \{"key":"a\/2".*"value":2/)
    await until(() => face.waiting === 0)
    const watching = events('/state?prefix=b/', 1)
    await until(() => face.waiting === 1)
    await ask('PUT', '/state/c', 0)
    await ask('PUT', '/state/b/1', 7, {}, 'bob')
    expect((await watching)[0]).toContain('"by":"bob"')
    await until(() => face.waiting === 0)
  })

  it('goes when its time is over', async () => {
    await ask('PUT', '/state/a?ttlMs=1000', 1)
    commons.wall.pass(1000)
    expect((await ask('GET', '/state/a')).status).toBe(404)
  })
})

describe('events over HTTP', () => {
  it('are published in each mode and read again as CloudEvents', async () => {
    expect((await ask('POST', '/events', cloudEvent, structured)).body).toEqual({
      published: [{ id: '1', offset: 1, duplicate: false }],
    })
    expect((await ask('POST', '/events', cloudEvent, structured)).body.published[0].duplicate).toBe(true)
    const binary = {
      'ce-specversion': '1.0',
      'ce-id': '2',
      'ce-source': '/me',
      'ce-type': 'report.gone',
      'content-type': 'text/plain',
    }
    await ask('POST', '/events', 'words', binary)
    const { body } = await ask('GET', '/events?type=report.*&after=0')
    expect(
      body.events.map(({ event }: { event: { type: string; data: unknown } }) => [event.type, event.data]),
    ).toEqual([
      ['report.ready', { n: 1 }],
      ['report.gone', 'words'],
    ])
    expect(body.next).toBe(2)
  })

  it('are streamed to those whom they fit, and again after Last-Event-ID', async () => {
    const watching = events('/events?type=report.*&sender=ann', 1)
    await until(() => face.waiting === 1)
    await ask('POST', '/events', { ...cloudEvent, id: 'x' }, structured, 'bob')
    await ask('POST', '/events', cloudEvent, { ...structured, 'weir-workflow': 'run-9' })
    const [seen] = await watching
    expect(seen).toMatch(/^id: 2\nevent: report.ready\ndata: /)
    expect(JSON.parse(seen!.split('data: ')[1]!)).toMatchObject({
      sender: 'ann',
      correlationid: 'run-9',
      data: { n: 1 },
    })
    expect(await events('/events', 2, { 'last-event-id': '0' })).toHaveLength(2)
  })

  it('that do not fit their schema fail with the reason', async () => {
    expect(
      (await ask('PUT', '/schemas/event/report.ready', { type: 'object', required: ['title'] })).status,
    ).toBe(200)
    const refused = await ask('POST', '/events', cloudEvent, structured)
    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'contract', errors: [{ found: expect.stringContaining('title') as string }] },
    })
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
  })

  it('are worked off by a group', async () => {
    await ask('PUT', '/groups/workers', { filter: { types: ['report.*'] }, leaseMs: 1000 })
    await ask('POST', '/events', cloudEvent, structured)
    const [delivery] = (await ask('POST', '/groups/workers/receive', { max: 5 })).body.deliveries
    expect(delivery).toMatchObject({ attempt: 1, event: { type: 'report.ready' } })
    expect(
      (await ask('POST', '/groups/workers/acknowledge', { deliveries: [delivery.delivery] })).body,
    ).toEqual({ late: [] })
    expect((await ask('GET', '/groups/workers')).body).toMatchObject({ open: 0, cursor: 1 })
  })
})

describe('agents and tasks over HTTP', () => {
  it('go from discovery to a done task', async () => {
    const said = { capabilities: [{ name: 'review' }], ttlMs: 5000 }
    expect((await ask('PUT', '/agents/bob', said, {}, 'bob')).body).toMatchObject({
      registered: true,
      live: true,
    })
    expect((await ask('PUT', '/agents/bob', said)).status).toBe(403)
    expect((await ask('GET', '/agents?capability=review&live=true')).body.agents).toHaveLength(1)
    const waiting = ask('POST', '/tasks/claim', { waitMs: 5000 }, {}, 'bob')
    await until(() => commons.dispatcher.waiting === 1)
    const created = await ask('POST', '/tasks', {
      kind: 'review',
      input: { text: 'x' },
      output: { type: 'string' },
    })
    expect(created.status).toBe(201)
    expect(created.headers.get('location')).toBe(`/weir/v1/tasks/${created.body.id}`)
    const { id, fence } = (await waiting).body
    expect(id).toBe(created.body.id)
    expect((await ask('GET', '/tasks')).body).toMatchObject({
      tasks: [{ id, owner: 'bob' }],
      counts: { running: 1 },
    })
    expect((await ask('POST', `/tasks/${id}/heartbeat`, { fence }, {}, 'bob')).status).toBe(200)
    expect((await ask('POST', `/tasks/${id}/complete`, { fence, output: 'ok' })).status).toBe(409)
    expect(
      (await ask('POST', `/tasks/${id}/complete`, { fence, output: 'ok' }, {}, 'bob')).body,
    ).toMatchObject({ state: 'done', result: 'ok' })
    expect((await ask('POST', '/tasks/claim', {}, {}, 'bob')).status).toBe(204)
  })

  it('says which upstreams can bear more, and waits for one that cannot', async () => {
    commons.bearings.set('tool', { is: 'shut', condition: 'storming' })
    expect((await ask('GET', '/upstreams')).body.upstreams).toEqual([
      { upstream: 'api', canBear: 'yes', why: '' },
      { upstream: 'tool', canBear: 'no', why: 'storming' },
    ])
    const waiting = ask('GET', '/upstreams/tool?waitMs=5000')
    await until(() => face.waiting === 1)
    commons.bearings.delete('tool')
    expect((await waiting).body).toMatchObject({ canBear: 'yes' })
    expect((await ask('GET', '/upstreams/nowhere')).body.errors[0].allowed).toBe('api, tool')
  })
})

describe('a bad request', () => {
  it.each<[string, string, string, unknown, number, string]>([
    ['that is no JSON', 'POST', '/tasks', '{', 400, 'malformed'],
    ['with an unknown key', 'POST', '/tasks', { kind: 'a', colour: 'red' }, 400, 'malformed'],
    ['with a bad name', 'PUT', '/state/a%20b', 1, 400, 'malformed'],
    ['with an unknown parameter', 'GET', '/agents?color=red', undefined, 400, 'malformed'],
    ['with a limit out of range', 'GET', '/tasks?limit=100000', undefined, 400, 'malformed'],
    ['of a method that is not served', 'PUT', '/tasks', {}, 405, 'wrong-method'],
    ['that is no event', 'POST', '/events', {}, 415, 'wrong-type'],
    ['for a task that nobody made', 'GET', '/tasks/none', undefined, 404, 'unknown'],
    [
      'with a schema that could stop Weir',
      'PUT',
      '/schemas/event/a',
      { pattern: '^(a+)+$' },
      422,
      'contract',
    ],
    ['with a bad Last-Event-ID', 'GET', '/state/a/b?history=maybe', undefined, 400, 'malformed'],
  ])('%s says what, where and what is allowed', async (_name, method, path, body, status, code) => {
    const answer = await ask(method, path, body)
    expect(answer).toMatchObject({
      status,
      body: { status, code, title: expect.any(String) as string, detail: expect.any(String) as string },
    })
    expect(answer.headers.get('allow')).toBe(status === 405 ? 'POST, GET' : null)
  })

  it('that is too large is refused, and the next one is served', async () => {
    expect(await ask('PUT', '/state/a', JSON.stringify('x'.repeat(400_000)))).toMatchObject({
      status: 413,
      body: { code: 'too-large' },
    })
    expect((await ask('PUT', '/state/a', 1)).status).toBe(201)
  })

  it('for nothing of ours is still 404 of the proxy', async () => {
    const answer = await fetch(`${proxy.origin}/weir/v1/nothing`)
    expect(answer.status).toBe(404)
  })
})

describe('the face', () => {
  it('lets one agent wait only so often, and gives places back', async () => {
    const leaving = new AbortController()
    const open = Array.from({ length: commons.limits.listenersPerAgent }, () =>
      fetch(`${proxy.origin}/weir/v1/events`, {
        headers: { accept: 'text/event-stream', 'weir-agent': 'ann' },
        signal: leaving.signal,
      }),
    )
    await Promise.all(open)
    expect(await ask('GET', '/events?waitMs=1000')).toMatchObject({ status: 429, body: { code: 'too-many' } })
    expect((await ask('GET', '/events?waitMs=1', undefined, {}, 'bob')).status).toBe(200)
    leaving.abort()
    await until(() => face.waiting === 0)
  })

  it('ends streams and waits when Weir goes, and takes nothing more', async () => {
    const stream = await fetch(`${proxy.origin}/weir/v1/events`, { headers: { accept: 'text/event-stream' } })
    const waiting = ask('POST', '/tasks/claim', { capabilities: ['a'], waitMs: 60_000 })
    await until(() => face.waiting === 2)
    face.drain()
    await stream.text()
    expect((await waiting).status).toBe(204)
    expect(await ask('GET', '/tasks')).toMatchObject({ status: 503, body: { code: 'draining' } })
  })

  it('serves every operation of its OpenAPI document, and names no other', async () => {
    const { body } = await ask('GET', '/openapi.json')
    expect(body).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } })
    const named = Object.entries(body.paths as Record<string, object>).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    )
    expect(named.toSorted()).toEqual(
      ROUTES.map(({ method, path }) => `${method.toLowerCase()} ${path.replace('*}', '}')}`).toSorted(),
    )
  })
})

it('an upstream is proxied while the commons does its work', async () => {
  const upstream = await HttpUpstream.start()
  const both = await startProxy({
    upstreams: { api: upstream.url },
    own: (request, response, path, caller) => face.serve(request, response, path, caller),
  })
  try {
    expect((await fetch(`${both.origin}/api/x`)).status).toBe(200)
    expect((await fetch(`${both.origin}/@ann.run-1/weir/v1/tasks`)).status).toBe(200)
  } finally {
    await both.close()
    await upstream.close()
  }
})
