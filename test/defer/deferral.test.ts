/** Deferral from outside: a whole Weir, a real upstream, real sockets. */
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { HttpUpstream, type Step } from '../kit/http-upstream.ts'
import { startDeferringWeir, type DeferringOptions, type DeferringWeir } from '../kit/deferring-weir.ts'

const ASYNC = { prefer: 'respond-async' }
let weir: DeferringWeir
let upstream: HttpUpstream

async function start(steps: Step[] = [], options: Partial<DeferringOptions> = {}): Promise<void> {
  upstream = await HttpUpstream.start(...steps)
  weir = await startDeferringWeir({ upstream: upstream.url.href, ...options })
}
afterEach(async () => {
  await weir.close()
  await upstream.close()
})

interface Asked {
  readonly method?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}
const ask = async (path = '/up/x', init: Asked = {}): Promise<Response> =>
  await fetch(weir.agents + path, {
    method: 'POST',
    body: 'hello',
    ...init,
    headers: { ...ASYNC, ...init.headers },
  })
const cancel = async (location: string): Promise<number> =>
  (await fetch(weir.agents + location, { method: 'DELETE' })).status
const plain = async (): Promise<Response> => await fetch(`${weir.agents}/up/x`, { method: 'POST', body: 'b' })
const look = async (location: string, headers: Record<string, string> = {}): Promise<Response> =>
  await fetch(weir.agents + location, { headers })
async function deferred(path?: string, init?: Asked): Promise<string> {
  const answer = await ask(path, init)
  expect(answer.status).toBe(202)
  await answer.arrayBuffer()
  return answer.headers.get('location') ?? ''
}
async function eventually(truth: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400 && !(await truth()); tries += 1) await new Promise((r) => setTimeout(r, 20))
  expect(await truth()).toBe(true)
}
const view = async (): Promise<any> =>
  JSON.parse(await (await fetch(`${weir.operator}/api/v1/deferred`)).text())

