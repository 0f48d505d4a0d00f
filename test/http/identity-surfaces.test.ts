/** One identity on every surface: tokens, the commons, deferred calls, real SDKs; and what was shown is seen nowhere. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Anthropic, { AuthenticationError as AnthropicRefusal } from '@anthropic-ai/sdk'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import OpenAI, { AuthenticationError as OpenAIRefusal } from 'openai'
import { Agent, request } from 'undici'
import { describe, expect, it } from 'vitest'
import { createSandbox } from '../../src/demo/sandbox.ts'
import { keysFor, startGatedWeir } from '../kit/gated-weir.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { RawClient } from '../kit/raw-client.ts'
import { SPIFFE_CA, SPIFFE_CLIENTS } from '../kit/spiffe-fixture.ts'
import { TEST_CERT, TEST_KEY } from '../kit/tls-fixture.ts'

const ALL = "permissions: { grants: [{ agents: ['*'], upstreams: ['*'] }] }"

interface Issuer {
  readonly url: string
  asked: number
  /** Keys are published. */
  isUp: boolean
  token(sub: string, seconds?: number): Promise<string>
}

async function startIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }
  const server = createServer((_request, response) => {
    issuer.asked += 1
    if (issuer.isUp) response.end(JSON.stringify({ keys: [jwk] }))
    else response.writeHead(503).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  kept({ close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()) })
  const issuer: Issuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    asked: 0,
    isUp: true,
    token: (sub, seconds = 60) =>
      new SignJWT({ iss: 'https://cluster.example', aud: 'weir', sub })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
        .sign(privateKey),
  }
  return issuer
}

function issuerYaml(url: string): string {
  return `auth: { tokens: [{ issuer: 'https://cluster.example', audiences: weir, jwks: { url: '${url}' } }] }`
}

describe('tokens', () => {
  it('of a service account name its agent, with one look at the keys of the issuer', async () => {
    const upstream = kept(await HttpUpstream.start({ body: 'ok' }))
    const issuer = await startIssuer()
    const weir = kept(
      await startGatedWeir({
        config: `upstreams: { up: '${upstream.url.href}' }\n${issuerYaml(issuer.url)}\n${ALL}\n`,
      }),
    )
    const token = await issuer.token('system:serviceaccount:kyc:agent-a')
    const ask = async (key: string): Promise<number> =>
      (await fetch(`${weir.agents}/up/x`, { method: 'POST', body: 'x', headers: { 'weir-key': key } })).status
    expect(await Promise.all(Array.from({ length: 20 }, () => ask(token)))).toEqual(Array(20).fill(200))
    expect(upstream.seen[0]?.body.toString()).toBe('x')
    expect(await ask(await issuer.token('kyc', -3600))).toBe(401)
    expect(await ask(`${token.slice(0, -4)}AAAA`)).toBe(401)
    expect(issuer.asked).toBe(1)
    const page = await (await fetch(`${weir.operator}/metrics`)).text()
    expect(page).toContain('weir_agent_calls_total{agent="kyc:agent-a"} 20')
    expect(page).toContain('weir_auth_checks_total{shown="token",result="accepted"} 20')
    expect(page).toContain('weir_auth_checks_total{shown="token",result="refused"} 2')
    expect(page).toMatch(/weir_auth_issuer_age_seconds\{issuer="https:\/\/cluster.example"\} \d/)
  })

  it('are answered 503 with a time to come back while the keys of the issuer were never had', async () => {
    const upstream = kept(await HttpUpstream.start())
    const issuer = await startIssuer()
    issuer.isUp = false
    const weir = kept(
      await startGatedWeir({
        config: `upstreams: { up: '${upstream.url.href}' }\n${issuerYaml(issuer.url)}\n${ALL}\n`,
      }),
    )
    const response = await fetch(`${weir.agents}/up/x`, {
      headers: { 'weir-key': await issuer.token('kyc') },
    })
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([503, 'true'])
    expect(Number(response.headers.get('retry-after-ms'))).toBeGreaterThan(0)
    expect(upstream.seen).toEqual([])
    const page = await (await fetch(`${weir.operator}/metrics`)).text()
    expect(page).toContain('weir_auth_failing 1')
    expect(page).toContain('weir_auth_issuer_age_seconds{issuer="https://cluster.example"} +Inf')
  })

  it('that are looked at when their client leaves end nothing else', async () => {
    const upstream = kept(await HttpUpstream.start())
    const issuer = await startIssuer()
    const weir = kept(
      await startGatedWeir({
        config: `upstreams: { up: '${upstream.url.href}' }\n${issuerYaml(issuer.url)}\n${ALL}\n`,
      }),
    )
    for (let n = 0; n < 10; n++) {
      const client = await RawClient.open(weir.port)
      client.send(`GET /up/x HTTP/1.1\r\nhost: x\r\nweir-key: ${await issuer.token(`a${n}`)}\r\n\r\n`)
      setImmediate(() => client.socket.resetAndDestroy())
    }
    await eventually(() => weir.app.proxy.stats.connections === 0 && weir.app.proxy.stats.openCalls === 0)
    const response = await fetch(`${weir.agents}/up/x`, {
      headers: { 'weir-key': await issuer.token('kyc') },
    })
    expect(response.status).toBe(200)
  })
})

