/** The one write of the operator's API, by who may send it, and what it does to calls. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import type { App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createSandbox } from '../../src/demo/sandbox.ts'
import type { Sandbox } from '../../src/demo/sandbox.ts'

const POLICY = `version: 1
rules:
  - { name: refuse, mode: shadow, match: { agent: rogue }, then: { do: shed, final: true } }
`
const PATH = '/api/v1/policies/rules/first%2Frefuse/mode'

let directory: string
let sandbox: Sandbox
let app: App
let agents: string
let operator: string
let port: number

async function start(control: boolean): Promise<void> {
  const file = join(directory, 'weir.yaml')
  await writeFile(file, `operator: { control: ${control} }\npolicies: [first.yaml]\n`)
  const config = loadConfig({
    env: {},
    flags: {
      config: file,
      upstream: [`up=${sandbox.url}`],
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      logLevel: 'silent',
    },
  })
  app = createApp(config)
  const started = await app.start()
  port = started.operator.port
  agents = `http://127.0.0.1:${started.proxy.port}`
  operator = `http://127.0.0.1:${port}`
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-switch-'))
  await writeFile(join(directory, 'first.yaml'), POLICY)
  sandbox = createSandbox()
  await sandbox.listen()
})
afterEach(async () => {
  await app.stop()
  await sandbox.close()
  await rm(directory, { recursive: true, force: true })
})

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly body?: string
  /** undefined takes a header away. */
  readonly headers?: Readonly<Record<string, string | undefined>>
}

/** As the page sends it, but for what is given. */
function send({
  method = 'POST',
  path = PATH,
  body = '{"mode":"enforce"}',
  headers = {},
}: Sent = {}): Promise<{
  status: number
  allow: string | undefined
  answer: Record<string, unknown>
}> {
  const all = {
    host: `127.0.0.1:${port}`,
    origin: operator,
    'sec-fetch-site': 'same-origin',
    'content-type': 'application/json',
    'weir-control': '1',
    ...headers,
  }
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers: given }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          allow: response.headers.allow,
          answer: JSON.parse(text) as Record<string, unknown>,
        }),
      )
    })
    sent.on('error', reject)
    sent.end(method === 'GET' ? undefined : body)
  })
}

const rule = async (): Promise<any> =>
  JSON.parse(await (await fetch(`${operator}/api/v1/policies`)).text()).rules[0]
const ask = async (): Promise<number> =>
  (await fetch(`${agents}/@rogue/up/any`, { method: 'POST', body: '{}' })).status

describe('with operator.control', () => {
  beforeEach(() => start(true))

  it('a switch acts on the next call, shows as an override, and can be taken back', async () => {
    expect(await ask()).toBe(200)
    expect(await rule()).toMatchObject({
      id: 'first/refuse',
      mode: 'shadow',
      fileMode: 'shadow',
      override: false,
    })
    expect(await send()).toMatchObject({
      status: 200,
      answer: { id: 'first/refuse', from: 'shadow', mode: 'enforce', fileMode: 'shadow', override: true },
    })
    expect(await ask()).toBe(403)
    expect(await rule()).toMatchObject({ mode: 'enforce', fileMode: 'shadow', override: true })
    await expect.poll(async () => (await rule()).hits).toMatchObject({ wouldShed: 1, shed: 1 })
    expect((await send({ body: '{"mode":"shadow"}' })).answer).toMatchObject({ override: false })
    expect(await ask()).toBe(200)
  })

  it('is told among the events', async () => {
    await send()
    const left = new AbortController()
    const answer = await fetch(`${operator}/api/v1/events`, { signal: left.signal })
    let text = ''
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString()
      if (text.includes('data:')) break
    }
    left.abort()
    expect(text).toContain('event: rule-mode-changed')
    expect(text).toContain('rule first/refuse switched shadow → enforce until the next reload or restart')
  })

  it('tools need no Origin, and may write the id with its slash', async () => {
    const headers = { origin: undefined, 'sec-fetch-site': undefined }
    expect((await send({ headers, path: '/api/v1/policies/rules/first/refuse/mode' })).status).toBe(200)
  })

  it.each([
    ['a form of another site: no header of ours', { 'weir-control': undefined }, 403],
    ['a foreign origin', { origin: 'http://evil.example' }, 403],
    ['another port of this machine', { origin: 'http://127.0.0.1:1' }, 403],
    ['an opaque origin', { origin: 'null' }, 403],
    ['a request that the browser calls cross-site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['one of another port, as the browser sees it', { 'sec-fetch-site': 'same-site' }, 403],
    [
      'a foreign Host, as DNS rebinding sends it',
      { host: 'evil.example', origin: 'http://evil.example' },
      403,
    ],
    ['a body that a form can send', { 'content-type': 'text/plain' }, 415],
    ['no content type', { 'content-type': undefined }, 415],
  ])('refuses %s', async (_what, headers, status) => {
    expect((await send({ headers })).status).toBe(status)
    expect(await rule()).toMatchObject({ mode: 'shadow', override: false })
  })

  it.each([
    '',
    '{',
    '[]',
    'null',
    '{"mode":"on"}',
    '{"mode":null}',
    JSON.stringify({ mode: 'enforce', x: 'y'.repeat(2000) }),
  ])('refuses the body %j, and says what is allowed', async (body) => {
    const refused = await send({ body })
    expect(refused).toMatchObject({
      status: 400,
      answer: { detail: expect.stringContaining('enforce, shadow, off') },
    })
    expect(await rule()).toMatchObject({ mode: 'shadow' })
  })

  it('knows no other rule, and no other method', async () => {
    for (const path of ['no%2Fsuch', '%ZZ', 'x'.repeat(300)]) {
      expect((await send({ path: `/api/v1/policies/rules/${path}/mode` })).status).toBe(404)
    }
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      expect(await send({ method })).toMatchObject({ status: 405, allow: 'POST' })
    }
  })

  it('no other path takes a POST', async () => {
    expect(await send({ path: '/api/v1/policies' })).toMatchObject({ status: 405, allow: 'GET, HEAD' })
  })
})

