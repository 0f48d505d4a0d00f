// oxlint-disable typescript/no-unsafe-type-assertion -- fakes and events of Node's are not typed more narrowly
import * as fc from 'fast-check'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  FakeRequest,
  FakeResponse,
  fakeCall,
  type FakeCall,
  type FakeCallOptions,
} from '../../test/kit/fake-call.ts'
import type { Coordinator } from '../core/coordinator.ts'
import type { Settlement, Verdict } from '../core/model.ts'
import type { Call } from './call.ts'
import { createEnactor, type Enactor } from './enact.ts'
import { ticketOf } from './hop-tickets.ts'
import { createResponder } from './respond.ts'

vi.mock('../core/families.ts', async () => await import('../../test/kit/fake-families.ts'))

const HOLD = { bodyBytes: 100, totalBytes: 250, hopMs: 40_000 } as const

interface Stage {
  enactor: Enactor
  forwarded: Call[]
  ended: Call[]
  settled: Settlement[]
  rerouted: number[]
}

function clock(): number {
  return performance.now()
}

function isOver(fake: FakeCall | undefined): boolean {
  return fake === undefined || fake.call.phase === 'ended' || fake.call.phase === 'forwarding'
}

function stage(): Stage {
  const seen: Omit<Stage, 'enactor'> = { forwarded: [], ended: [], settled: [], rerouted: [] }
  const core = { settle: (settlement: Settlement) => seen.settled.push(settlement) } as unknown as Coordinator
  const enactor = createEnactor({
    core,
    clock,
    wall: () => 0,
    forward: (call) => {
      call.phase = 'forwarding'
      seen.forwarded.push(call)
    },
    respond: createResponder({ clock, wall: () => 0, log: { debug: () => {} }, random: () => 0.5 }),
    calls: {
      bySlot: () => undefined,
      end: (call) => {
        if (call.phase === 'ended') return
        call.phase = 'ended'
        seen.ended.push(call)
      },
    },
    hold: HOLD,
    reroute: (_, upstream) => seen.rerouted.push(upstream),
    bodyIdleMs: 1000,
    random: () => 0.5,
  })
  return { enactor, ...seen }
}

function decided(verdict: Partial<Verdict>): Verdict {
  return {
    do: 'pass',
    reason: 'healthy',
    rule: -1,
    upstream: 0,
    until: 0,
    slotAt: 0,
    shadow: undefined,
    ...verdict,
  }
}

function hold(forMs: number): Verdict {
  return decided({ do: 'hold', reason: 'drift', until: performance.now() + forMs })
}

/** A call on hold with its body read. */
function holding(on: Stage, forMs: number, options: FakeCallOptions & { type?: string } = {}): FakeCall {
  const fake = fakeCall({ ...options, at: performance.now() })
  if (options.type !== undefined) fake.request.headers['content-type'] = options.type
  on.enactor.verdict(fake.call, hold(forMs))
  fake.request.emit('data', Buffer.from('body'))
  fake.request.complete = true
  fake.request.emit('end')
  return fake
}

function release(slot: number, upstream = 0): Parameters<Enactor['directive']>[0] {
  return { do: 'release', call: slot, reason: 'recovered', upstream }
}

/** The client follows the 307 that it was given. */
function comesBack(
  on: Stage,
  fake: FakeCall,
  change: (request: FakeRequest) => void = () => {},
): FakeResponse | false {
  const request = new FakeRequest()
  const location = (fake.call.response as unknown as FakeResponse).headers['location'] ?? ''
  request.url = `/openai/v1/chat/completions${location}`
  change(request)
  const response = new FakeResponse(request)
  const isOurs = on.enactor.resume(
    ticketOf(request.url),
    request as unknown as IncomingMessage,
    response as unknown as ServerResponse,
  )
  return isOurs && response
}

