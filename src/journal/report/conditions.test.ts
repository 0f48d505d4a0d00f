import { describe, expect, test } from 'vitest'
import { event } from '../../../test/kit/report-journal.ts'
import { Conditions } from './conditions.ts'
import { EVERYTHING, type Range } from './range.ts'
import { TimeGrid } from './time-grid.ts'

const change = (from: string, to: string, at: number): Parameters<Conditions['event']> => [
  event('condition-changed', at, { from, to }),
  at,
  undefined,
]

const seen = (range: Range = EVERYTHING): Conditions => {
  const conditions = new Conditions(new TimeGrid(), range)
  conditions.begin(0)
  conditions.event(...change('healthy', 'drifting', 10_000))
  conditions.event(...change('drifting', 'down', 20_000))
  conditions.event(...change('down', 'healthy', 30_000))
  conditions.end(40_000)
  return conditions
}

describe('conditions', () => {
  test('last from one change to the next, from the start of the run to its end', () => {
    expect(
      seen()
        .findings()
        .stretches.map(({ condition, fromMs, toMs }) => [condition, fromMs, toMs]),
    ).toEqual([
      ['healthy', 0, 10_000],
      ['drifting', 10_000, 20_000],
      ['down', 20_000, 30_100],
      ['healthy', 30_100, 40_100],
    ])
  })

  test('of a part of a journal know what was before it', () => {
    const { stretches } = seen({ fromMs: 22_000, toMs: 25_000 }).findings()
    expect(stretches.map(({ condition, fromMs, toMs }) => [condition, fromMs, toMs])).toEqual([
      ['down', 22_000, 25_100],
    ])
  })

  test('are not known between two runs', () => {
    const conditions = seen()
    conditions.begin(100_000)
    conditions.end(110_000)
    const { stretches } = conditions.findings()
    expect(stretches.at(-2)?.toMs).toBeLessThan(41_000)
    expect(stretches.at(-1)).toMatchObject({ condition: 'healthy', fromMs: 100_000 })
  })

  test('are not known at all in an imported journal', () => {
    const conditions = new Conditions(new TimeGrid(), EVERYTHING)
    conditions.end(40_000)
    expect(conditions.findings().stretches).toEqual([])
  })

  test('come with the events that are worth a mark, in the order of time, and with counts of all', () => {
    const conditions = new Conditions(new TimeGrid(), EVERYTHING)
    conditions.event(event('storm-started', 500, { readings: { root: 1 } }), 500, 'model')
    conditions.event(event('drift-started', 100), 100, undefined)
    conditions.event(event('limit-changed', 100), 100, undefined)
    const { marks, events } = conditions.findings()
    expect(marks.map(({ name, root }) => [name, root])).toEqual([
      ['drift-started', undefined],
      ['storm-started', 'model'],
    ])
    expect(events).toEqual({ 'storm-started': 1, 'drift-started': 1, 'limit-changed': 1 })
  })

  test('keep no more marks than a page can hold, from all of the time, and the first signs apart', () => {
    const conditions = new Conditions(new TimeGrid(), EVERYTHING)
    for (let at = 0; at < 5000; at++) conditions.event(event('probe-failed', at), at, undefined)
    conditions.event(event('storm-started', 5000), 5000, undefined)
    const { marks, events } = conditions.findings()
    expect(marks.length).toBeLessThanOrEqual(302)
    expect(marks.length).toBeGreaterThan(100)
    expect(marks.at(-2)?.atMs).toBeGreaterThan(4900)
    expect(marks.at(-1)?.name).toBe('storm-started')
    expect(events['probe-failed']).toBe(5000)
  })
})
