/**
 * What a caller sends to an upstream is nobody else's: a secret in every place of a request is looked for in all
 * that Weir itself says and writes (promises.md rows 49, 50, 56, 61; G1, G11).
 */
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createApp, type App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { KNOWN_HEADERS, type Reads } from '../../src/proxy/known-headers.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

const SECRET = 'sk-canary-7f3a9c2e51d84b06'

/** The same secret as a careless writer may have turned it round. */
const FORMS = [
  SECRET,
  SECRET.slice(3),
  encodeURIComponent(SECRET).replaceAll('-', '%2D'),
  Buffer.from(SECRET).toString('base64').slice(0, -2),
  Buffer.from(SECRET).toString('hex'),
  // A hash without a key is a secret to whoever can guess.
  createHash('sha256').update(SECRET).digest('hex').slice(0, 16),
  createHash('md5').update(SECRET).digest('hex').slice(0, 16),
].map((text) => text.toLowerCase())

/** These frame the message. */
const FRAMING: ReadonlySet<Reads> = new Set(['length', 'chunked', 'expect', 'upgrade', 'te'])
/** A well formed value of these is a name that the caller gives itself, and is meant to be shown. */
const NAMES: ReadonlySet<Reads> = new Set([
  'agent',
  'workflow',
  'session',
  'gateway-session',
  'parent',
  'parent-session',
  'project',
  'traceparent',
  'baggage',
])

function secretHeaders(): [string, string][] {
  const known = KNOWN_HEADERS.filter(
    ({ name, reads }) => !FRAMING.has(reads) && name !== 'host' && name !== 'connection',
  ).map(({ name, reads }): [string, string] => {
    if (name === 'authorization') return [name, `Bearer ${SECRET}`]
    return [name, NAMES.has(reads) ? `{${SECRET}}` : SECRET]
  })
  const others = ['cookie', 'x-any', SECRET, 'referer', 'x-forwarded-for', 'x-amz-security-token']
  return [...known, ...others.map((name): [string, string] => [name, `a=${SECRET}`])]
}

interface Watched {
  readonly app: App
  readonly agents: number
  readonly operator: string
  readonly lines: string[]
  /** Directory of its parts. */
  readonly journal: string
}

const POLICY = `
version: 1
rules:
  - name: refuse
    mode: enforce
    match: { path: /refused/** }
    then: { do: shed, final: true }
  - name: later
    mode: enforce
    match: { path: /later/** }
    then: { do: shed }
`

async function watched(upstreams: Record<string, URL>): Promise<Watched> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-privacy-'))
  kept({ close: async () => rm(directory, { recursive: true, force: true }) })
  const policy = join(directory, 'rules.yaml')
  await writeFile(policy, POLICY)
  const config = loadConfig({
    env: {},
    flags: {
      upstream: Object.entries(upstreams).map(([name, url]) => `${name}=${url.href}`),
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [policy],
      logLevel: 'debug',
      accessLog: true,
      journal: join(directory, 'journal'),
    },
  })
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'debug', access: true, clock: () => performance.now(), sink })
  const app = createApp({ ...config, proxy: { ...config.proxy, drainMs: 300 } }, { log })
  kept({ close: async () => app.stop() })
  const started = await app.start()
  return {
    app,
    lines,
    journal: join(directory, 'journal'),
    agents: started.proxy.port,
    operator: `http://127.0.0.1:${started.operator.port}`,
  }
}

/** All that the operator can read, the stream of events as far as it has come. */
async function pagesOf(operator: string): Promise<string> {
  const paths = [
    '/',
    '/metrics',
    ...['upstreams', 'agents', 'workflows', 'policies', 'config'].map((name) => `/api/v1/${name}`),
  ]
  const pages = await Promise.all(paths.map(async (path) => (await fetch(operator + path)).text()))
  const events = await fetch(`${operator}/api/v1/events`, { headers: { 'last-event-id': '0' } })
  const reader = events.body!.getReader()
  const first = await reader.read()
  await reader.cancel()
  return [...pages, new TextDecoder().decode(first.value)].join('\n')
}

function hits(text: string): string[] {
  const lower = text.toLowerCase()
  return FORMS.filter((form) => lower.includes(form))
}

async function ask(port: number, text: string): Promise<string> {
  const client = kept(await RawClient.open(port))
  client.send(text)
  await client.closed()
  return client.text
}