function expectIdle(on: Stage): void {
  expect([on.enactor.held, on.enactor.heldBytes, vi.getTimerCount()]).toEqual([0, 0, 0])
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a verdict', () => {
  it('of pass goes on at once, to the member of the group that was chosen', () => {
    const on = stage()
    const { call } = fakeCall()
    on.enactor.verdict(call, decided({ upstream: 2 }))
    expect([on.forwarded, on.rerouted, call.body]).toEqual([[call], [2], undefined])
  })

  it('of shed is answered and ends the call without a word to the core', () => {
    const on = stage()
    const { call, response } = fakeCall()
    on.enactor.verdict(call, decided({ do: 'shed', reason: 'storm', slotAt: 2000 }))
    expect([response.statusCode, on.ended, on.settled]).toEqual([429, [call], []])
  })
})

describe('a hold', () => {
  it('keeps the body and gives it to the forwarder on release', () => {
    const on = stage()
    const { call } = holding(on, 10_000)
    expect([on.enactor.held, on.enactor.heldBytes, on.forwarded]).toEqual([1, 4, []])
    vi.advanceTimersByTime(3000)
    on.enactor.directive(release(call.slot))
    expect(on.forwarded).toEqual([call])
    expect(call.body?.toString()).toBe('body')
    expect(call.heldMs).toBe(3000)
    expect(call.verdict).toMatchObject({ do: 'hold', reason: 'recovered' })
    expectIdle(on)
  })

  it('released before its body is read goes on when it is', () => {
    const on = stage()
    const { call, request } = fakeCall()
    on.enactor.verdict(call, hold(10_000))
    on.enactor.directive(release(call.slot, 1))
    expect(on.forwarded).toEqual([])
    request.emit('data', Buffer.from('late'))
    request.emit('end')
    expect([on.forwarded, on.rerouted, call.body?.toString()]).toEqual([[call], [1], 'late'])
    expectIdle(on)
  })

  it('that expires is answered, whether the body was read or not', () => {
    const on = stage()
    const { call, response } = fakeCall()
    on.enactor.verdict(call, hold(10_000))
    on.enactor.directive({ do: 'expire', call: call.slot, reason: 'drift', slotAt: 0 })
    expect([response.statusCode, on.ended, on.settled]).toEqual([504, [call], []])
    expectIdle(on)
  })

  it('frees everything the moment its client leaves', () => {
    const on = stage()
    const { call, response } = holding(on, 10_000)
    response.breaks()
    expect(on.settled).toMatchObject([{ call: call.slot, kind: 'cancelled', status: 0, answered: false }])
    expect([on.ended, call.outcome]).toEqual([[call], 'client-gone'])
    on.enactor.clientGone(call)
    on.enactor.directive(release(call.slot))
    expect([on.settled.length, on.ended.length, on.forwarded.length]).toEqual([1, 1, 0])
    expectIdle(on)
  })

  it('does not begin for a client that has already left', () => {
    const on = stage()
    const { call, response } = fakeCall()
    response.breaks()
    on.enactor.verdict(call, hold(10_000))
    expect([on.ended, on.settled.length]).toEqual([[call], 1])
    expectIdle(on)
  })

  it('of a body too large for the buffer is refused with a slot, unread', () => {
    const on = stage()
    const { call, response } = fakeCall({ bytes: 101 })
    on.enactor.verdict(call, hold(10_000))
    expect(response.statusCode).toBe(503)
    expect(response.headers).toMatchObject({ 'weir-reason': 'hold-memory', 'retry-after-ms': '5500' })
    expect(on.settled).toMatchObject([{ kind: 'cancelled', status: 503 }])
    expect(on.ended).toEqual([call])
    expectIdle(on)
  })

  it('of a chunked body that outgrows the buffer is refused with a slot as well', () => {
    const on = stage()
    const { call, request, response } = fakeCall({ bytes: -1 })
    on.enactor.verdict(call, hold(10_000))
    request.emit('data', Buffer.alloc(100))
    expect(on.enactor.heldBytes).toBe(100)
    request.emit('data', Buffer.alloc(1))
    expect([response.statusCode, response.headers['weir-reason'], on.ended]).toEqual([
      503,
      'hold-memory',
      [call],
    ])
    expectIdle(on)
  })

  it('asks for a body that waits for 100, once the body fits', () => {
    const on = stage()
    const { call, request, response } = fakeCall()
    request.headers['expect'] = '100-continue'
    on.enactor.verdict(call, hold(10_000))
    expect(response.interims).toEqual([100])
    const large = fakeCall({ slot: 1, bytes: 101 })
    large.request.headers['expect'] = '100-continue'
    on.enactor.verdict(large.call, hold(10_000))
    expect(large.response.interims).toEqual([])
    expect(large.response.headers['connection']).toBe('close')
  })

  it('ends with 408 when its body stops arriving', () => {
    const on = stage()
    const { call, request, response } = fakeCall()
    on.enactor.verdict(call, hold(10_000))
    vi.advanceTimersByTime(900)
    request.emit('data', Buffer.from('x'))
    vi.advanceTimersByTime(900)
    expect(response.statusCode).toBe(0)
    vi.advanceTimersByTime(200)
    expect([response.statusCode, on.ended]).toEqual([408, [call]])
    expect(on.settled).toMatchObject([{ status: 408 }])
  })

  it('once released is not kept open by a trickle', () => {
    const on = stage()
    const { call, request, response } = fakeCall()
    on.enactor.verdict(call, hold(10_000))
    on.enactor.directive(release(call.slot))
    for (let n = 0; n < 4; n += 1) {
      request.emit('data', Buffer.from('x'))
      vi.advanceTimersByTime(300)
    }
    expect([response.statusCode, on.ended]).toEqual([408, [call]])
  })

  it('is answered one second after its end if no directive comes', () => {
    const on = stage()
    const { call, response } = holding(on, 10_000)
    vi.advanceTimersByTime(10_999)
    expect(response.statusCode).toBe(0)
    vi.advanceTimersByTime(1)
    expect([response.statusCode, on.ended]).toEqual([504, [call]])
    expectIdle(on)
  })

  it('of an upgrade waits on the socket alone', () => {
    const on = stage()
    const { call } = fakeCall({ bytes: 0 })
    call.response = undefined
    Object.assign(call.socket, { readableLength: 0, read: () => null })
    on.enactor.verdict(call, hold(10_000))
    on.enactor.directive(release(call.slot))
    expect([on.forwarded, call.body, call.socket.listenerCount('readable')]).toEqual([[call], undefined, 0])
    expectIdle(on)
  })
})