describe('a call that asks to be answered later', () => {
  it('is promised with 202, a place to look and a time, and its answer is there whole', async () => {
    await start([
      {
        status: 201,
        headers: { 'X-Thing': 'a', 'content-type': 'text/odd' },
        body: Buffer.from([0, 255, 10]),
      },
    ])
    const answer = await ask('/@clerk.run-7/up/v1/x?q=1', { headers: { 'x-mine': 'yes' } })
    expect(answer.status).toBe(202)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'preference-applied': 'respond-async',
      'weir-verdict': 'defer',
      'retry-after': '1',
      location: expect.stringMatching(/^\/weir\/v1\/deferred\/[A-Za-z0-9_-]{22}$/),
    })
    const done = await look(answer.headers.get('location')!, { prefer: 'wait=10' })
    expect([done.status, done.headers.get('x-thing'), done.headers.get('content-type')]).toEqual([
      201,
      'a',
      'text/odd',
    ])
    expect(done.headers.get('weir-deferred')).toBe('done')
    expect(Buffer.from(await done.arrayBuffer())).toEqual(Buffer.from([0, 255, 10]))
    const [seen] = upstream.seen
    expect([seen?.method, seen?.url, String(seen?.body)]).toEqual(['POST', '/v1/x?q=1', 'hello'])
    expect(seen?.headers['x-mine']).toBe('yes')
    expect(seen?.headers.prefer).toBeUndefined()
    expect(upstream.seen).toHaveLength(1)
    const agents = JSON.parse(await (await fetch(`${weir.operator}/api/v1/agents`)).text())
    expect(agents.agents[0]).toMatchObject({ agent: 'clerk', calls: 1 })
  })

  it('can be polled while it runs, and fetched more than once', async () => {
    await start([{ delayMs: 150, body: 'late' }])
    const location = await deferred()
    const early = await look(location)
    expect([early.status, early.headers.get('retry-after')]).toEqual([202, '1'])
    expect(await early.json()).toMatchObject({ id: location.split('/').at(-1) })
    await eventually(async () => (await look(location)).status === 200)
    expect(await (await look(location)).text()).toBe('late')
    expect(upstream.seen).toHaveLength(1)
  })

  it('waits at the poll as long as it is asked to, and no longer', async () => {
    await start([{ delayMs: 1500 }])
    const location = await deferred()
    const before = performance.now()
    const still = await look(location, { prefer: 'wait=1' })
    expect(still.status).toBe(202)
    expect(still.headers.get('preference-applied')).toBe('wait=1')
    expect(performance.now() - before).toBeGreaterThan(900)
    expect((await look(location, { prefer: 'wait=10' })).status).toBe(200)
  })

  it('tells its states as events, the last one when it has ended', async () => {
    await start([{ delayMs: 150, status: 204 }])
    const location = await deferred()
    const stream = await look(location, { accept: 'text/event-stream' })
    expect(stream.headers.get('content-type')).toBe('text/event-stream')
    const text = await stream.text()
    const events = [...text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)]
    expect(events.at(-1)?.[1]).toBe('done')
    expect(JSON.parse(events.at(-1)?.[2] ?? '')).toMatchObject({ state: 'done', status: 204 })
    expect((await look(location)).status).toBe(204)
  })

  it('that also says wait=N is answered at once if the upstream is fast, and with 202 if it is not', async () => {
    await start([{ body: 'fast' }, { delayMs: 1500, body: 'slow' }])
    const fast = await ask('/up/x', { headers: { prefer: 'respond-async, wait=10' } })
    expect([fast.status, await fast.text()]).toEqual([200, 'fast'])
    const slow = await ask('/up/x', { headers: { prefer: 'respond-async, wait=1' } })
    expect(slow.status).toBe(202)
    const late = await look(slow.headers.get('location')!, { prefer: 'wait=10' })
    expect(await late.text()).toBe('slow')
  })

  it('is cancelled while it waits, not while it runs, and its answer is removed after its end', async () => {
    await start([{ delayMs: 300 }], { deferral: 'concurrency: 1' })
    const running = await deferred()
    await eventually(() => upstream.seen.length === 1)
    const waiting = await deferred()
    expect(await cancel(running)).toBe(409)
    expect(await cancel(waiting)).toBe(204)
    expect((await look(waiting)).status).toBe(410)
    expect((await look(running, { prefer: 'wait=10' })).status).toBe(200)
    expect(await cancel(running)).toBe(204)
    expect((await look(running)).status).toBe(404)
    expect(upstream.seen).toHaveLength(1)
  })

  it('cannot be found by who does not know its id', async () => {
    await start([{}])
    const location = await deferred()
    const other = `${location.slice(0, -2)}${location.endsWith('AA') ? 'BB' : 'AA'}`
    const paths = [other, '/weir/v1/deferred/', '/weir/v1/deferred/../x', '/weir/v1/deferred']
    for (const path of paths) expect([path, (await look(path)).status]).toEqual([path, 404])
    expect((await fetch(weir.agents + location, { method: 'PUT', body: 'x' })).status).toBe(405)
  })

  it('expires when it could not be run in its time, and was not sent', async () => {
    await start([{ delayMs: 2500 }], { deferral: 'concurrency: 1\n  ttl: 1s' })
    await deferred()
    const location = await deferred()
    await eventually(async () => (await look(location)).status === 410)
    expect(await (await look(location)).json()).toMatchObject({ code: 'expired' })
    expect(upstream.seen).toHaveLength(1)
  })

  it('goes its usual way where deferral is not configured, and its preference goes on', async () => {
    await start([{ body: 'now' }], { without: true })
    const answer = await ask()
    expect([answer.status, await answer.text()]).toEqual([200, 'now'])
    expect(upstream.seen[0]?.headers.prefer).toBe('respond-async')
    expect((await look('/weir/v1/deferred/AAAAAAAAAAAAAAAAAAAAAA')).status).toBe(404)
    expect(await view()).toEqual({ configured: false })
  })

  it('goes its usual way, body and all, when the store is full or the call is too large', async () => {
    await start([{ delayMs: 100, body: 'now' }], { deferral: 'maxCalls: 1\n  maxCallBytes: 1KiB' })
    await deferred()
    const answer = await ask()
    expect([answer.status, await answer.text()]).toEqual([200, 'now'])
    const large = await ask('/up/x', { body: 'x'.repeat(2000) })
    expect(large.status).toBe(200)
    expect(upstream.seen.map(({ body }) => body.length)).toEqual([5, 5, 2000])
    expect(await view()).toMatchObject({ accepted: 1, refused: { full: 1 } })
  })

  it('of unknown length that grows too large is refused with 413', async () => {
    await start([{}], { deferral: 'maxCallBytes: 1KiB' })
    const socket = connect(Number(new URL(weir.agents).port), '127.0.0.1')
    socket.on('error', () => {})
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`
    socket.write(
      `POST /up/x HTTP/1.1\r\nhost: a\r\nprefer: respond-async\r\ntransfer-encoding: chunked\r\n\r\n${chunk}${chunk}`,
    )
    const [data] = (await once(socket, 'data')) as [Buffer]
    expect(String(data)).toMatch(/^HTTP\/1\.1 413 /)
    socket.destroy()
    expect(upstream.seen).toHaveLength(0)
  })

  it('is asked for its body with 100 when it waits for that', async () => {
    await start([{ body: 'ok' }])
    const socket = connect(Number(new URL(weir.agents).port), '127.0.0.1')
    socket.write(
      'POST /up/x HTTP/1.1\r\nhost: a\r\nprefer: respond-async\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n',
    )
    expect(String(((await once(socket, 'data')) as [Buffer])[0])).toContain('100 Continue')
    socket.write('hi')
    expect(String(((await once(socket, 'data')) as [Buffer])[0])).toMatch(/^HTTP\/1\.1 202 /)
    socket.destroy()
    await eventually(() => String(upstream.seen[0]?.body) === 'hi')
  })

  it('leaves nothing behind when its client leaves before the body is there', async () => {
    await start([{}])
    const socket = connect(Number(new URL(weir.agents).port), '127.0.0.1')
    socket.write('POST /up/x HTTP/1.1\r\nhost: a\r\nprefer: respond-async\r\ncontent-length: 20\r\n\r\nhalf')
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    await eventually(() => weir.lines.some((line) => line.includes('"outcome":"client-gone"')))
    expect(await view()).toMatchObject({ accepted: 0, waiting: 0, running: 0 })
    expect(upstream.seen).toHaveLength(0)
  })
})

describe('what becomes of a deferred call', () => {
  it('an upstream that cannot be reached is tried until it can', async () => {
    await start([{ body: 'at last' }])
    const { port } = upstream
    await upstream.close()
    const location = await deferred()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await look(location)).status).toBe(202)
    upstream = await HttpUpstream.start({ body: 'at last' })
    upstream.server.close()
    await upstream.close()
    upstream = await startOn(port)
    const done = await look(location, { prefer: 'wait=20' })
    expect([done.status, await done.text()]).toEqual([200, 'at last'])
  })

  it('a connection that breaks leaves a call that must not be sent twice unknown, and it is not sent again', async () => {
    await start([{ reset: true }, { body: 'second' }])
    const location = await deferred()
    await eventually(async () => (await look(location)).status === 502)
    expect(await (await look(location)).json()).toMatchObject({ code: 'outcome_unknown' })
    expect((await look(location)).headers.get('weir-deferred')).toBe('unknown')
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(upstream.seen).toHaveLength(1)
    await eventually(async () => (await view()).endings.unknown === 1)
  })

  it.each([
    ['with an Idempotency-Key', { method: 'POST', body: 'x', headers: { 'idempotency-key': 'k1' } }],
    ['of an idempotent method', { method: 'PUT', body: 'x' }],
  ])('a connection that breaks makes a call %s go again', async (_name, init) => {
    await start([{ reset: true }, { body: 'second' }])
    const done = await look(await deferred('/up/x', init), { prefer: 'wait=20' })
    expect([done.status, await done.text()]).toEqual([200, 'second'])
    expect(upstream.seen).toHaveLength(2)
  })

  it('an answer that is too large is not kept, and says so', async () => {
    await start([{ body: 'x'.repeat(5000) }], { deferral: 'maxAnswerBytes: 1KiB' })
    const location = await deferred()
    await eventually(async () => (await look(location)).status === 502)
    expect(await (await look(location)).json()).toMatchObject({ code: 'answer_too_large' })
  })

  it('a rule that refuses it for good is its end, with the words of the refusal', async () => {
    await start([{}], { rules: '[{ name: no, mode: enforce, then: { do: shed, final: true } }]' })
    const location = await deferred()
    await eventually(async () => (await look(location)).status === 403)
    expect((await look(location)).headers.get('weir-deferred')).toBe('failed')
    expect(upstream.seen).toHaveLength(0)
  })

  it('limits of a rule hold it back like any other call', async () => {
    const rules =
      '[{ name: one, mode: enforce, then: { do: hold, limits: [{ per: upstream, concurrency: 1 }] } }]'
    await start([{ delayMs: 60 }], { rules })
    const locations = await Promise.all([deferred(), deferred(), deferred(), deferred()])
    for (const location of locations) expect((await look(location, { prefer: 'wait=20' })).status).toBe(200)
    expect(upstream.mostInFlight).toBe(1)
  })

  it('survives a restart, under its key and under a rotated one; without its key it waits and says so', async () => {
    await start([{ delayMs: 400, body: 'first' }, { body: 'kept' }], { deferral: 'concurrency: 1' })
    const first = await deferred()
    await eventually(() => upstream.seen.length === 1)
    const location = await deferred()
    weir = await weir.again('concurrency: 1\n  keyFiles: [other-key]')
    await eventually(async () => (await view()).withoutKey > 0)
    expect((await look(location)).status).toBe(202)
    const sealed = await look(first)
    expect([sealed.status, await sealed.json()]).toMatchObject([503, { code: 'key_missing' }])
    expect(await (await ask('/up/x', { headers: { prefer: 'x' } })).text()).toBe('kept')
    expect(weir.lines.join('')).toContain('which is not configured')
    weir = await weir.again('keyFiles: [other-key, key]')
    expect(await (await look(first)).text()).toBe('first')
    const state = async (): Promise<number> => (await look(location)).status
    expect([200, 202]).toContain(await state())
  })

  it('credentials of the operator replace those of the agent, which are not kept', async () => {
    const credentials = 'credentials: { up: { authorization: Bearer of-the-operator } }'
    await start([{ body: 'ok' }], { deferral: credentials })
    const headers = { authorization: 'Bearer of-the-agent', 'x-api-key': 'of-the-agent' }
    await look(await deferred('/up/x', { headers }), { prefer: 'wait=10' })
    expect(upstream.seen[0]?.headers.authorization).toBe('Bearer of-the-operator')
    expect(upstream.seen[0]?.headers['x-api-key']).toBeUndefined()
  })

  it('nothing that an agent or an upstream says is in the log, the metrics, the state or the files', async () => {
    await start([{ delayMs: 300, body: 'canary-answer', headers: { 'x-back': 'canary-back' } }], {
      deferral: 'concurrency: 1',
    })
    const secret = { authorization: 'Bearer canary-key', 'x-any': 'canary-head' }
    const locations = [
      await deferred('/up/canary-path?key=canary-query', { body: 'canary-body', headers: secret }),
      await deferred('/up/canary-path', { body: 'canary-body', headers: secret }),
    ]
    const shown: string[] = []
    const gather = async (): Promise<void> => {
      for (const path of ['/metrics', '/api/v1/deferred', '/api/v1/agents', '/api/v1/config'])
        shown.push(await (await fetch(weir.operator + path)).text())
      const spool = join(weir.dir, 'spool')
      for (const name of await readdir(spool))
        shown.push((await readFile(join(spool, name))).toString('latin1'))
    }
    await gather()
    expect(await (await look(locations[0]!, { prefer: 'wait=10' })).text()).toBe('canary-answer')
    await gather()
    // The folded path is metadata that the operator sees of every call.
    const all = (shown.join('\n') + weir.lines.join('\n')).replaceAll('canary-path', '')
    expect(all).not.toContain('canary')
    for (const location of locations) expect(all).not.toContain(location.split('/').at(-1))
  })

  it('is counted', async () => {
    await start([{}])
    await look(await deferred(), { prefer: 'wait=10' })
    await eventually(async () => {
      const page = await (await fetch(`${weir.operator}/metrics`)).text()
      return (
        page.includes('weir_deferred_ended_total{ending="done"} 1') &&
        page.includes('weir_deferred_accepted_total 1')
      )
    })
    expect(await view()).toMatchObject({ configured: true, open: true, ended: 1, endings: { done: 1 } })
  })
})

describe('a rule with do: defer', () => {
  const RULE =
    '[{ name: later, mode: enforce, then: { do: defer, limits: [{ per: upstream, concurrency: 1 }] } }]'

  it('answers 202 to a plain client where it would have to wait, and runs the call when there is room', async () => {
    await start([{ delayMs: 200, body: 'ok' }], { rules: RULE })
    const first = plain()
    await eventually(() => upstream.seen.length === 1)
    const second = await plain()
    expect([second.status, second.headers.get('preference-applied')]).toEqual([202, null])
    expect((await first).status).toBe(200)
    const done = await look(second.headers.get('location')!, { prefer: 'wait=20' })
    expect([done.status, await done.text()]).toEqual([200, 'ok'])
    expect(upstream.mostInFlight).toBe(1)
  })

  it('counts as deferred what was promised, and nothing else: not what the store refuses, nor who leaves', async () => {
    await start([{ delayMs: 1500 }], { rules: RULE, deferral: 'maxCalls: 1' })
    const first = plain()
    await eventually(() => upstream.seen.length === 1)
    const outcomes = (): Record<string, number> =>
      weir.app.core.read(performance.now()).upstreams[0]!.outcomes
    expect((await plain()).status).toBe(202)
    expect((await plain()).status).toBe(429)
    const socket = connect(Number(new URL(weir.agents).port), '127.0.0.1')
    socket.write('POST /up/x HTTP/1.1\r\nhost: a\r\nuser-agent: node\r\ncontent-length: 20\r\n\r\nhalf')
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    await eventually(() => outcomes()['client-gone'] === 1)
    expect(outcomes()['deferred']).toBe(1)
    const { arrivals } = weir.app.core.read(performance.now()).upstreams[0]!
    const { open } = weir.app.core.read(performance.now())
    expect(Object.values(outcomes()).reduce((sum, count) => sum + count, 0) + open).toBe(arrivals)
    expect(outcomes()['shed']).toBeGreaterThan(0)
    const page = await (await fetch(`${weir.operator}/metrics`)).text()
    expect(page).toContain('weir_calls_total{upstream="up",outcome="deferred"} 1\n')
    await first
  })

  it('gives an SDK, which would take 202 for the answer, a slot instead', async () => {
    await start([{ delayMs: 300 }], { rules: RULE })
    const headers = {
      'user-agent': 'OpenAI/JS 6.49.0',
      'x-stainless-lang': 'js',
      'x-stainless-retry-count': '0',
      'x-stainless-package-version': '6.49.0',
    }
    const sdk = async (): Promise<Response> =>
      await fetch(`${weir.agents}/up/x`, { method: 'POST', body: 'b', headers })
    const first = sdk()
    await eventually(() => upstream.seen.length === 1)
    expect((await sdk()).status).toBe(429)
    await first
  })
})

async function startOn(port: number): Promise<HttpUpstream> {
  const { createServer } = await import('node:http')
  const server = createServer((_request, response) => response.end('at last'))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  } as unknown as HttpUpstream
}
