import { describe, expect, it } from 'vitest'
import { coreReading, upstreamReading } from '../../test/kit/readings.ts'
import { NO_HITS } from '../admin/rule-hits.ts'
import type { AppReport } from '../app.ts'
import { NO_COMMONS } from '../telemetry/commons-metrics.ts'
import { NO_JOURNAL } from '../telemetry/metrics.ts'
import { NO_OTLP } from '../telemetry/otlp/export-health.ts'
import { mergeBoards, mergeCommons, mergeOtlp } from './workers-merge-joined.ts'
import { mergeGateways, mergeHits, mergeReadings, type Arrived } from './workers-merge.ts'
import { ended, folded } from './workers-past.ts'

const GATEWAY = {
  connections: 4,
  connectionsAccepted: 9,
  connectionsDropped: 0,
  upgrades: 1,
  refused: {},
  clientGone: 0,
  connectRetries: 0,
  firstByteTimeouts: 0,
  idleTimeouts: 0,
  bodyTimeouts: 0,
  slowReaders: 0,
  tlsFailures: 0,
  http2Sessions: 3,
  http2Floods: 0,
}

function report(p50: number, changes: Partial<AppReport> = {}): AppReport {
  const latency = { p50, p90: 2 * p50, p99: 3 * p50 }
  return {
    reading: coreReading({ upstreams: [upstreamReading({ latency, baseline: latency, arrivals: 5 })] }),
    agents: [],
    workflows: [],
    gateway: GATEWAY,
    own: { ready: true, pressure: 0, loopDelay: { p50: 0, p99: 0, max: 0 } },
    journal: { lines: 2, dropped: 1 },
    hits: [{ ...NO_HITS, held: 2 }],
    board: undefined,
    auth: undefined,
    deferral: undefined,
    commons: undefined,
    otlp: NO_OTLP,
    certificates: [],
    ...changes,
  }
}

const arrived = (one: AppReport): Arrived => ({ report: one, arrivedAt: 0 })

describe('a worker that is gone', () => {
  it('is neither slow nor quick any more, and has no connection', () => {
    const all = [arrived(report(50)), arrived(ended(report(9000)))]
    const [row] = mergeReadings(all, 0).upstreams
    expect(row).toMatchObject({ latency: { p50: 50, p99: 150 }, baseline: { p50: 50 }, arrivals: 10 })
    expect(mergeGateways(all.map((one) => one.report.gateway))).toMatchObject({
      connections: 4,
      http2Sessions: 3,
      connectionsAccepted: 18,
    })
  })

  it('keeps its counts among those of others that are gone', () => {
    const one = ended(
      report(50, {
        otlp: { ...NO_OTLP, failed: { traces: 2, metrics: 1 } },
        board: board('a', { commands: 10 }),
        commons: { ...NO_COMMONS, lost: 3, claimers: 7 },
      }),
    )
    const past = folded([arrived(one), arrived(one), arrived(one)], 0).report
    expect(past.journal).toEqual({ ...NO_JOURNAL, lines: 6, dropped: 3 })
    expect(mergeHits([arrived(past)], 0).held).toBe(6)
    expect(past.otlp.failed).toEqual({ traces: 6, metrics: 3 })
    expect(past.board?.commands).toBe(30)
    expect(past.commons).toMatchObject({ lost: 9, claimers: 0 })
  })
})

type Board = NonNullable<AppReport['board']>

function board(replica: string, changes: Partial<Board> = {}): Board {
  return {
    kind: 'ipc',
    replica,
    up: true,
    replicas: 2,
    ageMs: 5,
    commands: 1,
    bytes: 10,
    unreadable: 0,
    errors: { unreachable: 0, timeout: 1, full: 0, 'read-only': 0, refused: 0, closed: 0 },
    topics: [{ ageMs: 3, steward: 'b', epoch: 4 }],
    ...changes,
  }
}

describe('workers speak as one', () => {
  it('of the board: counts of all, the stalest age, and that one of them is the steward', () => {
    const live = [board('a'), board('b', { ageMs: 900, topics: [{ ageMs: 800, steward: 'b', epoch: 4 }] })]
    expect(mergeBoards([...live, board('gone', { commands: 40 })], live)).toMatchObject({
      replica: 'a',
      up: true,
      ageMs: 900,
      commands: 42,
      bytes: 30,
      errors: { timeout: 3 },
      topics: [{ ageMs: 800, steward: 'a' }],
    })
  })

  it('of the board as lost when one of them has lost it', () => {
    const live = [board('a'), board('b', { up: false, replicas: 1 })]
    expect(mergeBoards(live, live)).toMatchObject({ up: false, replicas: 1 })
    expect(mergeBoards([undefined], [undefined])).toBeUndefined()
  })

  it('of the commons: what each did, and what their store holds once', () => {
    const one = {
      ...NO_COMMONS,
      open: true,
      agents: { registered: 4, seen: 6 },
      published: { agents: 2, weir: 1 },
      lag: { stream: 1, group: 9 },
      documents: 12,
      claimers: 2,
      mcp: { open: 1, requests: { '2026-07-28': 5 } },
    }
    const other = { ...one, documents: 13, lag: { stream: 7, group: 9 } }
    expect(mergeCommons([one, other, one], [one, other])).toMatchObject({
      open: true,
      agents: { registered: 4, seen: 6 },
      published: { agents: 6, weir: 3 },
      lag: { stream: 7, group: 9 },
      documents: 13,
      claimers: 4,
      mcp: { open: 2, requests: { '2026-07-28': 15 } },
    })
    expect(mergeCommons([undefined], [undefined])).toBeUndefined()
  })

  it('of exports that failed and spans that were lost', () => {
    const one = {
      dropped: { 'queue-full': 1, 'export-failed': 2, shutdown: 3 },
      failed: { traces: 4, metrics: 0 },
    }
    expect(mergeOtlp([one, one])).toEqual({
      dropped: { 'queue-full': 2, 'export-failed': 4, shutdown: 6 },
      failed: { traces: 8, metrics: 0 },
    })
  })
})