describe('the silence of a long hold', () => {
  it('is broken by 102 every 20 s only for a family that bears it', () => {
    const on = stage()
    const bears = holding(on, 150_000, { family: 'openai-js' })
    const breaks = holding(on, 150_000, { slot: 1, family: 'requests' })
    vi.advanceTimersByTime(65_000)
    expect(bears.response.interims).toEqual([102, 102, 102])
    expect(breaks.response.interims).toEqual([])
  })

  it('of less than 100 s is not broken', () => {
    const on = stage()
    const { response } = holding(on, 100_000)
    vi.advanceTimersByTime(99_000)
    expect(response.interims).toEqual([])
  })
})

describe('the 307 hold chain', () => {
  it('sends a client that never retries around, and keeps call, body and place', () => {
    const on = stage()
    const fake = holding(on, 100_000, { family: 'genai-js' })
    vi.advanceTimersByTime(40_000)
    expect(fake.response.statusCode).toBe(307)
    expect(fake.response.headers['location']).toMatch(/^\?a=1&__weir=[0-9a-f]{32}$/)
    expect([fake.call.phase, on.enactor.held, on.enactor.heldBytes]).toEqual(['between-hops', 1, 4])
    const second = comesBack(on, fake)
    expect([second !== false, fake.call.phase]).toEqual([true, 'held'])
    on.enactor.directive(release(fake.call.slot))
    expect([on.forwarded, fake.call.body?.toString(), on.settled]).toEqual([[fake.call], 'body', []])
    expect(fake.call.response).toBe(second)
    expectIdle(on)
  })

  it.each([
    ['a family that retries by itself', { family: 'openai-js' }],
    ['a family that does not follow', { family: 'requests' }],
    ['a chunked body, which fetch cannot send twice', { family: 'genai-js', bytes: -1 }],
    ['bytes of no type, which fetch of Node 20 cannot either', { family: 'genai-js', type: '' }],
  ])('is not for %s', (_, options) => {
    const on = stage()
    const { response } = holding(on, 90_000, options)
    vi.advanceTimersByTime(85_000)
    expect(response.statusCode).toBe(0)
  })

  it('never exceeds the hops that the family follows', () => {
    const on = stage()
    const fake = holding(on, 300_000, { family: 'axios' })
    for (let hop = 1; hop <= 2; hop += 1) {
      vi.advanceTimersByTime(40_000)
      expect(comesBack(on, fake)).not.toBe(false)
    }
    vi.advanceTimersByTime(120_000)
    expect((fake.call.response as unknown as FakeResponse).statusCode).toBe(0)
  })

  it('serves a release that falls between two hops when the client is back', () => {
    const on = stage()
    const fake = holding(on, 100_000, { family: 'genai-js' })
    vi.advanceTimersByTime(40_000)
    on.enactor.directive(release(fake.call.slot))
    on.enactor.directive({ do: 'expire', call: fake.call.slot, reason: 'drift', slotAt: 0 })
    expect(on.forwarded).toEqual([])
    comesBack(on, fake)
    expect(on.forwarded).toEqual([fake.call])
    expectIdle(on)
  })

  it('answers an expiry that falls between two hops when the client is back', () => {
    const on = stage()
    const fake = holding(on, 100_000, { family: 'genai-js' })
    vi.advanceTimersByTime(40_000)
    on.enactor.directive({ do: 'expire', call: fake.call.slot, reason: 'drift', slotAt: 90_000 })
    const second = comesBack(on, fake)
    expect([second && second.statusCode, on.ended, on.settled]).toEqual([429, [fake.call], []])
    expectIdle(on)
  })

  it('gives up a client that is not back within 5 s', () => {
    const on = stage()
    const fake = holding(on, 100_000, { family: 'genai-js' })
    vi.advanceTimersByTime(44_999)
    expect(on.ended).toEqual([])
    vi.advanceTimersByTime(1)
    expect([on.ended, on.settled.length]).toEqual([[fake.call], 1])
    expect(comesBack(on, fake)).toBe(false)
    expectIdle(on)
  })

  it('takes the close of an old hop’s connection neither between hops nor on the next one for a leave', () => {
    const on = stage()
    const fake = holding(on, 100_000, { family: 'genai-js' })
    vi.advanceTimersByTime(40_000)
    fake.response.breaks()
    on.enactor.clientGone(fake.call)
    const second = comesBack(on, fake)
    fake.response.emit('close')
    on.enactor.clientGone(fake.call)
    expect(on.ended).toEqual([])
    if (second !== false) second.breaks()
    expect(on.ended).toEqual([fake.call])
    expectIdle(on)
  })

  it('does not give the call to other credentials', () => {
    const on = stage()
    const fake = holding(on, 100_000, { family: 'genai-js' })
    vi.advanceTimersByTime(40_000)
    const stolen = comesBack(on, fake, (request) => {
      request.headers['authorization'] = 'Bearer thief'
    })
    expect([stolen, fake.call.phase]).toEqual([false, 'between-hops'])
  })
})

