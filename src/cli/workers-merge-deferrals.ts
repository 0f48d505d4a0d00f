/**
 * Deferred calls of many workers as one: what a worker counted itself is added up; of the store that all share the newest
 * look is told.
 */
import type { DeferralReading } from '../defer/deferral.ts'

/** Undefined = nothing is deferred. */
export function mergeDeferrals(all: readonly (DeferralReading | undefined)[]): DeferralReading | undefined {
  const readings = all.filter((reading) => reading !== undefined)
  const newest = readings.toSorted((a, b) => b.at - a.at)[0]
  if (newest === undefined) return undefined
  const sum = (of: (reading: DeferralReading) => number): number =>
    readings.reduce((total, reading) => total + of(reading), 0)
  return {
    ...newest,
    open: readings.some(({ open }) => open),
    accepted: sum(({ accepted }) => accepted),
    refused: {
      full: sum(({ refused }) => refused.full),
      closed: sum(({ refused }) => refused.closed),
      unclear: sum(({ refused }) => refused.unclear),
    },
    withoutKey: sum(({ withoutKey }) => withoutKey),
  }
}

/** What one that is gone counted; it looks at the store no more. */
export function endedDeferral(reading: DeferralReading | undefined): DeferralReading | undefined {
  return reading === undefined ? undefined : { ...reading, open: false, at: 0 }
}
