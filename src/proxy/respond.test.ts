// oxlint-disable typescript/no-unsafe-type-assertion -- fakes and events of Node's are not typed more narrowly
import { PassThrough } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import { fakeCall, type FakeCall, type FakeCallOptions } from '../../test/kit/fake-call.ts'
import { REASONS, type Reason, type Verdict } from '../core/model.ts'
import { type Problem, PROBLEMS, REFUSALS } from './refusals.ts'
import { createResponder } from './respond.ts'

vi.mock('../core/families.ts', async () => await import('../../test/kit/fake-families.ts'))

const NOW = 1000
const respond = createResponder({
  clock: () => NOW,
  wall: () => 0,
  log: { debug: () => {} },
  random: () => 0.5,
})

function shed(reason: Reason, slotAt: number): Verdict {
  return { do: 'shed', reason, rule: -1, upstream: 0, until: 0, slotAt, shadow: undefined }
}

function answered(options: FakeCallOptions, act: (call: FakeCall['call']) => void): FakeCall {
  const fake = fakeCall(options)
  act(fake.call)
  return fake
}

describe('a verdict', () => {
  it('with a slot says when, exactly and in whole seconds, and whose answer it is', () => {
    const { response, call } = answered({}, (given) => respond.verdict(given, shed('storm', NOW + 2300)))
    expect(response.statusCode).toBe(429)
    expect(response.headers).toMatchObject({
      'retry-after': '3',
      'retry-after-ms': '2300',
      'x-should-retry': 'true',
      'weir-verdict': 'shed',
      'weir-reason': 'storm',
      'weir-call-id': 'c0ffee',
      'weir-source': 'proxy',
      'server-timing': 'weir;dur=1000.0, hold;dur=0.0',
      'content-type': 'application/json',
    })
    expect(call.status).toBe(429)
    expect(Number(response.headers['content-length'])).toBe(call.bytesOut)
  })

  it.each<[Reason, number]>([
    ['down', 503],
    ['overload', 503],
    ['draining', 503],
    ['queue-full', 503],
    ['hold-memory', 503],
    ['saturated', 429],
    ['retry-budget', 429],
    ['fair-share', 429],
    ['quota', 429],
  ])('for %s with a slot is %i', (reason, status) => {
    expect(answered({}, (call) => respond.verdict(call, shed(reason, 2000))).response.statusCode).toBe(status)
  })

  it.each<[Reason, number]>([
    ['forbidden', 403],
    ['policy', 403],
    ['loop', 403],
    ['budget', 403],
    ['deadline', 504],
  ])('for %s without a slot is %i and final', (reason, status) => {
    const { response } = answered({}, (call) => respond.verdict(call, shed(reason, 0)))
    expect(response.statusCode).toBe(status)
    expect(response.headers['x-should-retry']).toBe('false')
    expect(response.headers['retry-after']).toBeUndefined()
  })

  it('is always 429 with a slot for a family that reads advice on 429 alone', () => {
    const options = { family: 'langchain-js' }
    expect(answered(options, (call) => respond.verdict(call, shed('down', 2000))).response.statusCode).toBe(
      429,
    )
  })

  it('speaks to AWS clients in their own header', () => {
    const { response } = answered({ family: 'aws-js' }, (call) =>
      respond.verdict(call, shed('storm', NOW + 30_000)),
    )
    expect(response.headers).toMatchObject({
      'x-amz-retry-after': '5000',
      'x-amzn-errortype': 'ThrottlingException',
    })
  })

  it('on an expired hold is 504 without a slot, 429 or 503 with one', () => {
    const expire = { do: 'expire', call: 0 } as const
    const ended = (reason: Reason, slotAt: number): FakeCall =>
      answered({}, (call) => respond.verdict(call, { ...expire, reason, slotAt }))
    expect(ended('drift', 0).response.statusCode).toBe(504)
    expect(ended('drift', 0).response.headers['x-should-retry']).toBe('false')
    expect(ended('drift', 2000).response.statusCode).toBe(429)
    expect(ended('draining', 2000).response.statusCode).toBe(503)
    expect(ended('draining', 2000).response.headers['connection']).toBe('close')
    expect(ended('drift', 2000).response.headers['weir-verdict']).toBe('hold')
  })

  it('to defer is a slot and never 202, which breaks clients that do not know it', () => {
    const { response } = answered({}, (call) =>
      respond.verdict(call, { ...shed('drift', 2000), do: 'defer' }),
    )
    expect(response.statusCode).toBe(429)
    expect(response.headers['weir-verdict']).toBe('defer')
  })

  it('never uses a word that makes LangChain stop or parse advice', () => {
    for (const reason of REASONS) {
      for (const slotAt of [0, 2000]) {
        const { response } = answered({}, (call) => respond.verdict(call, shed(reason, slotAt)))
        expect(response.body).not.toMatch(/quota|billing|credit|try again in/i)
        expect(JSON.parse(response.body).error.code).toBe(REFUSALS[reason].code)
      }
    }
  })
})

describe('a problem towards the upstream', () => {
  it.each(Object.entries(PROBLEMS))('%s has its status and code', (problem, { status }) => {
    const { response } = answered({ dialect: 'problem' }, (call) => respond.refuse(call, problem as Problem))
    expect(response.statusCode).toBe(status)
    expect(JSON.parse(response.body)).toMatchObject({ status, code: problem })
    expect(response.headers['weir-source']).toBe('proxy')
  })

  it('after the head cuts the connection and never ends it cleanly', () => {
    const { response } = answered({}, (call) => {
      call.response!.writeHead(200)
      respond.refuse(call, 'upstream_reset')
    })
    expect([response.destroyed, response.writableEnded]).toEqual([true, false])
  })

  it('is not written to a client that has left', () => {
    const fake = fakeCall()
    fake.response.breaks()
    respond.refuse(fake.call, 'connect_failed')
    expect([fake.response.statusCode, fake.call.status]).toEqual([0, 0])
  })
})

describe('an answer before a call exists', () => {
  it('is a whole HTTP/1.1 answer on a raw socket, which is then closed', async () => {
    const socket = new PassThrough()
    respond.early(socket, 431, 'More than 100 header fields.')
    const text = Buffer.concat((await socket.toArray()) as Buffer[]).toString()
    const [head, body] = text.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/)
    expect(head).toContain('\r\nconnection: close')
    expect(head).toContain(`content-length: ${Buffer.byteLength(body!)}\r\n`)
    expect(JSON.parse(body!)).toMatchObject({ status: 431, code: 'headers_too_large' })
    expect(socket.destroyed).toBe(true)
  })

  it('is spread over some seconds when Weir is full, and final otherwise', () => {
    const full = answered({}, (call) => respond.early(call.response!, 503, 'Too many calls are open.'))
    expect(full.response.headers).toMatchObject({
      'retry-after': '3',
      'retry-after-ms': '3000',
      'x-should-retry': 'true',
    })
    const unknown = answered({}, (call) => respond.early(call.response!, 404, 'No such upstream.'))
    expect(unknown.response.headers['x-should-retry']).toBe('false')
  })
})
