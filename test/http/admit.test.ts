/** Asking before a step, over real sockets. */
import { afterEach, describe, expect, it } from 'vitest'
import { ONE_AT_A_TIME, startAskingWeir, type AskingWeir } from '../kit/asking-weir.ts'

let weir: AskingWeir
afterEach(async () => await weir.close())

async function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Answered> {
  const response = await fetch(`${weir.origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as any }
}

interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly body: any
}

const ask = (body: object, headers = {}): Promise<Answered> =>
  post('/weir/v1/admit', { upstream: 'openai', agent: 'planner', ...body }, headers)
const report = (ticket: string, body: object): Promise<Answered> => post(`/weir/v1/admit/${ticket}`, body)

async function eventually(truth: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300 && !truth(); tries += 1) await new Promise((r) => setTimeout(r, 10))
  expect(truth()).toBe(true)
}

describe('asking before a step', () => {
  it('says go while the upstream is well, counts the step as in flight, and learns how it ended', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    const asked = await ask({ step: 'summarise', workflow: 'run-1' })
    expect(asked).toMatchObject({
      status: 200,
      body: { answer: 'go', reason: 'healthy', upstream: 'openai' },
    })
    expect(asked.headers.get('weir-source')).toBe('proxy')
    expect(weir.reading.inFlight).toBe(1)
    expect(weir.app.core.agents(performance.now(), 9)[0]?.agent).toBe('planner')
    expect(weir.app.core.workflows(performance.now(), 9)[0]?.workflow).toBe('run-1')
    const told = await report(asked.body.ticket, { status: 200 })
    expect(told.body).toEqual({ answer: 'ended' })
    expect(weir.reading.inFlight).toBe(0)
    expect(weir.outcome('passed')).toBe(1)
    expect((await report(asked.body.ticket, { status: 200 })).status).toBe(404)
  })

  it('lets the second one wait in line, and go when the first has ended', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    const first = await ask({})
    const second = ask({ waitMs: 5000 })
    await eventually(() => weir.reading.held === 1)
    await report(first.body.ticket, { ended: 'success' })
    expect((await second).body).toMatchObject({ answer: 'go', rule: 'policy/one' })
    expect((await second).body.heldMs).toBeGreaterThan(0)
    await report((await second).body.ticket, { ended: 'success' })
    expect(weir.outcome('passed-after-hold')).toBe(1)
  })

  it('keeps the place in line over several requests when there is patience for it', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    const first = await ask({})
    const second = await ask({ waitMs: 0, patienceMs: 15_000 })
    expect(second.body).toMatchObject({ answer: 'wait', reason: 'concurrency-limit' })
    expect(second.body.waitMs).toBeGreaterThan(10_000)
    expect(Date.parse(second.body.at)).toBeGreaterThan(Date.now())
    const third = await report(second.body.ticket, { waitMs: 30 })
    expect(third.body).toMatchObject({ answer: 'wait', ticket: second.body.ticket })
    const going = report(second.body.ticket, { waitMs: 5000 })
    await report(first.body.ticket, { ended: 'success' })
    expect((await going).body.answer).toBe('go')
    await report(second.body.ticket, { ended: 'cancelled' })
    expect(weir.outcome('client-gone')).toBe(1)
    expect(weir.app.core.read(performance.now()).open).toBe(0)
  })

  it('gives who cannot wait an instant of its own, and keeps it', async () => {
    const rate = '{ per: upstream, rate: 2/s, burst: 1 }'
    weir = await startAskingWeir(ONE_AT_A_TIME.replace('{ per: upstream, concurrency: 1 }', rate))
    await ask({ once: 'a' })
    const refused = await ask({ once: 'b' })
    expect(refused.body).toMatchObject({ answer: 'slot', reason: 'rate-limit', rule: 'policy/one' })
    expect(refused.body.ticket).toBeUndefined()
    expect(refused.body.waitMs).toBeGreaterThan(0)
    await new Promise((resolve) => setTimeout(resolve, refused.body.waitMs + 5))
    expect((await ask({ once: 'b', attempt: 2 })).body).toMatchObject({ answer: 'go', reason: 'slot-kept' })
  })

  it('says no for good where a rule does', async () => {
    const rule =
      'rules:\n  - { name: never, match: { path: /pay }, mode: enforce, then: { do: shed, final: true } }\n'
    weir = await startAskingWeir(`version: 1\n${rule}`)
    expect((await ask({ step: 'pay' })).body).toMatchObject({
      answer: 'refused',
      reason: 'forbidden',
      rule: 'policy/never',
    })
    expect((await ask({ step: 'look' })).body.answer).toBe('go')
  })

  it('tells who was refused by the upstream itself when to come back', async () => {
    weir = await startAskingWeir('version: 1\nrules:\n  - { name: all, mode: enforce, then: { do: hold } }\n')
    const { body } = await ask({})
    const told = await report(body.ticket, { status: 429, retryAfterMs: 3000 })
    expect(told.body.waitMs).toBeGreaterThanOrEqual(2900)
  })

  it('gives up a ticket whose holder is silent, and blames nobody', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    const { body } = await ask({ leaseMs: 1000 })
    expect(body.leaseMs).toBe(1000)
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect((await report(body.ticket, {})).body.answer).toBe('go')
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect((await fetch(`${weir.origin}/weir/v1/admit/${body.ticket}`)).status).toBe(200)
    await eventually(() => weir.outcome('client-gone') === 1)
    expect((await report(body.ticket, {})).status).toBe(404)
    expect(weir.app.core.read(performance.now()).open).toBe(0)
  })

  it('forgets a question whose asker left while it waited', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    await ask({})
    const leaving = new AbortController()
    const gone = fetch(`${weir.origin}/weir/v1/admit`, {
      method: 'POST',
      body: '{"upstream":"openai","waitMs":9000}',
      signal: leaving.signal,
    }).catch(() => 'gone')
    await eventually(() => weir.reading.held === 1)
    leaving.abort()
    expect(await gone).toBe('gone')
    await eventually(() => weir.reading.held === 0)
  })

  it('does not measure a step whose calls go through Weir themselves', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    const { body } = await ask({ throughWeir: true })
    expect(body.answer).toBe('go')
    expect(weir.reading.inFlight).toBe(0)
    await report(body.ticket, { ended: 'success' })
  })

  it('is bounded in tickets, in all and by agent', async () => {
    weir = await startAskingWeir('version: 1', 'admission: { maxTickets: 3, maxPerAgent: 2 }')
    expect((await ask({})).status).toBe(200)
    expect((await ask({})).status).toBe(200)
    const third = await ask({})
    expect(third).toMatchObject({ status: 429, body: { code: 'too-many' } })
    expect(third.headers.get('retry-after')).toBe('5')
    expect((await ask({ agent: 'other' })).status).toBe(200)
    expect((await ask({ agent: 'another' })).status).toBe(429)
    expect(weir.app.core.read(performance.now()).open).toBe(3)
  })

  it('names what is wrong with a question, and opens nothing', async () => {
    weir = await startAskingWeir('version: 1')
    expect(await ask({ upstream: 'nobody' })).toMatchObject({ status: 404, body: { code: 'unknown' } })
    expect((await ask({ agent: 'no spaces', waitMs: -1, colour: 'red' })).body.errors).toHaveLength(3)
    expect((await ask({ path: '/a/../b' })).status).toBe(400)
    expect((await post('/weir/v1/admit', [] as any)).status).toBe(400)
    expect((await ask({}, { origin: 'https://example.com' })).status).toBe(403)
    const wrong = await fetch(`${weir.origin}/weir/v1/admit`)
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST'])
    expect((await report('x', {})).status).toBe(404)
    expect(weir.app.core.read(performance.now()).open).toBe(0)
    expect((await ask({})).body.answer).toBe('go')
  })

  it('takes the identity of its own request when the question names none', async () => {
    weir = await startAskingWeir('version: 1')
    const names = async (path: string, headers = {}): Promise<string[]> => {
      await post(path, { upstream: 'openai' }, headers)
      return weir.app.core.agents(performance.now(), 9).map(({ agent }) => agent)
    }
    expect(await names('/@kyc.run-7/weir/v1/admit')).toContain('kyc')
    expect(weir.app.core.workflows(performance.now(), 9)[0]?.workflow).toBe('run-7')
    expect(await names('/weir/v1/admit', { 'weir-agent': 'auditor' })).toContain('auditor')
  })

  it('describes itself in OpenAPI', async () => {
    weir = await startAskingWeir('version: 1')
    const document: any = await (await fetch(`${weir.origin}/weir/v1/admit/openapi.json`)).json()
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths)).toEqual(['/weir/v1/admit', '/weir/v1/admit/{ticket}'])
    expect(document.paths['/weir/v1/admit/{ticket}'].get.parameters[0].name).toBe('ticket')
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Ask', 'Report', 'Admission', 'Problem']),
    )
    expect(JSON.stringify(document)).not.toContain('$defs')
  })

  it('is not there when it is switched off', async () => {
    weir = await startAskingWeir('version: 1', 'admission: { enabled: false }')
    expect((await ask({})).status).toBe(404)
  })
})
