import { describe, expect, test } from 'vitest'
import {
  batches,
  call,
  event,
  header,
  REPORT_START,
  reportJournal,
  throttled,
} from '../../../test/kit/report-journal.ts'
import type { JournalLine } from '../line.ts'
import { Analysis, analyse } from './analysis.ts'
import type { WorstStretch } from './worst-stretch.ts'

const worstOf = async (lines: readonly JournalLine[]): Promise<WorstStretch | null> =>
  (await analyse(batches(lines), new Analysis())).worst

/** A call to each of two upstreams every 100 ms for 30 s; `model` is refused from the tenth to the twentieth second. */
const twoUpstreams = (): JournalLine[] =>
  Array.from({ length: 300 }, (_, index) => index * 100).flatMap((at) => [
    call({ at, upstream: 'idp' }),
    at >= 10_000 && at < 20_000 ? throttled({ at, upstream: 'model' }) : call({ at, upstream: 'model' }),
  ])

describe('the worst stretch', () => {
  test('is none where nothing goes wrong', async () => {
    const lines = Array.from({ length: 300 }, (_, index) => call({ at: index * 100 }))
    expect(await worstOf([header(), ...lines])).toBeNull()
  })

  test('is none where a few fail among many', async () => {
    const lines = Array.from({ length: 600 }, (_, index) =>
      index % 50 === 0 ? throttled({ at: index * 50 }) : call({ at: index * 50 }),
    )
    expect(await worstOf([header(), ...lines])).toBeNull()
  })

  test('is where the trouble is, and begins where it showed first', async () => {
    const worst = await worstOf([header(), ...twoUpstreams()])
    expect(worst).toMatchObject({ root: { upstream: 'model', by: 'trouble' }, forNothing: 100 })
    expect(worst?.fromMs).toBe(REPORT_START + 10_000)
    expect(worst?.toMs).toBeGreaterThanOrEqual(REPORT_START + 20_000)
  })

  test('begins at the first sign that was noticed', async () => {
    const noticed = event('drift-started', 9500, { upstream: 'model', readings: { slowdown: 2 } })
    const worst = await worstOf([header(), noticed, ...twoUpstreams()])
    expect(worst?.root).toEqual({
      upstream: 'model',
      by: 'event',
      event: 'drift-started',
      atMs: REPORT_START + 9500,
      slowdown: 2,
    })
  })

  test('does not begin at an upstream that had no part in it, or with a sign that came afterwards', async () => {
    const elsewhere = event('drift-started', 9000, { upstream: 'idp' })
    const later = event('drift-started', 19_000, { upstream: 'model' })
    const worst = await worstOf([header(), elsewhere, ...twoUpstreams(), later])
    expect(worst?.root).toMatchObject({ upstream: 'model', by: 'trouble' })
  })

  test('has its root where the storm says so', async () => {
    const worst = await worstOf(reportJournal())
    expect(worst?.root).toMatchObject({ upstream: 'idp', by: 'storm', event: 'drift-started' })
    expect(worst?.retryingAgents).toBeGreaterThanOrEqual(3)
  })

  test('is one of many, where trouble comes again and again', async () => {
    const lines = Array.from({ length: 6000 }, (_, index) => {
      const at = index * 100
      const isBad = at % 20_000 < (at >= 300_000 && at < 320_000 ? 12_000 : 3000)
      return isBad ? throttled({ at }) : call({ at })
    })
    const worst = await worstOf([header(), ...lines])
    expect(worst?.fromMs).toBeGreaterThanOrEqual(REPORT_START + 280_000)
    expect(worst?.toMs).toBeLessThanOrEqual(REPORT_START + 340_000)
  })
})
