import { describe, expect, test } from 'vitest'
import { abandoned, call, throttled } from '../../../test/kit/report-journal.ts'
import type { CallLine } from '../line.ts'
import { CallOrder, type OrderedCall } from './call-order.ts'
import { Retries } from './retries.ts'

function judged(lines: readonly CallLine[]): Map<string, OrderedCall> {
  const retries = new Retries()
  const calls = new Map<string, OrderedCall>()
  const order = new CallOrder({
    arrived(one, at) {
      retries.arrived(one, at)
      calls.set(one.line.id, one)
    },
    ended: (one, at) => retries.ended(one, at),
  })
  for (const line of lines) order.add(line)
  order.flush()
  return calls
}

describe('retries', () => {
  test('are proven by an attempt number on the wire', () => {
    const calls = judged([
      throttled({ id: 'a', fingerprint: 1 }),
      call({ id: 'b', at: 600, fingerprint: 1, attempt: 2 }),
    ])
    expect(calls.get('a')).toMatchObject({ retry: 0, attempt: 1 })
    expect(calls.get('b')).toMatchObject({ retry: 1, attempt: 2 })
  })

  test('are inferred when the same call comes back in the window of its client', () => {
    const plain = { family: 'got', method: 'GET', fingerprint: 7 }
    const calls = judged([throttled({ id: 'a', ...plain }), call({ id: 'b', at: 1010, ...plain })])
    expect(calls.get('b')?.retry).toBeGreaterThan(0.5)
    expect(calls.get('b')?.attempt).toBe(2)
  })

  test('are no retries when the call before was answered', () => {
    const calls = judged([call({ id: 'a', fingerprint: 7 }), call({ id: 'b', at: 1000, fingerprint: 7 })])
    expect(calls.get('b')?.retry).toBe(0)
  })

  test('follow a client that gave up without an answer', () => {
    const calls = judged([
      abandoned({ id: 'a', fingerprint: 7, family: 'openai-js' }),
      call({ id: 'b', at: 2450, fingerprint: 7, family: 'openai-js', attempt: 2 }),
    ])
    expect(calls.get('b')?.retry).toBe(1)
  })

  test('are expected at the slot that Weir gave, and not without one', () => {
    const plain = { family: 'got', method: 'GET', fingerprint: 9 }
    const shed = {
      status: 429,
      endMs: 0,
      outcome: 'shed',
      verdict: { do: 'shed', reason: 'saturated' },
    } as const
    const {
      sentMs: _s,
      headMs: _h,
      settled: _e,
      answered: _a,
      ...refused
    } = call({ id: 'a', ...plain, ...shed })
    const back = call({ id: 'b', at: 5010, ...plain })
    expect(judged([{ ...refused, slotMs: 5000 }, back]).get('b')?.retry).toBeGreaterThan(0.5)
    expect(judged([refused, back]).get('b')?.retry).toBe(0)
  })

  test('of another run are not held against this one', () => {
    const retries = new Retries()
    const first = {
      line: throttled({ fingerprint: 5 }),
      attempt: 1,
      retry: 0,
      workflow: undefined,
      step: -1,
      hasArrived: true,
    }
    retries.arrived(first, 0)
    retries.ended(first, 5)
    retries.begin()
    const second = { ...first, line: call({ fingerprint: 5, family: 'got', method: 'GET' }) }
    retries.arrived(second, 1005)
    expect(second.retry).toBe(0)
  })
})
