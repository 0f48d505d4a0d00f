import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { fakeCall } from '../../test/kit/fake-call.ts'
import { familyOf } from '../../test/kit/fake-families.ts'
import { rewriteAdvice, waitFor } from './advice.ts'

vi.mock('../core/families.ts', async () => await import('../../test/kit/fake-families.ts'))

const { call } = fakeCall({ family: 'openai-js' })

describe('the wait that a family is told', () => {
  it('is whole seconds rounded up, and the exact milliseconds', () => {
    expect(waitFor(familyOf('openai-js'), 2000.1)).toEqual({ seconds: 3, ms: 2001 })
  })

  it('is never zero, also for a slot that has passed', () => {
    expect(waitFor(familyOf('openai-js'), -5)).toEqual({ seconds: 1, ms: 1 })
  })

  it('stays below the point where clients stop waiting', () => {
    expect(waitFor(familyOf('openai-js'), 300_000)).toEqual({ seconds: 59, ms: 59_000 })
    expect(waitFor(familyOf('openai-py'), 300_000)).toEqual({ seconds: 59, ms: 59_000 })
    expect(waitFor(familyOf('genai-js'), 300_000)).toEqual({ seconds: 59, ms: 59_000 })
    expect(waitFor(familyOf('aws-js'), 300_000)).toEqual({ seconds: 5, ms: 5000 })
  })

  it('is longer only for a family that honours more', () => {
    expect(waitFor(familyOf('anthropic-js'), 300_000)).toEqual({ seconds: 300, ms: 300_000 })
  })
})

describe('an upstream’s own advice', () => {
  it('is left alone when the core has no slot, and on any other status', () => {
    const headers = ['Retry-After', '30']
    expect(rewriteAdvice(call, 429, headers, { slotAt: 0 }, 1000)).toBe(headers)
    expect(rewriteAdvice(call, 500, headers, { slotAt: 9000 }, 1000)).toBe(headers)
  })

  it('becomes the caller’s slot in place, everything else in order', () => {
    const headers = ['A', '1', 'Retry-After', '1', 'B', '2', 'retry-after-ms', '700', 'B', '3']
    expect(rewriteAdvice(call, 429, headers, { slotAt: 3500 }, 1000)).toEqual([
      'A',
      '1',
      'Retry-After',
      '3',
      'retry-after-ms',
      '2500',
      'B',
      '2',
      'B',
      '3',
    ])
    expect(headers).toHaveLength(10)
  })

  it('is added where the upstream gave none', () => {
    expect(rewriteAdvice(call, 529, ['A', '1'], { slotAt: 2000 }, 1000)).toEqual([
      'A',
      '1',
      'retry-after',
      '1',
      'retry-after-ms',
      '1000',
    ])
  })

  it('is never made earlier: seconds, milliseconds or a date', () => {
    const date = ['date', 'Sat, 21 Nov 2026 10:00:00 GMT', 'retry-after', 'Sat, 21 Nov 2026 10:00:20 GMT']
    for (const headers of [['retry-after', '20'], ['retry-after-ms', '20000'], date]) {
      const rewritten = rewriteAdvice(call, 503, headers, { slotAt: 1100 }, 1000)
      expect(rewritten[rewritten.indexOf('retry-after') + 1]).toBe('20')
    }
  })

  it('that says never is passed on', () => {
    const headers = ['x-should-retry', 'false', 'retry-after', '5']
    expect(rewriteAdvice(call, 429, headers, { slotAt: 9000 }, 1000)).toBe(headers)
  })

  it('leaves exactly one retry-after within the ceiling, whatever the upstream wrote', () => {
    const name = fc.constantFrom(
      'retry-after',
      'Retry-After',
      'RETRY-AFTER-MS',
      'x-amz-retry-after',
      'date',
      'x',
    )
    const value = fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value)),
        fc.double({ min: 1, max: 1e9, noNaN: true }),
        (pairs, slotAt) => {
          const rewritten = rewriteAdvice(call, 429, pairs.flat(), { slotAt }, 0)
          const found = rewritten
            .filter((_, at) => at % 2 === 0)
            .filter((text) => text.toLowerCase() === 'retry-after')
          expect(found).toHaveLength(1)
          const seconds = Number(rewritten[rewritten.indexOf(found[0]!) + 1])
          expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 59).toBe(true)
          expect(seconds * 1000).toBeGreaterThanOrEqual(Math.min(slotAt, 59_000))
        },
      ),
    )
  })
})
