import { describe, expect, it } from 'vitest'
import { fakeCall } from '../test/kit/fake-call.ts'
import { createCallTracing, traceParentOf } from './call-tracing.ts'
import type { Outcome } from './core/model.ts'
import type { Call } from './proxy/call.ts'
import type { UpstreamOptions } from './proxy/options.ts'
import type { CallTrace } from './telemetry/otlp/call-trace.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

describe("the caller's span", () => {
  it.each([
    ['01', true],
    ['00', false],
    // Level 2 of Trace Context adds a bit for random ids.
    ['03', true],
    ['02', false],
    ['ff', true],
  ])('with flags %s is sampled: %s', (flags, sampled) => {
    expect(traceParentOf(['Host', 'a', 'TraceParent', `00-${TRACE}-${SPAN}-${flags}`])).toEqual({
      traceId: TRACE,
      spanId: SPAN,
      sampled,
    })
  })

  it('is that of a later version too, and the first where there are two', () => {
    const later = `cc-${TRACE}-${SPAN}-01-what-comes-next`
    expect(traceParentOf(['traceparent', later])?.spanId).toBe(SPAN)
    const two = ['traceparent', `00-${TRACE}-${'1'.repeat(16)}-01`, 'traceparent', `00-${TRACE}-${SPAN}-01`]
    expect(traceParentOf(two)?.spanId).toBe('1'.repeat(16))
  })

  it.each([
    '',
    'nonsense',
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-0g`,
  ])('is none when the header says %j', (value) => {
    expect(traceParentOf(['traceparent', value])).toBeUndefined()
  })

  it('is none without the header, and never the name of one in a value', () => {
    expect(traceParentOf([])).toBeUndefined()
    expect(traceParentOf(['x', 'traceparent', 'y', `00-${TRACE}-${SPAN}-01`])).toBeUndefined()
  })
})

const UPSTREAM: UpstreamOptions = {
  name: 'llm',
  url: new URL('https://gateway.internal:8443/v1/'),
  dialect: 'openai',
  connectTimeoutMs: 1,
  firstByteTimeoutMs: 1,
  idleTimeoutMs: 1,
  connections: 1,
  maxInFlight: 1,
  websocket: true,
  client: 'wire',
  ca: undefined,
}

/** The record of a call that ends at 1,000 ms by a monotonic clock, which is 60,000 on the wall. */
function recordOf(changes: Partial<Call>, outcome: Outcome = 'passed'): CallTrace {
  const records: CallTrace[] = []
  const ended = createCallTracing({
    otlp: {
      sample: () => ({ traceId: TRACE, parentSpanId: '' }),
      trace: (record) => void records.push(record),
    },
    upstreams: [UPSTREAM],
    clock: () => 1000,
    wall: () => 60_000,
    condition: () => 'drifting',
    ruleId: (rule) => (rule < 0 ? '' : `rule-${rule}`),
  })
  const { call, request } = fakeCall({ at: 900 })
  Object.assign(request, { rawHeaders: [] })
  Object.assign(call, { upstream: { index: 0 }, exchange: {}, sentAt: 910, firstByteAt: 950, status: 200 })
  ended?.(Object.assign(call, changes), outcome)
  return records[0]!
}

describe('the record of a call', () => {
  it('has its stamps on the wall clock, all by one offset', () => {
    expect(recordOf({})).toMatchObject({
      startAt: 59_900,
      endAt: 60_000,
      sent: { startAt: 59_910, status: 200, firstByteMs: 40 },
      condition: 'drifting',
    })
  })

  it('knows the upstream from the config, and the operation behind its base path', () => {
    expect(recordOf({ arrival: { ...fakeCall().call.arrival, route: '/responses' } })).toMatchObject({
      upstream: {
        name: 'llm',
        host: 'gateway.internal',
        port: 8443,
        base: 'https://gateway.internal:8443/v1',
        basePath: '/v1',
      },
      route: '/responses',
      genAi: { operation: 'chat', provider: 'openai' },
    })
  })

  it('shows no segment that may be a secret', () => {
    const route = '/users/hunter2/sk-canary-7f3a9c2e51d84b06'
    expect(recordOf({ arrival: { ...fakeCall().call.arrival, route } }).route).toBe('/users/*/*')
  })

  it('has no attempt unless something went upstream or failed on the way there', () => {
    const unsent = { sentAt: 0, firstByteAt: 0, status: 502 }
    expect(recordOf({ exchange: undefined }, 'shed').sent).toBeUndefined()
    expect(recordOf(unsent, 'client-gone').sent).toBeUndefined()
    expect(recordOf({ ...unsent, problem: 'bad_request_body' }, 'upstream-error').sent).toBeUndefined()
    const failed = { ...unsent, problem: 'connect_failed' } as const
    expect(recordOf(failed, 'upstream-error').sent).toEqual({ startAt: 59_900, status: 0, firstByteMs: -1 })
    const held = { ...failed, heldSince: 905, heldMs: 20 }
    expect(recordOf(held, 'upstream-error').sent?.startAt).toBe(59_925)
  })

  it("does not take Weir's own answer to a failed handshake for the upstream's", () => {
    const facts = {
      expectContinue: false,
      upgrade: 'websocket',
      wantsTrailers: false,
      preferWaitMs: -1,
    } as const
    const failed = { facts, status: 502, problem: 'upgrade_failed' } as const
    expect(recordOf(failed, 'upstream-error')).toMatchObject({ status: 502, sent: { status: 0 } })
    expect(recordOf({ facts, status: 101 })).toMatchObject({ upgrade: true, sent: { status: 101 } })
  })

  it('names the rules that decided, in force and in shadow', () => {
    const verdict = {
      do: 'hold',
      reason: 'drift',
      rule: 2,
      upstream: 0,
      until: 0,
      slotAt: 0,
      shadow: undefined,
    } as const
    expect(recordOf({ verdict })).toMatchObject({ verdict: 'hold', rule: 'rule-2', shadowVerdict: '' })
    const shadowed = {
      ...verdict,
      do: 'pass',
      reason: 'healthy',
      rule: -1,
      shadow: { ...verdict, do: 'shed' },
    } as const
    expect(recordOf({ verdict: shadowed })).toMatchObject({
      verdict: 'pass',
      rule: '',
      shadowVerdict: 'shed',
      shadowReason: 'drift',
      shadowRule: 'rule-2',
    })
  })
})
