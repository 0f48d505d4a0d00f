/** Who calls, on real sockets: what is shown counts, what is claimed does not, and nothing that was shown is seen again. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { newKey } from '../../src/identity/api-key.ts'
import { withKey } from '../../src/identity/keys-file.ts'
import { keysFor, startGatedWeir, type GatedWeir } from '../kit/gated-weir.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'

const ALL = "permissions: { grants: [{ agents: ['*'], upstreams: ['*'] }] }"

interface World {
  readonly weir: GatedWeir
  readonly upstream: HttpUpstream
  /** The key of `kyc`, and of `review`. */
  readonly kyc: string
  readonly review: string
  /** One of `kyc` that has expired. */
  readonly over: string
}

async function world(
  config = '',
  options: { readonly auth?: string; readonly up?: string } = {},
): Promise<World> {
  const upstream = kept(await HttpUpstream.start({ body: 'ok' }))
  const { keys, file } = keysFor('kyc', 'review')
  const over = newKey('kyc', 0, Date.now() - 1)
  const weir = kept(
    await startGatedWeir({
      config: `upstreams: { up: { url: '${upstream.url.href}'${options.up ?? ''} } }\n${options.auth ?? 'auth: { keys: keys.yaml }'}\n${config === '' ? ALL : config}\n`,
      files: { 'keys.yaml': withKey('keys.yaml', file, over.record), secret: 'Bearer of-the-operator\n' },
    }),
  )
  return { weir, upstream, kyc: keys[0]!.key, review: keys[1]!.key, over: over.key }
}

async function ask(
  weir: GatedWeir,
  headers: Record<string, string>,
  target = '/up/v1/x',
  method = 'POST',
): Promise<Response> {
  const response = await fetch(weir.agents + target, {
    method,
    headers,
    body: method === 'GET' ? null : 'body',
  })
  return response
}

async function metrics(weir: GatedWeir): Promise<string> {
  return await (await fetch(`${weir.operator}/metrics`)).text()
}