test('a secret anywhere in a request is in nothing that Weir writes, shows or answers by itself', async () => {
  const upstream = kept(
    await HttpUpstream.start({ headers: { 'x-secret': SECRET, 'set-cookie': SECRET }, body: SECRET }),
  )
  const broken = kept(
    await RawUpstream.start((connection) => {
      connection.socket.once('data', () => {
        connection.send(`${SECRET} ${SECRET}\r\n${SECRET}: ${SECRET}\r\n\r\n`)
      })
    }),
  )
  const cut = kept(await HttpUpstream.start({ reset: true, after: SECRET }))
  const { app, lines, agents, operator, journal } = await watched({
    api: upstream.url,
    broken: broken.url,
    cut: cut.url,
  })
  const secret = secretHeaders().map(([name, value]) => `${name}: ${value}\r\n`)
  const fields = `Host: weir.local\r\nConnection: close\r\n${secret.join('')}`
  const body = `Content-Length: ${SECRET.length}\r\n\r\n${SECRET}`
  const post = (target: string): string => `POST ${target} HTTP/1.1\r\n${fields}${body}`
  const query = `?key=${SECRET}&${SECRET}`

  const passed = await ask(agents, post(`/api/v1/users/${SECRET}/keys/${SECRET}${query}`))
  expect(passed).toMatch(/^HTTP\/1\.1 200 /)
  // The upstream gets all of it, and the client all of the answer: only Weir keeps silent.
  expect(upstream.seen[0]).toMatchObject({ url: `/v1/users/${SECRET}/keys/${SECRET}${query}` })
  expect(upstream.seen[0]?.body.toString()).toBe(SECRET)
  expect(upstream.seen[0]?.headers).toMatchObject({
    authorization: `Bearer ${SECRET}`,
    'x-any': `a=${SECRET}`,
  })
  expect(passed).toContain(`x-secret: ${SECRET}`)
  expect(hits(passed)).not.toEqual([])

  const own = {
    'an upstream that answers nonsense': [502, post(`/broken/${SECRET}${query}`)],
    'a final refusal': [403, post(`/api/refused/${SECRET}${query}`)],
    'a refusal for now': [429, post(`/api/later/${SECRET}${query}`)],
    'no such upstream': [404, post(`/${SECRET}/x${query}`)],
    'no such path of Weir': [404, post(`/weir/${SECRET}${query}`)],
    'another host': [400, post(`http://${SECRET}/${query}`)],
    'a bad path': [400, post(`/api/${SECRET}/../x${query}`)],
    'a bad query': [400, post(`/api/x${query}#${SECRET}`)],
    'a long target': [414, post(`/api/${SECRET.repeat(400)}`)],
    'a bad Host': [400, post('/api/x').replace('weir.local', `${SECRET}@${SECRET}`)],
    'a bad header': [400, post('/api/x').replace('x-any: ', `x-any ${SECRET}: `)],
    'a bad method': [400, `${SECRET} ${post('/api/x')}`],
    'too many headers': [431, post('/api/x').replace('Host', `${`x-a: ${SECRET}\r\n`.repeat(100)}Host`)],
    'too large a head': [431, post('/api/x').replace('Host', `x-a: ${SECRET.repeat(1500)}\r\nHost`)],
    'a bad expectation': [417, post('/api/x').replace('Host', `Expect: ${SECRET}\r\nHost`)],
    'a bad Connection': [400, post('/api/x').replace('close', `authorization, ${SECRET}`)],
    'a bad length': [400, post('/api/x').replace('Content-Length: ', `Content-Length: ${SECRET}`)],
    CONNECT: [405, `CONNECT ${SECRET}:443 HTTP/1.1\r\n${fields}\r\n`],
    TRACE: [405, `TRACE /api/${SECRET} HTTP/1.1\r\n${fields}\r\n`],
  } as const
  for (const [what, [status, text]] of Object.entries(own)) {
    const answer = await ask(agents, text)
    expect({ what, status: Number(answer.split(' ')[1]), hits: hits(answer) }).toEqual({
      what,
      status,
      hits: [],
    })
  }
  await ask(agents, post(`/cut/${SECRET}${query}`))
  const handshake = `Upgrade: websocket\r\nSec-WebSocket-Key: ${SECRET}\r\nSec-WebSocket-Protocol: realtime, openai-insecure-api-key.${SECRET}\r\n`
  await ask(
    agents,
    `GET /api/${SECRET}${query} HTTP/1.1\r\nHost: weir.local\r\nConnection: Upgrade\r\n${handshake}\r\n`,
  )
  await ask(agents, `GET /@${SECRET}%20/api/x HTTP/1.1\r\n${fields}\r\n`)

  await eventually(() => app.proxy.stats.openCalls === 0)
  // One line per call that there was: passed, broken, refused, later, cut, WebSocket, malformed agent.
  await eventually(() => lines.filter((line) => line.includes('"msg":"call"')).length === 7)
  const pages = await pagesOf(operator)
  expect(pages).toContain('weir_calls_total{upstream="broken",outcome="upstream-error"} 1')
  expect(hits(pages)).toEqual([])
  for (const path of [`/${SECRET}`, `/api/v1/agents?limit=${SECRET}`, `/api/v1/config?${SECRET}`]) {
    const response = await fetch(operator + path, { headers: { authorization: SECRET, cookie: SECRET } })
    expect(hits(await response.text())).toEqual([])
  }
  await app.stop()
  expect(hits(lines.join(''))).toEqual([])
  const parts = await readdir(journal)
  const written = (await Promise.all(parts.map((part) => readFile(join(journal, part), 'utf8')))).join('')
  expect(written.match(/"kind":"call"/g)).toHaveLength(7)
  expect(written).toMatch(
    /"route":"\/v1\/users\/\*\/keys\/\*"|"route":"\/v1\/users\/~[0-9a-f]{8}\/keys\/~[0-9a-f]{8}"/,
  )
  expect(hits(written)).toEqual([])
})
