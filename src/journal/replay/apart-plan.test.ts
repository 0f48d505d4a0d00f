import { describe, expect, it } from 'vitest'
import type { CallLine } from '../line.ts'
import { imagined, moved } from './apart-plan.ts'
import { CallRows } from './call-rows.ts'
import { Estimator } from './estimate.ts'
import { LinePacker, NameList } from './packed-lines.ts'

const CALL: CallLine = {
  kind: 'call',
  id: 'one',
  at: 1000,
  order: [0, 1, 2, 3],
  slot: 0,
  upstream: 'api',
  agent: 'a',
  trust: 'claimed',
  method: 'POST',
  route: '/x',
  priority: 'normal',
  family: 'openai-js',
  bytes: 10,
  patienceMs: 5000,
  fingerprint: 1,
  verdict: { do: 'pass', reason: 'healthy' },
  sentMs: 1,
  headMs: 200,
  endMs: 400,
  status: 200,
  settled: 'success',
  answered: true,
  outcome: 'passed',
  bytesIn: 1,
  bytesOut: 2,
}

function rowsOf(fields: Partial<CallLine> = {}): CallRows {
  const packed = new LinePacker().pack([{ ...CALL, ...fields }])
  const names = new NameList()
  names.learn(packed)
  const rows = new CallRows()
  rows.add(packed, 0, 'one', names, 0)
  return rows
}

describe('a call that goes upstream at another instant', () => {
  it('has its answer moved as a whole', () => {
    expect(moved(rowsOf(), 0, 3000, 2000)).toMatchObject({
      sentAt: 3001,
      headAt: 3200,
      endsAt: 3400,
      kind: 'success',
      answered: true,
    })
  })

  it('earlier than then, too', () => {
    const held = rowsOf({ hold: { do: 'release', reason: 'recovered', ms: 300 }, sentMs: 301, headMs: 350 })
    expect(moved(held, 0, 1000, -300)).toMatchObject({ sentAt: 1001, headAt: 1050, endsAt: 1100 })
  })

  it('is left by a client whose patience ends before its answer', () => {
    expect(moved(rowsOf(), 0, 5700, 4700)).toMatchObject({
      headAt: 5900,
      endsAt: 6000,
      kind: 'cancelled',
      status: 200,
      answered: false,
    })
    expect(moved(rowsOf(), 0, 5900, 4900)).toMatchObject({ headAt: Infinity, endsAt: 6000, status: 0 })
  })

  it('is left when it was left then, sent earlier or later', () => {
    const left = rowsOf({ order: [0, 1, 2], headMs: undefined as never, settled: 'cancelled', endMs: 900 })
    expect(moved(left, 0, 1500, 500)).toMatchObject({ endsAt: 1900, kind: 'cancelled' })
    expect(moved(left, 0, 2500, 1500)).toMatchObject({ endsAt: 2500, kind: 'cancelled', sentAt: Infinity })
  })
})

describe('a call that was never sent', () => {
  it('ends as the others of its route did', () => {
    const estimator = new Estimator()
    estimator.seen(0, '/x', 'dropped', 429, true, false, 20, 30)
    const shed = rowsOf({ order: [0], verdict: { do: 'shed', reason: 'drift' } })
    expect(imagined(shed, 0, 1000, estimator)).toMatchObject({
      sentAt: 1000,
      headAt: 1020,
      endsAt: 1030,
      kind: 'dropped',
      status: 429,
    })
  })

  it('is left by a client that left while it waited', () => {
    const estimator = new Estimator()
    estimator.seen(0, '/x', 'success', 200, true, false, 500, 700)
    const left = rowsOf({ order: [0, 1], settled: 'cancelled', endMs: 100 })
    expect(imagined(left, 0, 1000, estimator)).toMatchObject({
      headAt: Infinity,
      endsAt: 1100,
      kind: 'cancelled',
    })
  })
})