describe('a Weir with keys', () => {
  it('passes a call with a key, under its agent’s name, and keeps the key to itself', async () => {
    const { weir, upstream, kyc } = await world()
    const response = await ask(weir, {
      'weir-key': kyc,
      authorization: 'Bearer of-the-upstream',
      'weir-agent': 'review',
    })
    expect([response.status, await response.text()]).toEqual([200, 'ok'])
    expect(upstream.seen[0]?.headers).toMatchObject({ authorization: 'Bearer of-the-upstream' })
    expect(JSON.stringify(upstream.seen[0]?.rawHeaders)).not.toContain(kyc.split('.')[1])
    await eventually(() => weir.lines.some((line) => line.includes('"msg":"call"')))
    expect(weir.lines.find((line) => line.includes('"msg":"call"'))).toContain('"agent":"kyc"')
    const page = await metrics(weir)
    expect(page).toContain('weir_auth_checks_total{shown="key",result="accepted"} 1')
    expect(page).toContain('weir_agent_calls_total{agent="kyc"} 1')
    expect(page).toContain('weir_auth_keys 3')
  })

  it('answers whoever shows nothing 401, in the tongue of the upstream, and sends nothing on', async () => {
    for (const [dialect, shape] of [
      ['openai', { error: { type: 'invalid_request_error', code: 'unauthenticated' } }],
      ['anthropic', { type: 'error', error: { type: 'authentication_error', code: 'unauthenticated' } }],
      ['problem', { status: 401, code: 'unauthenticated' }],
    ] as const) {
      const { weir, upstream } = await world('', { up: `, dialect: ${dialect}` })
      const response = await ask(weir, { authorization: 'Bearer of-the-upstream', 'weir-agent': 'kyc' })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="weir"')
      expect(response.headers.get('x-should-retry')).toBe('false')
      expect(response.headers.get('weir-source')).toBe('proxy')
      expect(await response.json()).toMatchObject(shape)
      expect(upstream.seen).toEqual([])
      expect(await metrics(weir)).toContain('weir_refused_total{status="401"} 1')
    }
  })

  it('answers every wrong key alike: unknown, half right, over, twice, empty, or very long', async () => {
    const { weir, upstream, kyc, review, over } = await world()
    const id = kyc.split('.')[0]!
    const wrong = [
      'nobody.secret',
      `${id}.wrong`,
      id,
      `${id}.`,
      `.${kyc.split('.')[1]}`,
      `${id}.${review.split('.')[1]}`,
      over,
      `${kyc}, ${kyc}`,
      'x'.repeat(20_000),
      'a.b.c',
    ]
    const answers: string[] = []
    for (const key of wrong) {
      const response = await ask(weir, { 'weir-key': key })
      const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'date'))
      answers.push(JSON.stringify([response.status, headers, await response.text()]))
    }
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toContain('invalid_token')
    expect(answers[0]).toContain('401')
    expect(upstream.seen).toEqual([])
  })

  it('takes the key where the SDK puts its own, when Weir holds the upstream’s credential', async () => {
    const { weir, upstream, kyc } = await world('', {
      up: ", credentials: { authorization: { file: secret }, x-account: 'acme' }",
    })
    const places: Record<string, string>[] = [
      { authorization: `Bearer ${kyc}` },
      { 'x-api-key': kyc },
      { 'api-key': kyc },
      { 'x-goog-api-key': kyc },
      { 'weir-key': kyc, authorization: 'Bearer whatever', 'x-api-key': 'whatever' },
    ]
    for (const headers of places) {
      const response = await ask(weir, { ...headers, 'X-Account': 'somebody-else' })
      expect([headers, response.status]).toEqual([headers, 200])
    }
    for (const { rawHeaders, headers } of upstream.seen) {
      expect(headers).toMatchObject({ authorization: 'Bearer of-the-operator', 'x-account': 'acme' })
      expect(JSON.stringify(rawHeaders)).not.toMatch(/whatever|somebody-else/)
      expect(JSON.stringify(rawHeaders)).not.toContain(kyc)
      expect(headers['x-api-key'] ?? headers['api-key'] ?? headers['x-goog-api-key']).toBeUndefined()
    }
    expect((await ask(weir, { authorization: 'Bearer sk-of-nobody' })).status).toBe(401)
    expect((await ask(weir, { authorization: 'Basic abc' })).status).toBe(401)
  })

  it('does not take the upstream’s credential for its own where it passes that through', async () => {
    const { weir, kyc } = await world()
    expect((await ask(weir, { authorization: `Bearer ${kyc}` })).status).toBe(401)
  })

  it('follows the file of keys, and keeps the last good one', async () => {
    const { weir, kyc } = await world()
    expect((await ask(weir, { 'weir-key': kyc })).status).toBe(200)
    const next = keysFor('kyc')
    await writeFile(join(weir.dir, 'keys.yaml'), next.file)
    const isNew = async (): Promise<boolean> =>
      (await ask(weir, { 'weir-key': next.keys[0]!.key })).status === 200
    await waitFor(isNew)
    expect((await ask(weir, { 'weir-key': kyc })).status).toBe(401)
    await writeFile(join(weir.dir, 'keys.yaml'), 'keys: [{ id: x }]')
    await waitFor(async () => (await metrics(weir)).includes('weir_auth_failing 1'))
    expect(await isNew()).toBe(true)
    await writeFile(join(weir.dir, 'keys.yaml'), next.file.replace('keys:', '# again\nkeys:'))
    await waitFor(async () => (await metrics(weir)).includes('weir_auth_failing 0'))
  })

  it('knows a WebSocket by its key, and refuses one without', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    kept({
      close: () => {
        server.close()
      },
    })
    await new Promise<void>((resolve) => server.once('listening', () => resolve()))
    const { port } = server.address() as { port: number }
    const seen: string[] = []
    server.on('connection', (socket, request) => {
      seen.push(JSON.stringify(request.rawHeaders))
      socket.send('hello')
    })
    const { keys, file } = keysFor('kyc')
    const weir = kept(
      await startGatedWeir({
        config: `upstreams: { up: { url: 'http://127.0.0.1:${port}', credentials: { authorization: Bearer own } } }\nauth: { keys: keys.yaml }\n${ALL}\n`,
        files: { 'keys.yaml': file },
      }),
    )
    const refused = new WebSocket(`ws://127.0.0.1:${weir.port}/up/x`)
    const status = await new Promise((resolve) => {
      refused.once('unexpected-response', (request, response) => {
        resolve(response.statusCode)
        request.destroy()
      })
      refused.on('error', () => {})
    })
    expect(status).toBe(401)
    const key = `openai-insecure-api-key.${keys[0]!.key}`
    const socket = new WebSocket(`ws://127.0.0.1:${weir.port}/up/x`, ['realtime', key])
    expect(
      await new Promise((resolve) => socket.once('message', (data: Buffer) => resolve(data.toString()))),
    ).toBe('hello')
    socket.close()
    expect(seen).toHaveLength(1)
    expect(seen[0]).toContain('Bearer own')
    expect(seen[0]).toContain('realtime')
    expect(seen[0]).not.toContain(keys[0]!.key)
    await eventually(() => weir.app.proxy.stats.openCalls === 0)
  })
})