describe('client certificates', () => {
  it('name their agents over HTTP/1.1 and HTTP/2, and nobody else’s do', async () => {
    const upstream = kept(await HttpUpstream.start({ body: 'ok' }))
    const weir = kept(
      await startGatedWeir({
        config: `upstreams: { up: '${upstream.url.href}' }
tls: { cert: server.pem, key: server.key, clientCa: ca.pem, clientCert: optional }
http2: { enabled: true }
auth: { certificates: { trustDomains: prod.example } }
${ALL}
`,
        files: { 'server.pem': TEST_CERT, 'server.key': TEST_KEY, 'ca.pem': SPIFFE_CA },
      }),
    )
    const ask = async (client: keyof typeof SPIFFE_CLIENTS | 'none', allowH2: boolean): Promise<number> => {
      const dispatcher = new Agent({
        allowH2,
        connect: { ca: TEST_CERT, ...(client === 'none' ? {} : SPIFFE_CLIENTS[client]) },
      })
      const headers = { 'x-forwarded-client-cert': 'URI=spiffe://prod.example/ns/kyc/sa/agent-a' }
      const { statusCode, body } = await request(`https://127.0.0.1:${weir.port}/up/x`, {
        dispatcher,
        headers,
      })
      await body.dump()
      await dispatcher.destroy()
      return statusCode
    }
    for (const allowH2 of [false, true]) {
      expect([await ask('agent', allowH2), await ask('agent', allowH2)]).toEqual([200, 200])
      expect([await ask('foreign', allowH2), await ask('two', allowH2)]).toEqual([401, 401])
      expect(await ask('none', allowH2)).toBe(401)
    }
    const page = await (await fetch(`${weir.operator}/metrics`)).text()
    expect(page).toContain('weir_agent_calls_total{agent="kyc:agent-a"} 4')
    expect(page).toContain('weir_auth_checks_total{shown="certificate",result="refused"} 4')
    expect(upstream.seen.some(({ headers }) => 'x-forwarded-client-cert' in headers)).toBe(false)
  })
})

function eventOf(type: string): { method: string; headers: Record<string, string>; body: string } {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id: type, source: '/test', type, data: 1 }),
  }
}

