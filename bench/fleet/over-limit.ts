/** How far what was in flight at the upstream went over what was allowed, instant by instant. */
import type { LoadSample } from './one-agent-each.ts'

export interface Over {
  readonly mean: number
  readonly p95: number
  readonly samples: number
}

/** In flight over the steward's total, at each instant at which there is one. */
export function overTotal(loads: readonly LoadSample[], from: number, until: number): Over {
  const limited = within(loads, from, until).filter(({ total }) => total !== Infinity)
  return overOf(limited.map(({ inFlight, total }) => inFlight / total))
}

/** In flight over one figure, at each instant: the servers that the upstream has, or a limit of before. */
export function overFigure(loads: readonly LoadSample[], from: number, until: number, figure: number): Over {
  return overOf(within(loads, from, until).map(({ inFlight }) => inFlight / figure))
}

/** NaN = there was none. */
export function meanTotal(loads: readonly LoadSample[], from: number, until: number): number {
  return meanOf(
    within(loads, from, until)
      .map(({ total }) => total)
      .filter((total) => total !== Infinity),
  )
}

function within(loads: readonly LoadSample[], from: number, until: number): LoadSample[] {
  return loads.filter(({ at }) => at >= from && at < until)
}

function overOf(ratios: readonly number[]): Over {
  const sorted = ratios.toSorted((one, other) => one - other)
  const p95 = sorted[Math.min(sorted.length - 1, Math.floor(0.95 * sorted.length))] ?? Number.NaN
  return { mean: meanOf(ratios), p95, samples: ratios.length }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
