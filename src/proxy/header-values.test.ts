import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isWord,
  readAmzRequest,
  readBaggage,
  readCount,
  readGrpcTimeout,
  readLength,
  readPrefer,
  readSeconds,
  spanIdIn,
  traceIdIn,
} from './header-values.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

describe('header values', () => {
  it.each([
    ['0', 0],
    ['2', 2],
    ['007', 7],
    ['999999999', 999_999_999],
    ['1000000000', -1],
    ['', -1],
    ['-1', -1],
    ['+1', -1],
    ['1.0', -1],
    ['0x10', -1],
    ['1e3', -1],
    [' 1', -1],
    ['NOT_GIVEN', -1],
  ])('reads the count %j as %i', (text, count) => {
    expect(readCount(text)).toBe(count)
  })

  it.each([
    ['0', 0],
    ['12345678901', 12_345_678_901],
    ['123456789012345', 123_456_789_012_345],
    ['1234567890123456', -1],
    ['1234567890x', -1],
    ['', -1],
  ])('reads the length %j as %i', (text, length) => {
    expect(readLength(text)).toBe(length)
  })

  it.each([
    ['600', 600_000],
    ['2.5', 2500],
    ['0.25', 250],
    ['0', -1],
    ['0.0', -1],
    ['-5', -1],
    ['NOT_GIVEN', -1],
    ['None', -1],
    ['Infinity', -1],
    ['1.', -1],
    ['.5', -1],
    ['1.2.3', -1],
  ])('reads the seconds %j as %d ms', (text, ms) => {
    expect(readSeconds(text)).toBe(ms)
  })

  it.each([
    ['100m', 100],
    ['2S', 2000],
    ['1M', 60_000],
    ['1H', 3_600_000],
    ['500u', 0.5],
    ['0S', -1],
    ['S', -1],
    ['5', -1],
    ['123456789S', -1],
    ['5s', -1],
  ])('reads the gRPC timeout %j as %d ms', (text, ms) => {
    expect(readGrpcTimeout(text)).toBe(ms)
  })

  it.each([
    ['attempt=1', 1, -1],
    ['attempt=2; max=4', 2, -1],
    ['ttl=20261120T201005Z; attempt=2; max=4', 2, Date.UTC(2026, 10, 20, 20, 10, 5)],
    ['ttl=tomorrow; attempt=x', -1, -1],
    ['', -1, -1],
  ])('reads amz-sdk-request %j', (text, attempt, ttlAt) => {
    expect(readAmzRequest(text)).toEqual({ attempt, ttlAt })
  })

  it.each([
    ['respond-async', true, -1],
    ['Respond-Async, wait=10', true, 10_000],
    ['wait=0', false, 0],
    ['wait=5, wait=9', false, 5000],
    ['wait=-1', false, -1],
    ['return=minimal', false, -1],
    ['respond-async-not', false, -1],
  ])('reads Prefer: %s', (text, respondAsync, waitMs) => {
    expect(readPrefer(text)).toEqual({ respondAsync, waitMs })
  })

  it.each([
    [`00-${TRACE}-${SPAN}-01`, TRACE],
    [`cc-${TRACE}-${SPAN}-01-more`, TRACE],
    [`cc-${TRACE}-${SPAN}-01`, TRACE],
    [`00-${TRACE}-${SPAN}-01-more`, ''],
    [`ff-${TRACE}-${SPAN}-01`, ''],
    [`00-${'0'.repeat(32)}-${SPAN}-01`, ''],
    [`00-${TRACE}-${'0'.repeat(16)}-01`, ''],
    [`00-${TRACE.toUpperCase()}-${SPAN}-01`, ''],
    [`00-${TRACE}_${SPAN}-01`, ''],
    [`00-${TRACE}-${SPAN}-0`, ''],
    ['', ''],
  ])('finds in traceparent %j the trace %j', (text, trace) => {
    expect(traceIdIn(text)).toBe(trace)
  })

  it('finds the calling span in a traceparent', () => {
    expect(spanIdIn(`00-${TRACE}-${SPAN}-01`)).toBe(SPAN)
  })

  it.each([
    ['agent.id=kyc-1', 'kyc-1', ''],
    ['userId=a, gen_ai.agent.id = kyc ;p=1 , session.id=s%2D1', 'kyc', 's-1'],
    ['agent.id=a,agent.id=b', 'a', ''],
    ['agent.id=%E0%A4%A', '', ''],
    ['agent.id', '', ''],
    ['=x', '', ''],
  ])('finds names in baggage %j', (text, agent, session) => {
    expect(readBaggage(text)).toEqual({ agent, session })
  })

  it('compares words without regard to case', () => {
    expect(isWord('WebSocket', 'websocket')).toBe(true)
    expect(isWord('h2c', 'websocket')).toBe(false)
  })

  it('reads whatever is sent without throwing', () => {
    const readers = [
      readCount,
      readLength,
      readSeconds,
      readGrpcTimeout,
      readAmzRequest,
      readPrefer,
      traceIdIn,
      readBaggage,
    ]
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...'0123456789=;,.-%TZttlatmpwi '.split('')) }),
    )
    fc.assert(
      fc.property(text, (value) => {
        for (const read of readers) expect(read(value)).toBeDefined()
      }),
      { numRuns: 500 },
    )
  })
})