describe('without operator.control', () => {
  beforeEach(() => start(false))

  it('the API only reads, and says how that is changed', async () => {
    expect(await send()).toMatchObject({
      status: 403,
      answer: { detail: expect.stringContaining('operator: { control: true }') },
    })
    expect(await rule()).toMatchObject({ mode: 'shadow', override: false })
    expect(await ask()).toBe(200)
  })
})

describe('the live stream', () => {
  beforeEach(() => start(false))

  it('begins with the history, then a frame, and is not kept when its reader leaves', async () => {
    const left = new AbortController()
    const answer = await fetch(`${operator}/api/v1/live`, { signal: left.signal })
    expect(answer.headers.get('content-type')).toContain('text/event-stream')
    let text = ''
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString()
      if (/event: frame\ndata: .*\n\n/.test(text)) break
    }
    left.abort()
    expect(text.indexOf('event: history')).toBeLessThan(text.indexOf('event: frame'))
    const frame = JSON.parse(/event: frame\ndata: (.*)\n/.exec(text)?.[1] ?? '')
    expect(frame).toMatchObject({
      state: 'ready',
      control: false,
      agentsUrl: agents,
      upstreams: [{ name: 'up', condition: 'healthy', limit: null }],
      rules: [{ id: 'first/refuse', mode: 'shadow', override: false }],
    })
  })

  it('is for 32 readers at once', async () => {
    const left = new AbortController()
    const open = await Promise.all(
      Array.from({ length: 32 }, () => fetch(`${operator}/api/v1/live`, { signal: left.signal })),
    )
    expect(open.every(({ status }) => status === 200)).toBe(true)
    expect((await fetch(`${operator}/api/v1/live`)).status).toBe(503)
    left.abort()
    await Promise.allSettled(open.map((answer) => answer.text()))
    await expect
      .poll(
        async () =>
          (await fetch(`${operator}/api/v1/live`, { method: 'GET', signal: AbortSignal.timeout(200) }))
            .status,
      )
      .toBe(200)
  })
})

describe('the dashboard', () => {
  beforeEach(() => start(false))

  it('is served whole, and the page names no file that is not', async () => {
    const page = await (await fetch(`${operator}/`)).text()
    const seen = new Set<string>()
    const open = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]!)
    while (open.length > 0) {
      const path = open.pop()!
      if (seen.has(path)) continue
      seen.add(path)
      const answer = await fetch(operator + path)
      expect([path, answer.status]).toEqual([path, 200])
      const text = await answer.text()
      if (!path.endsWith('.js')) continue
      for (const [, name] of text.matchAll(/^import .* from '(\.[^']+)'/gm))
        open.push(new URL(name!, operator + path).pathname)
    }
    expect([...seen].filter((path) => path.endsWith('.js')).length).toBeGreaterThan(10)
    expect(seen).toContain('/dashboard/vendor/uplot.js')
  })

  it('allows itself neither inline scripts and styles, nor other hosts, nor a frame around it', async () => {
    const policy = (await fetch(`${operator}/`)).headers.get('content-security-policy') ?? ''
    expect(policy).not.toContain('unsafe')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    const page = await (await fetch(`${operator}/`)).text()
    expect(page).not.toMatch(/<script(?![^>]*src=)|\sstyle=|\son\w+=/i)
  })
})
