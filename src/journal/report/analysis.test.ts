import { describe, expect, test } from 'vitest'
import { carried } from '../../../test/kit/carried.ts'
import { shippedPolicy } from '../../../test/kit/policy.ts'
import {
  abandoned,
  batches,
  call,
  header,
  REPORT_START,
  reportJournal,
  throttled,
} from '../../../test/kit/report-journal.ts'
import { play } from '../../../test/kit/sim/scenario.ts'
import { SCENARIOS } from '../../../test/sim/scenarios.ts'
import { createShownNames } from '../hash-ids.ts'
import type { JournalLine } from '../line.ts'
import { recordCore } from '../record.ts'
import { Analysis, analyse, type AnalysisOptions } from './analysis.ts'
import type { Findings } from './findings.ts'

const found = (lines: readonly JournalLine[], options?: AnalysisOptions): Promise<Findings> =>
  analyse(batches(lines), new Analysis(options))

function added(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

describe('the analysis of a journal', () => {
  test('of a header alone finds no calls', async () => {
    const findings = await found([header()])
    expect(findings.total).toMatchObject({ arrivals: 0, sent: 0, attemptsPerSuccess: null })
    expect(findings.worst).toBeNull()
  })

  test('survives an idle day between two calls', async () => {
    const findings = await found([header(), call({ at: 0 }), call({ at: 86_400_000 })])
    expect(findings.total.arrivals).toBe(2)
    expect(findings.total.series.arrivals.reduce((sum, count) => sum + count, 0)).toBe(2)
  })

  test('survives a thousand calls in one instant', async () => {
    const findings = await found([header(), ...Array.from({ length: 1000 }, () => call({ at: 5 }))])
    expect(findings.total).toMatchObject({ arrivals: 1000, sent: 1000, attemptsPerSuccess: 1 })
    expect(findings.fanOut.width.max).toBe(1000)
  })

  test('counts every call once, in its total, by upstream, by agent and in every series', async () => {
    const findings = await found(reportJournal())
    const calls = reportJournal().filter(({ kind }) => kind === 'call').length
    const { total, upstreams, callers } = findings
    expect(total.arrivals).toBe(calls)
    expect(added(upstreams.map(({ traffic }) => traffic.arrivals))).toBe(calls)
    expect(added(callers.top.map((row) => row.calls)) + callers.others.calls).toBe(calls)
    expect(added(total.series.arrivals)).toBe(calls)
    expect(added(Object.values(total.series.fates).map(added))).toBe(calls)
    expect(added(total.series.retries)).toBeCloseTo(total.retries, 1)
    for (const { heat } of upstreams) {
      expect(added(heat.rows.map(({ retries }) => retries)) + heat.others.retries).toBeCloseTo(
        heat.retries,
        1,
      )
    }
  })

  test('adds up what was spent for nothing', async () => {
    const lines = [
      call(),
      throttled({ at: 10 }),
      abandoned({ at: 20 }),
      abandoned({ at: 30, longLived: true }),
    ]
    const { waste, longLived } = (await found([header(), ...lines])).total
    expect(waste).toEqual({ calls: 2, sent: 2, ms: 2005, bytes: 250 })
    expect(longLived).toBe(1)
  })

  test.each(['multi-model'])(
    'says what the live core counted in the scenario %s',
    async (name) => {
      const scenario = SCENARIOS.find((one) => one.name === name)!
      const upstreams = Object.keys(scenario.upstreams)
      const policy = shippedPolicy(name, upstreams)
      const lines: JournalLine[] = [header({ upstreams })]
      const { end } = play(scenario, policy, (core) =>
        carried(
          recordCore(core, {
            upstreams,
            policy,
            digest: () => 'x',
            shown: createShownNames({ key: Buffer.alloc(32, 3), hashIds: false, paths: false }),
            paths: false,
            sink: (bytes, length) => lines.push(JSON.parse(bytes.toString('utf8', 0, length))),
          }),
        ),
      )
      const findings = await found(lines)
      for (const [index, live] of end!.upstreams.entries()) {
        const seen = findings.upstreams.find((one) => one.name === upstreams[index])!.traffic
        expect(seen.arrivals).toBe(live.arrivals)
        expect(seen.sent).toBe(live.attempts)
        expect(seen.retries).toBeCloseTo(live.retries, 2)
        expect(seen.fates.refused).toBe(live.outcomes.shed + live.outcomes['hold-expired'])
      }
    },
    30_000,
  )

  test('of a part keeps to it, and knows of retries what was before', async () => {
    const first = throttled({ at: 0, fingerprint: 5 })
    const second = call({ at: 600, fingerprint: 5, attempt: 2 })
    const findings = await found([header(), first, second, call({ at: 90_000 })], {
      from: { after: 500 },
      to: { at: REPORT_START + 60_000 },
    })
    expect(findings.total).toMatchObject({ arrivals: 1, retries: 1 })
    expect(findings.time.from).toBe(new Date(REPORT_START + 600).toISOString())
  })

  test('puts the parts of one run together, and keeps runs apart', async () => {
    const findings = await found([
      header({ part: 1 }),
      call({ at: 10 }),
      header({ part: 2 }),
      call({ at: 20 }),
      header({ run: 'run-2', startedAt: new Date(REPORT_START - 60_000).toISOString() }),
      call({ at: 5 }),
    ])
    expect(findings.source).toMatchObject({ runs: 2, parts: 3, late: 0 })
    expect(findings.time.from).toBe(new Date(REPORT_START - 59_995).toISOString())
    expect(findings.total.arrivals).toBe(3)
  })

  test('says what was lost', async () => {
    const analysis = new Analysis()
    analysis.add(header())
    analysis.add({ kind: 'gap', at: 5, dropped: 7 })
    for (let line = 1; line <= 30; line++) analysis.leaveOut({ file: 'a.ndjson', line, reason: 'not JSON' })
    const { source } = analysis.findings()
    expect(source).toMatchObject({ dropped: 7, leftOutMore: 10 })
    expect(source.leftOut.length).toBe(20)
  })

  test.each([
    ['enforced', header(), call({ verdict: { do: 'hold', reason: 'drift' } })],
    [
      'shadow',
      header(),
      call({ verdict: { do: 'pass', reason: 'healthy', shadow: { do: 'hold', reason: 'drift' } } }),
    ],
    ['observed', header(), call()],
    ['imported', header({ source: 'import:har' }), call()],
  ] as const)('tells that it was %s', async (mode, first, line) => {
    expect((await found([first, line])).source.mode).toBe(mode)
  })

  test('folds upstreams past the most, and keeps their calls', async () => {
    const lines = Array.from({ length: 100 }, (_, index) => call({ at: index, upstream: `host-${index}` }))
    const { upstreams, total } = await found([header({ upstreams: [] }), ...lines])
    expect(upstreams.length).toBe(32)
    expect(upstreams.find(({ name }) => name === '(others)')?.traffic.arrivals).toBe(69)
    expect(total.arrivals).toBe(100)
  })

  test('holds no more agents and workflows than it follows, however many come', async () => {
    const lines = Array.from({ length: 30_000 }, (_, index) =>
      call({
        at: index,
        agent: `agent-${index}`,
        workflow: `workflow-${index}`,
        endMs: 20_000,
        headMs: 20_000,
      }),
    )
    const { callers, fanOut } = await found([header(), ...lines])
    expect(Math.abs(callers.agents - 30_000)).toBeLessThan(600)
    expect(callers.top.length).toBeLessThanOrEqual(25)
    expect(fanOut.cutShort).toBeGreaterThan(0)
    expect(fanOut.calls.count).toBe(30_000)
  })
})