describe('the commons', () => {
  const PERMISSIONS = `permissions:
  unlisted: deny
  grants:
    - agents: writer
      topics: { publish: ['order.*'] }
      state: { read: '*', write: drafts/ }
      tasks: review
    - agents: reader
      topics: { subscribe: ['order.*'] }
      state: { read: drafts/ }
commons: { store: memory }`

  type Ask = (
    path: string,
    init?: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> },
  ) => Promise<Response>

  async function commons(): Promise<(agent: 'writer' | 'reader' | 'nobody') => Ask> {
    const upstream = kept(await HttpUpstream.start())
    const { keys, file } = keysFor('writer', 'reader', 'stranger')
    const weir = kept(
      await startGatedWeir({
        config: `upstreams: { up: '${upstream.url.href}' }\nauth: { keys: keys.yaml }\n${PERMISSIONS}\n`,
        files: { 'keys.yaml': file },
      }),
    )
    return (agent) => {
      const key = keys[agent === 'writer' ? 0 : agent === 'reader' ? 1 : 2]!.key
      const shown = { authorization: `Bearer ${key}`, 'weir-agent': 'writer' }
      return (path, init = {}) =>
        fetch(`${weir.agents}/weir/v1${path}`, { ...init, headers: { ...shown, ...init.headers } })
    }
  }

  it('asks for permission, whatever name is claimed, and says what is missing', async () => {
    const as = await commons()
    const [writer, reader, nobody] = [as('writer'), as('reader'), as('nobody')]
    expect((await writer('/events', eventOf('order.made'))).status).toBe(200)
    expect((await reader('/events', eventOf('order.made'))).status).toBe(403)
    expect((await writer('/events', eventOf('other'))).status).toBe(403)
    expect((await reader('/events?type=order.*')).status).toBe(200)
    expect((await reader('/events')).status).toBe(403)
    expect((await writer('/state/drafts/1', { method: 'PUT', body: '{}' })).status).toBe(201)
    expect((await writer('/state/plans/1', { method: 'PUT', body: '{}' })).status).toBe(403)
    expect((await reader('/state/drafts/1')).status).toBe(200)
    expect((await reader('/state/drafts/1', { method: 'DELETE' })).status).toBe(403)
    expect((await reader('/state?prefix=')).status).toBe(403)
    const task = { method: 'POST', body: JSON.stringify({ kind: 'review', input: {} }) }
    expect((await writer('/tasks', task)).status).toBe(201)
    const refused = await reader('/tasks', task)
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({
      code: 'forbidden',
      detail: expect.stringContaining('reader may not task.create on review'),
    })
    expect((await nobody('/agents')).status).toBe(403)
    expect((await reader('/agents')).status).toBe(200)
    const published = (await (await reader('/events?type=order.*')).json()) as {
      events: { event: { sender: string } }[]
    }
    expect(published.events.map(({ event: { sender } }) => sender)).toEqual(['writer'])
  })

  it('is closed to whoever shows nothing', async () => {
    const as = await commons()
    expect((await as('writer')('/agents', { headers: { authorization: '' } })).status).toBe(401)
    expect((await as('writer')('/agents', { headers: { authorization: 'Bearer x.y' } })).status).toBe(401)
  })
})

describe('a deferred call', () => {
  it('is its agent’s alone, keeps no key, and runs with the credential that Weir holds', async () => {
    const upstream = kept(await HttpUpstream.start({ body: 'later' }))
    const { keys, file } = keysFor('kyc', 'review')
    const [kyc, review] = [keys[0]!.key, keys[1]!.key]
    const weir = kept(
      await startGatedWeir({
        config: `upstreams: { up: { url: '${upstream.url.href}', credentials: { authorization: Bearer own } } }\nauth: { keys: keys.yaml }\n${ALL}\ndeferral: { store: lmdb, dir: spool, keyFiles: [key] }\n`,
        files: { 'keys.yaml': file, key: 'one secret key of at least 32 characters\n' },
      }),
    )
    const accepted = await fetch(`${weir.agents}/up/x`, {
      method: 'POST',
      body: 'work',
      headers: { authorization: `Bearer ${kyc}`, prefer: 'respond-async' },
    })
    expect(accepted.status).toBe(202)
    const place = weir.agents + accepted.headers.get('location')!
    await eventually(() => upstream.seen.length === 1)
    expect(upstream.seen[0]?.headers).toMatchObject({ authorization: 'Bearer own' })
    expect(JSON.stringify(upstream.seen[0]?.rawHeaders)).not.toContain(kyc)
    expect((await fetch(place)).status).toBe(401)
    expect((await fetch(place, { headers: { 'weir-key': review } })).status).toBe(404)
    let answer = await fetch(place, { headers: { 'weir-key': kyc, prefer: 'wait=5' } })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('later')
    answer = await fetch(place, { method: 'DELETE', headers: { 'weir-key': kyc } })
    expect(answer.status).toBeLessThan(300)
  })
})