describe('an optional gate', () => {
  it('lets nobody take a configured name, and believes who proves one', async () => {
    const { weir, kyc } = await world(
      "permissions: { grants: [{ agents: ['*'], groups: [anonymous], upstreams: ['*'] }] }",
      {
        auth: 'auth: { mode: optional, keys: keys.yaml }',
      },
    )
    expect((await ask(weir, { 'weir-agent': 'kyc' })).status).toBe(200)
    expect((await ask(weir, {}, '/@kyc/up/x')).status).toBe(200)
    expect((await ask(weir, { 'weir-agent': 'free-name' })).status).toBe(200)
    expect((await ask(weir, { 'weir-key': kyc })).status).toBe(200)
    expect((await ask(weir, { 'weir-key': 'wrong.key' })).status).toBe(401)
    const page = await metrics(weir)
    expect(page).toContain('weir_agent_calls_total{agent="kyc"} 1')
    expect(page).toContain('weir_agent_calls_total{agent="free-name"} 1')
    expect(page).toMatch(/weir_agent_calls_total\{agent="peer-[0-9a-f]{12}"\} 2/)
  })
})

describe('permissions', () => {
  const GRANTS = `permissions:
  unlisted: deny
  groups: { reviewers: [review] }
  grants:
    - agents: kyc
      upstreams: up
      methods: [POST]
      paths: ['/v1/**']
      priority: normal
      concurrency: 1
    - groups: reviewers
      upstreams: up
      methods: [GET]`

  it('say what stands in the way, and repeat nothing of the request', async () => {
    const { weir, upstream, kyc, review } = await world(GRANTS)
    const told = async (key: string, target: string, method: string): Promise<unknown> => {
      const response = await ask(weir, { 'weir-key': key }, target, method)
      const text = await response.text()
      expect(text).not.toContain('canary')
      return [response.status, response.headers.get('weir-problem'), response.headers.get('x-should-retry')]
    }
    expect(await told(kyc, '/up/v1/x', 'POST')).toEqual([200, null, null])
    expect(await told(kyc, '/up/v1/canary', 'GET')).toEqual([403, 'method_not_permitted', 'false'])
    expect(await told(kyc, '/up/canary', 'POST')).toEqual([403, 'path_not_permitted', 'false'])
    expect(await told(review, '/up/any', 'GET')).toEqual([200, null, null])
    expect(await told(review, '/up/v1/x', 'POST')).toEqual([403, 'method_not_permitted', 'false'])
    expect(upstream.seen).toHaveLength(2)
    const page = await metrics(weir)
    expect(page).toContain('weir_auth_denied_total{what="method"} 2')
    expect(page).toContain('weir_auth_denied_total{what="path"} 1')
    expect(page).toContain('weir_refused_total{status="403"} 3')
  })

  it('bound how many calls of an agent are open, and give the places back', async () => {
    const { weir, upstream, kyc } = await world(GRANTS)
    upstream.steps = [{ delayMs: 100, body: 'slow' }]
    const answers = await Promise.all(
      Array.from({ length: 4 }, () =>
        ask(weir, { 'weir-key': kyc }).then(
          async (one) => [one.status, await one.text(), one.headers.get('retry-after-ms')] as const,
        ),
      ),
    )
    const statuses = answers.map(([status]) => status).toSorted((a, b) => a - b)
    expect(statuses).toEqual([200, 429, 429, 429])
    const advice = answers.filter(([status]) => status === 429).map(([, , ms]) => Number(ms))
    expect(Math.min(...advice)).toBeGreaterThanOrEqual(500)
    expect(upstream.mostInFlight).toBe(1)
    expect((await ask(weir, { 'weir-key': kyc })).status).toBe(200)
  })

  it('lower a priority to what the agent may ask for', async () => {
    const { weir, kyc } = await world(GRANTS)
    await ask(weir, { 'weir-key': kyc, 'weir-priority': 'critical' })
    await ask(weir, { 'weir-key': kyc, 'weir-priority': 'batch' })
    expect(await metrics(weir)).toContain('weir_auth_capped_total 1')
  })
})

async function waitFor(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 8000
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error('not within 8 s')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