describe('a drain', () => {
  it('answers whoever is held at its end with 503 and a slot, and begins no hop', () => {
    const on = stage()
    const fake = holding(on, 100_000, { family: 'genai-js' })
    on.enactor.drain(performance.now() + 50_000)
    vi.advanceTimersByTime(49_999)
    expect(fake.response.statusCode).toBe(0)
    vi.advanceTimersByTime(1)
    expect(fake.response.statusCode).toBe(503)
    expect(fake.response.headers).toMatchObject({ 'weir-reason': 'draining', 'x-should-retry': 'true' })
    expect(fake.response.shouldKeepAlive).toBe(false)
    expect(on.settled).toMatchObject([{ kind: 'cancelled', status: 503 }])
    expectIdle(on)
  })
})

describe('whatever the order of events', () => {
  const slot = fc.nat({ max: 3 })
  const family = fc.constantFrom('openai-js', 'genai-js', 'axios', 'requests')
  const event = fc.oneof(
    fc.record({
      on: fc.constant('hold' as const),
      slot,
      family,
      bytes: fc.constantFrom(-1, 0, 60, 101),
      forMs: fc.oneof(fc.nat(120_000), fc.constant(300_000)),
      isRead: fc.boolean(),
    }),
    fc.record({
      on: fc.constant('pass' as const),
      slot,
      do: fc.constantFrom('pass' as const, 'shed' as const),
    }),
    fc.record({ on: fc.constant('chunk' as const), slot, bytes: fc.nat(80) }),
    fc.record({
      on: fc.constantFrom('end' as const, 'gone' as const, 'return' as const, 'release' as const),
      slot,
    }),
    fc.record({ on: fc.constant('expire' as const), slot, slotAt: fc.constantFrom(0, 1e6) }),
    fc.record({ on: fc.constant('time' as const), ms: fc.oneof(fc.nat(45_000), fc.constant(40_000)) }),
    fc.record({ on: fc.constant('drain' as const), ms: fc.nat(60_000) }),
  )

  it('each call is forwarded, answered or left exactly once, and nothing is kept', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const on = stage()
        const all: FakeCall[] = []
        const open = new Map<number, FakeCall>()
        let wrongReturns = 0
        const start = (fake: FakeCall, verdict: Verdict): void => {
          all.push(fake)
          open.set(fake.call.slot, fake)
          on.enactor.verdict(fake.call, verdict)
        }
        for (const next of events) {
          switch (next.on) {
            case 'hold':
              if (!isOver(open.get(next.slot))) break
              start(fakeCall({ ...next, at: performance.now() }), hold(next.forMs))
              if (next.isRead) open.get(next.slot)?.request.emit('end')
              break
            case 'pass':
              if (!isOver(open.get(next.slot))) break
              start(fakeCall({ ...next }), decided({ do: next.do, reason: 'storm', slotAt: 1e6 }))
              break
            case 'chunk':
              open.get(next.slot)?.request.emit('data', Buffer.alloc(next.bytes))
              break
            case 'end':
              open.get(next.slot)?.request.emit('end')
              break
            case 'gone':
              ;(open.get(next.slot)?.call.response as unknown as FakeResponse | undefined)?.breaks()
              break
            case 'return': {
              const fake = open.get(next.slot)
              const isDue = fake?.call.phase === 'between-hops'
              const isTaken = fake !== undefined && comesBack(on, fake) !== false
              if (isTaken && !isDue) wrongReturns += 1
              break
            }
            case 'release':
              on.enactor.directive(release(next.slot))
              break
            case 'expire':
              on.enactor.directive({ do: 'expire', call: next.slot, reason: 'drift', slotAt: next.slotAt })
              break
            case 'time':
              vi.advanceTimersByTime(next.ms)
              break
            case 'drain':
              on.enactor.drain(performance.now() + next.ms)
              break
          }
          expect(on.enactor.heldBytes).toBeLessThanOrEqual(HOLD.totalBytes)
        }
        expect(wrongReturns).toBe(0)
        vi.advanceTimersByTime(600_000)
        expectIdle(on)
        for (const { call } of all) {
          const forwards = on.forwarded.filter((other) => other === call).length
          const ends = on.ended.filter((other) => other === call).length
          expect(forwards + ends).toBe(1)
        }
        expect(on.settled.length).toBeLessThanOrEqual(on.ended.length)
      }),
      { numRuns: 1000 },
    )
  })
})
