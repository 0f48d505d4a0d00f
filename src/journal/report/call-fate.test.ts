import { describe, expect, test } from 'vitest'
import { call } from '../../../test/kit/report-journal.ts'
import type { CallLine } from '../line.ts'
import { fateOf, FOR_NOTHING, wasSent, type Fate } from './call-fate.ts'

const CASES: readonly (readonly [string, Partial<CallLine>, Fate])[] = [
  ['an answer', {}, 'answered'],
  ['an answer after a hold', { outcome: 'passed-after-hold' }, 'answered'],
  ['a poll, of which nothing is learnt', { settled: 'ignored' }, 'answered'],
  ['"too many" from the upstream', { settled: 'dropped', status: 429 }, 'throttled'],
  ['a 500', { settled: 'failure', status: 500 }, 'failed'],
  ['an upstream that broke off', { outcome: 'upstream-error', settled: 'failure', status: 502 }, 'failed'],
  ['a client that left', { outcome: 'client-gone', settled: 'cancelled', status: 0 }, 'abandoned'],
  ['a call that was turned away', { outcome: 'shed', status: 429 }, 'refused'],
  ['a hold that ended in a refusal', { outcome: 'hold-expired', status: 504 }, 'refused'],
  ['no memory for its body', { outcome: 'upstream-error', refusal: 'hold-memory', status: 503 }, 'refused'],
  ['a call that is answered later', { outcome: 'deferred', status: 202 }, 'deferred'],
]

describe('how a call ended', () => {
  test.each(CASES)('%s', (_, changes, fate) => {
    expect(fateOf(call(changes))).toBe(fate)
  })

  test('is told from the status where nothing was settled, as in an imported journal', () => {
    const { settled: _, ...line } = call()
    expect([200, 404, 500, 0].map((status) => fateOf({ ...line, status }))).toEqual([
      'answered',
      'answered',
      'failed',
      'failed',
    ])
  })

  test('counts as for nothing only where an upstream had work with it, or a client waited', () => {
    expect([...FOR_NOTHING]).toEqual(['throttled', 'failed', 'abandoned'])
  })

  test('costs only what was sent', () => {
    const { sentMs: _s, headMs: _h, ...held } = call({ outcome: 'client-gone', settled: 'cancelled' })
    expect(wasSent(held)).toBe(false)
    expect(wasSent(call())).toBe(true)
  })
})
