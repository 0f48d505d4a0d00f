/** The figures by which two journals are compared, a row each. */
import type { Findings } from './findings.ts'
import { sayCount, sayLatency, sayMoney, sayRatio, sayShare, saySpan } from './say.ts'

export interface FigureRow {
  readonly name: string
  readonly value: (findings: Findings) => string
}

export const FIGURES: readonly FigureRow[] = [
  { name: 'length', value: ({ time }) => saySpan(time.toMs - time.fromMs) },
  { name: 'agents', value: ({ callers }) => sayCount(callers.agents) },
  { name: 'calls', value: ({ total }) => sayCount(total.arrivals) },
  { name: 'of them retries', value: ({ total }) => sayCount(total.retries) },
  { name: 'sent upstream', value: ({ total }) => sayCount(total.sent) },
  { name: 'answered', value: ({ total }) => sayCount(total.fates.answered) },
  {
    name: 'attempts per success',
    value: ({ total }) => (total.attemptsPerSuccess === null ? '-' : sayRatio(total.attemptsPerSuccess)),
  },
  {
    name: 'came to nothing',
    value: (findings) =>
      `${sayCount(findings.total.waste.calls)} (${sayShare(findings.total.waste.calls / Math.max(1, endedOf(findings)))})`,
  },
  { name: 'time spent on those', value: ({ total }) => saySpan(total.waste.ms) },
  {
    name: 'paid for those',
    value: ({ total, pricePerCall, currency }) => sayMoney(total.waste.sent * pricePerCall, currency),
  },
  { name: 'agents retrying at once, at most', value: (findings) => sayCount(retryingAtOnce(findings)) },
  { name: 'slowest 1 %, at its worst', value: (findings) => sayLatency(worstTail(findings)?.ms ?? 0) },
  { name: 'held by Weir', value: ({ weir }) => sayCount(weir.did.held) },
  {
    name: 'given a time of their own to come back',
    value: ({ weir }) => sayCount(weir.did.shed + weir.did.expired),
  },
]

/** Most distinct agents that retried at one upstream within one column. */
export function retryingAtOnce({ upstreams }: Findings): number {
  return Math.max(0, ...upstreams.map(({ heat }) => Math.max(0, ...heat.distinct)))
}

/** The highest 99th percentile of any column. */
export function worstTail({ upstreams }: Findings): { upstream: string; ms: number } | undefined {
  let worst: { upstream: string; ms: number } | undefined
  for (const { name, latency } of upstreams) {
    for (const p99 of latency.series.p99) {
      if (p99 !== null && p99 > (worst?.ms ?? 0)) worst = { upstream: name, ms: p99 }
    }
  }
  return worst
}

/** Calls that ended, one way or another. */
export function endedOf({ total }: Pick<Findings, 'total'>): number {
  return Object.values(total.fates).reduce((sum, count) => sum + count, 0)
}