describe('real SDKs', () => {
  it('need their apiKey set to a key of Weir, and nothing else', async () => {
    const sandbox = createSandbox()
    const url = await sandbox.listen()
    kept(sandbox)
    const { keys, file } = keysFor('clerk')
    const weir = kept(
      await startGatedWeir({
        config: `upstreams:
  openai: { url: '${url}', credentials: { authorization: Bearer of-openai } }
  anthropic: { url: '${url}', credentials: { x-api-key: of-anthropic } }
auth: { keys: keys.yaml }
${ALL}
`,
        files: { 'keys.yaml': file },
      }),
    )
    const apiKey = keys[0]!.key
    const openai = new OpenAI({ apiKey, baseURL: `${weir.agents}/openai/v1`, maxRetries: 2 })
    const said = await openai.chat.completions.create({
      model: 'm',
      messages: [{ role: 'user', content: 'hello' }],
    })
    expect(said.choices[0]?.message.content).toBeTruthy()
    const anthropic = new Anthropic({ apiKey, baseURL: `${weir.agents}/anthropic`, maxRetries: 2 })
    const message = { model: 'm', max_tokens: 10, messages: [{ role: 'user' as const, content: 'hello' }] }
    expect((await anthropic.messages.create(message)).content.length).toBeGreaterThan(0)
    const page = await (await fetch(`${weir.operator}/metrics`)).text()
    expect(page).toContain('weir_agent_calls_total{agent="clerk"} 2')

    // What they make of a refusal: their own kind of error, once, without a retry.
    const wrong = new OpenAI({ apiKey: 'sk-wrong', baseURL: `${weir.agents}/openai/v1`, maxRetries: 2 })
    await expect(
      wrong.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'hello' }] }),
    ).rejects.toBeInstanceOf(OpenAIRefusal)
    const other = new Anthropic({ apiKey: 'sk-wrong', baseURL: `${weir.agents}/anthropic`, maxRetries: 2 })
    await expect(other.messages.create(message)).rejects.toBeInstanceOf(AnthropicRefusal)
    expect(await (await fetch(`${weir.operator}/metrics`)).text()).toContain(
      'weir_refused_total{status="401"} 2',
    )
  })
})

describe('what was shown', () => {
  it('is in nothing that Weir writes, shows, answers or sends on', async () => {
    const upstream = kept(await HttpUpstream.start({ body: 'ok' }))
    const { keys, file } = keysFor('kyc')
    const { key } = keys[0]!
    const issuer = await startIssuer()
    const token = await issuer.token('kyc-2')
    const own = 'Bearer canary-of-the-operator'
    const weir = kept(
      await startGatedWeir({
        config: `upstreams: { up: { url: '${upstream.url.href}', credentials: { authorization: '${own}' } }, open: '${upstream.url.href}' }
auth: { keys: keys.yaml, tokens: [{ issuer: 'https://cluster.example', audiences: weir, jwks: { url: '${issuer.url}' } }] }
permissions: { grants: [{ agents: ['*'], upstreams: ['*'], paths: ['/x', '/hold'] }] }
journal: { dir: journal }
commons: { store: memory }
`,
        files: { 'keys.yaml': file },
      }),
    )
    const answers: string[] = []
    const wrong = `${key}x`
    for (const shown of [key, token, wrong, `${token}x`]) {
      for (const headers of [
        { 'weir-key': shown },
        { authorization: `Bearer ${shown}` },
        { 'x-api-key': shown },
      ]) {
        for (const path of ['/up/x', '/open/x', '/up/denied', '/weir/v1/agents', '/weir/v1/none', '/none']) {
          const response = await fetch(`${weir.agents}${path}`, { headers })
          answers.push(JSON.stringify([...response.headers]), await response.text())
        }
      }
    }
    for (const page of [
      '/metrics',
      ...['upstreams', 'agents', 'workflows', 'policies', 'config'].map((name) => `/api/v1/${name}`),
    ]) {
      answers.push(await (await fetch(weir.operator + page)).text())
    }
    await weir.app.stop()
    const parts = await readdir(join(weir.dir, 'journal'))
    for (const part of parts) answers.push(await readFile(join(weir.dir, 'journal', part), 'utf8'))
    expect(parts.length).toBeGreaterThan(0)
    // Of `up` everything is Weir's; of `open` what stands in the places of its own credentials is passed through.
    const sent = upstream.seen.map(({ rawHeaders }) => JSON.stringify(rawHeaders))
    expect(sent.filter((one) => one.includes(own)).length).toBe(6)
    answers.push(
      ...sent.map((one) => one.replaceAll(own, '')).filter((one) => !/authorization|x-api-key/.test(one)),
    )
    const all = [...answers, ...weir.lines].join('\n').toLowerCase()
    for (const secret of [key, key.split('.')[1]!, token, token.split('.')[2]!, 'canary-of-the-operator']) {
      for (const form of [
        secret,
        Buffer.from(secret).toString('base64').slice(0, -2),
        createHash('sha256').update(secret).digest('hex').slice(0, 16),
      ]) {
        expect(all.includes(form.toLowerCase())).toBe(false)
      }
    }
  })
})
