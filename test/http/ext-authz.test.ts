/**
 * What Envoy's ext_authz (HTTP) and nginx's auth_request send and read, as their documents say it: the head of the
 * original request below a prefix, and the status as the word. nginx itself is run in `examples/`.
 */
import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { ONE_AT_A_TIME, startAskingWeir, type AskingWeir } from '../kit/asking-weir.ts'

let weir: AskingWeir
afterEach(async () => await weir.close())

interface Answered {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
}

/** As Envoy asks: the client's method, path and headers, and no body. */
function ask(path: string, headers: Record<string, string> = {}, method = 'POST'): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(`${weir.origin}/weir/v1/authz${path}`, {
      method,
      headers: { host: 'api.example', 'content-length': '0', 'x-forwarded-for': '10.0.0.9', ...headers },
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    sent.end()
  })
}

const SLOWLY = `version: 1
rules:
  - { name: slowly, mode: enforce, match: { path: /v1/chat/* }, then: { do: hold, hold: { max: 20s }, limits: [{ per: agent, rate: 2/s, burst: 1 }] } }
  - { name: never, mode: enforce, match: { path: /v1/files }, then: { do: shed, final: true } }
`

describe('external authorization', () => {
  it('allows with 200 and its marks, by the identity of the original request', async () => {
    weir = await startAskingWeir(SLOWLY)
    const answer = await ask('/openai/v1/chat/completions?a=b', {
      authorization: 'Bearer key',
      'weir-agent': 'kyc',
    })
    expect(answer).toMatchObject({ status: 200, body: '' })
    expect(answer.headers).toMatchObject({
      'weir-verdict': 'pass',
      'weir-reason': 'healthy',
      'weir-source': 'proxy',
    })
    expect(answer.headers['weir-ticket']).toBeUndefined()
    expect(weir.app.core.agents(performance.now(), 9)[0]?.agent).toBe('kyc')
    await ask('/@clerk.run-1/openai/v1/models', {}, 'GET')
    expect(weir.app.core.agents(performance.now(), 9).map(({ agent }) => agent)).toContain('clerk')
    expect(weir.outcome('passed')).toBe(2)
  })

  it('counts a call whose end nobody tells, and leaves nothing open', async () => {
    weir = await startAskingWeir(SLOWLY)
    await ask('/openai/v1/chat/completions')
    expect(weir.reading).toMatchObject({ inFlight: 0, arrivals: 1 })
    expect(weir.reading.settlements.ignored).toBe(1)
    expect(weir.app.core.read(performance.now()).open).toBe(0)
  })

  it('refuses with 429, a slot and a body that the SDK of the client understands', async () => {
    weir = await startAskingWeir(SLOWLY)
    const stainless = {
      authorization: 'Bearer k',
      'user-agent': 'OpenAI/JS 7.55.0',
      'x-stainless-lang': 'js',
    }
    await ask('/openai/v1/chat/completions', stainless)
    const refused = await ask('/openai/v1/chat/completions', stainless)
    expect(refused.status).toBe(429)
    expect(refused.headers).toMatchObject({ 'x-should-retry': 'true', 'weir-reason': 'rate-limit' })
    const ms = Number(refused.headers['retry-after-ms'])
    expect(ms).toBeGreaterThan(0)
    expect(refused.headers['retry-after']).toBe(String(Math.ceil(ms / 1000)))
    expect(JSON.parse(refused.body).error).toMatchObject({ type: 'rate_limit_error', code: 'rate_limit' })
  })

  it('refuses for good with 403', async () => {
    weir = await startAskingWeir(SLOWLY)
    const refused = await ask('/openai/v1/files')
    expect(refused.status).toBe(403)
    expect(refused.headers['x-should-retry']).toBe('false')
  })

  it('answers in a status that nginx passes on, when told so, and reads the method and target that it tells', async () => {
    weir = await startAskingWeir(SLOWLY)
    const nginx = {
      'weir-refuse-with': '403',
      'x-original-method': 'POST',
      'x-original-uri': '/v1/chat/completions?x=1',
    }
    expect((await ask('/openai', nginx, 'GET')).status).toBe(200)
    const refused = await ask('/openai', nginx, 'GET')
    expect(refused.status).toBe(403)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers['x-should-retry']).toBe('true')
    const never = await ask('/openai', { ...nginx, 'x-original-uri': '/v1/files' }, 'GET')
    expect([never.status, never.headers['x-should-retry'], never.headers['retry-after']]).toEqual([
      403,
      'false',
      undefined,
    ])
    expect((await ask('/openai', { ...nginx, 'weir-refuse-with': '200' }, 'GET')).status).toBe(429)
  })

  it('waits within the time that the asker gives, and no longer', async () => {
    weir = await startAskingWeir(SLOWLY)
    await ask('/openai/v1/chat/completions')
    const began = performance.now()
    const held = await ask('/openai/v1/chat/completions', { prefer: 'wait=5' })
    expect(held.status).toBe(200)
    expect(performance.now() - began).toBeGreaterThan(200)
  })

  it('learns how a call ended from whoever promised to tell', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    const first = await ask('/openai/v1/chat/completions', { 'weir-endings': 'reported' })
    expect(weir.reading.inFlight).toBe(1)
    expect((await ask('/openai/v1/chat/completions')).status).toBe(429)
    const told = await fetch(`${weir.origin}/weir/v1/admit/${String(first.headers['weir-ticket'])}`, {
      method: 'POST',
      body: '{"status":503}',
    })
    expect(told.status).toBe(200)
    expect(weir.reading).toMatchObject({ inFlight: 0, settlements: { dropped: 1 } })
  })

  it('lets the asker decide whether it fails open when Weir itself is short of room', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    weir.app.core.pressure(0.95)
    const refused = await ask('/openai/v1/chat/completions')
    expect([refused.status, refused.headers['weir-reason']]).toEqual([503, 'overload'])
    const nginx = await ask('/openai/v1/chat/completions', { 'weir-refuse-with': '403' })
    expect(nginx.status).toBe(503)
  })

  it('says plainly that a prefix names no upstream', async () => {
    weir = await startAskingWeir(SLOWLY)
    const answer = await ask('/nobody/v1')
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([404, 'unknown'])
    expect((await ask('/openai/a//b')).status).toBe(400)
    expect(weir.app.core.read(performance.now()).open).toBe(0)
  })
})
