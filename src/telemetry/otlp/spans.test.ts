import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { emptyResource } from '@opentelemetry/resources'
import { describe, expect, it } from 'vitest'
import { callTrace } from '../../../test/kit/call-trace.ts'
import type { CallTrace } from './call-trace.ts'
import { loadOtlpSdk } from './sdk.ts'
import { createSpanMaker, hrTime } from './spans.ts'

const makeSpans = createSpanMaker(await loadOtlpSdk(), emptyResource(), { name: 'weir', version: '1' })

/** Status and `error.type`, of the server span and of the client span. */
function errorsOf(changes: Partial<CallTrace>): unknown[] {
  return makeSpans(callTrace(changes)).map(({ status, attributes }) =>
    status.code === SpanStatusCode.ERROR ? attributes['error.type'] : (attributes['error.type'] ?? ''),
  )
}

function answered(status: number): Partial<CallTrace> {
  return { status, sent: { startAt: 0, status, firstByteMs: 1 } }
}

describe('the spans of a call', () => {
  it('hang under each other and under the caller, with new ids every time', () => {
    const [server, client] = makeSpans(callTrace())
    const [again] = makeSpans(callTrace())
    expect([server?.kind, client?.kind]).toEqual([SpanKind.SERVER, SpanKind.CLIENT])
    expect(server?.parentSpanContext).toMatchObject({ spanId: 'b7ad6b7169203331', isRemote: true })
    expect(client?.parentSpanContext?.spanId).toBe(server?.spanContext().spanId)
    expect(client?.parentSpanContext?.isRemote).toBe(false)
    expect(new Set([server, client, again].map((span) => span?.spanContext().spanId)).size).toBe(3)
    for (const span of [server, client]) expect(span?.spanContext().traceId).toBe(callTrace().context.traceId)
  })

  it('are one when nothing was sent upstream, and a root when nobody asked', () => {
    const spans = makeSpans(
      callTrace({ sent: undefined, context: { traceId: 'a'.repeat(32), parentSpanId: '' } }),
    )
    expect(spans).toHaveLength(1)
    expect(spans[0]).not.toHaveProperty('parentSpanContext')
  })

  it('are named by method and route, and an unknown method never appears', () => {
    expect(makeSpans(callTrace()).map(({ name }) => name)).toEqual(['POST /up/x/*', 'POST /v2/x/*'])
    const odd = makeSpans(callTrace({ method: 'PROPFIND' }))
    expect(odd.map(({ name }) => name)).toEqual(['HTTP /up/x/*', 'HTTP /v2/x/*'])
    expect(odd.map(({ attributes }) => attributes['http.request.method'])).toEqual(['_OTHER', '_OTHER'])
  })

  it('leave out what is not known instead of saying nothing about it', () => {
    const [server, client] = makeSpans(
      callTrace({ status: 0, sent: { startAt: 0, status: 0, firstByteMs: -1 } }),
    )
    const names = [server, client].flatMap((span) => Object.keys(span?.attributes ?? {}))
    for (const name of [
      'http.response.status_code',
      'weir.workflow',
      'weir.rule',
      'weir.held_ms',
      'weir.attempt',
      'weir.first_byte_ms',
      'http.request.resend_count',
      'gen_ai.operation.name',
    ]) {
      expect(names).not.toContain(name)
    }
  })

  it('call 4xx an error of the upstream for the client alone, 5xx for both', () => {
    expect(errorsOf(answered(200))).toEqual(['', ''])
    expect(errorsOf(answered(404))).toEqual(['', '404'])
    expect(errorsOf(answered(429))).toEqual(['', '429'])
    expect(errorsOf(answered(503))).toEqual(['503', '503'])
  })

  it('name the problem when an answer did not come whole, and none when the client left', () => {
    const broken = { outcome: 'upstream-error', problem: 'body_timeout' } as const
    expect(errorsOf(broken)).toEqual(['body_timeout', 'body_timeout'])
    const early = { ...broken, status: 504, sent: { startAt: 0, status: 0, firstByteMs: -1 } }
    expect(errorsOf(early)).toEqual(['504', 'body_timeout'])
    expect(errorsOf({ ...broken, problem: 'bad_request_body', status: 400, sent: undefined })).toEqual([''])
    expect(errorsOf({ outcome: 'client-gone', status: 0 })).toEqual(['', ''])
  })

  it('keep the fractions of a millisecond', () => {
    const [server, client] = makeSpans(callTrace())
    expect([server?.startTime, server?.endTime]).toEqual([
      [1_700_000_000, 0],
      [1_700_000_000, 250_500_000],
    ])
    expect(client?.startTime).toEqual([1_700_000_000, 1_250_000])
    expect(server?.duration).toEqual([0, 250_500_000])
    // Never a billion nanoseconds, never before 1970.
    expect(hrTime(999.999_999_9)).toEqual([0, 999_999_999])
    expect(hrTime(-5)).toEqual([0, 0])
  })
})
