/** The commons on the page of metrics: as its room counts itself; joined by `app.ts`. Labels are closed lists. */
import { METRICS } from './metric-names.ts'
import type { MetricPage } from './metric-page.ts'

export interface CommonsReading {
  /** The store answered when it was last asked. */
  readonly open: boolean
  /** registered: said so, and alive within its TTL. seen: sent a call within the last minute, registered or not. */
  readonly agents: { readonly registered: number; readonly seen: number }
  /** Since the start of this process, by who published: agents, or Weir itself. */
  readonly published: { readonly agents: number; readonly weir: number }
  /** Events of Weir itself that could not be kept. */
  readonly lost: number
  /** Since the start of this process, by the way they took. */
  readonly delivered: { readonly stream: number; readonly group: number; readonly page: number }
  /** Events that the one furthest behind has not been given yet. */
  readonly lag: { readonly stream: number; readonly group: number }
  readonly groups: number
  /** Handed out to members of groups, and not acknowledged. */
  readonly pending: number
  readonly documents: number
  /** Kept bytes by room of the store. */
  readonly bytes: Readonly<Record<string, number>>
  readonly tasks: Readonly<Record<string, number>>
  /** Attempts that ended without a result and went on with another owner, by how; of this process. */
  readonly reassigned: Readonly<Record<string, number>>
  /** Agents that wait for a task, once per capability. */
  readonly claimers: number
  /** Streams and long polls open now. */
  readonly waiting: number
  readonly mcp: {
    /** In progress. */
    readonly open: number
    /** Since the start of this process, by the revision that they speak. */
    readonly requests: Readonly<Record<string, number>>
  }
}

export const NO_COMMONS: CommonsReading = {
  open: false,
  agents: { registered: 0, seen: 0 },
  published: { agents: 0, weir: 0 },
  lost: 0,
  delivered: { stream: 0, group: 0, page: 0 },
  lag: { stream: 0, group: 0 },
  groups: 0,
  pending: 0,
  documents: 0,
  bytes: { state: 0 },
  tasks: { blocked: 0, ready: 0, parked: 0, running: 0, gate: 0, done: 0, cancelled: 0 },
  reassigned: { failed: 0, contract: 0, lease: 0, left: 0, undelivered: 0 },
  claimers: 0,
  waiting: 0,
  mcp: { open: 0, requests: { '2026-07-28': 0 } },
}

export function writeCommons(page: MetricPage, reading: CommonsReading): void {
  const { agents, published, delivered, lag, mcp } = reading
  page.single(METRICS.commonsOpen, reading.open ? 1 : 0)
  split(page, METRICS.commonsAgents, { ...agents })
  split(page, METRICS.commonsPublished, { ...published })
  page.single(METRICS.commonsLost, reading.lost)
  split(page, METRICS.commonsDelivered, { ...delivered })
  split(page, METRICS.commonsLag, { ...lag })
  page.single(METRICS.commonsGroups, reading.groups)
  page.single(METRICS.commonsPending, reading.pending)
  page.single(METRICS.commonsDocuments, reading.documents)
  split(page, METRICS.commonsBytes, reading.bytes)
  split(page, METRICS.commonsTasks, reading.tasks)
  split(page, METRICS.commonsReassigned, reading.reassigned)
  page.single(METRICS.commonsClaimers, reading.claimers)
  page.single(METRICS.commonsWaiting, reading.waiting)
  page.single(METRICS.commonsMcpOpen, mcp.open)
  split(page, METRICS.commonsMcpRequests, mcp.requests)
}

function split(
  page: MetricPage,
  row: (typeof METRICS)[keyof typeof METRICS],
  counts: Readonly<Record<string, number>>,
): void {
  page.family(row)
  for (const [label, count] of Object.entries(counts)) page.value(row, [label], count)
}
