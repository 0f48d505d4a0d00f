/**
 * The stretch in which most went wrong, and where it began. Trouble is what came to nothing, what was tried again
 * and what Weir had to refuse, as a share of the arrivals of its time; the stretch is what lies around the peak and above a part of it.
 */
import type { EventName, Millis } from '../../core/model.ts'
import type { ConditionFindings } from './conditions.ts'
import type { TrafficFindings } from './traffic.ts'

/** Below it, at its worst, a journal has no worst stretch. */
const NOTABLE_SHARE = 0.1
const NOTABLE_CALLS = 5
/** The stretch goes on while trouble is above this share of the peak, over two better columns. */
const EDGE = 0.15
const BRIDGED = 3
/** Where trouble comes again and again the edge is raised, until the stretch is no longer than this share of it all. */
const EDGES: readonly (readonly [edge: number, bridged: number])[] = [
  [EDGE, BRIDGED],
  [0.3, BRIDGED],
  [0.5, 1],
  [0.75, 1],
  [1, 1],
]
const LONGEST_SHARE = 0.75
const FEW_COLUMNS = 8
/** Events this long before the stretch belong to it: detectors see the cause before the damage. */
const BEFORE_MS: Millis = 20_000
/** Who has a smaller part in it is not where it began. */
const PART = 0.2
const SIGNS: ReadonlySet<EventName> = new Set(['drift-started', 'storm-started', 'probe-started'])

export interface WorstStretch {
  readonly fromMs: Millis
  readonly toMs: Millis
  readonly arrivals: number
  readonly retries: number
  /** Ended in it, with nothing to show for it. */
  readonly forNothing: number
  /** By Weir. */
  readonly refused: number
  readonly ended: number
  readonly sent: number
  readonly answered: number
  /** Most distinct agents that retried in one column. */
  readonly retryingAgents: number
  /** Attempts per success in all other time; null = none succeeded. */
  readonly usualAttempts: number | null
  readonly root: {
    readonly upstream: string
    /** By which evidence: what a storm named, what was detected first, or where trouble showed first. */
    readonly by: 'storm' | 'event' | 'trouble'
    readonly event?: EventName
    readonly atMs: Millis
    readonly slowdown?: number
  }
}

export interface Suspect {
  readonly name: string
  readonly traffic: TrafficFindings
  readonly conditions: ConditionFindings
  readonly retrying: readonly number[]
}

export function worstStretch(
  total: TrafficFindings,
  suspects: readonly Suspect[],
  seriesFromMs: Millis,
  bucketMs: Millis,
): WorstStretch | null {
  const trouble = troubleOf(total)
  const peak = peakOf(trouble, total)
  if (peak === -1) return null
  const { from, to } = stretchAround(trouble, peak)
  const fromMs = seriesFromMs + from * bucketMs
  const toMs = seriesFromMs + (to + 1) * bucketMs
  const part = (suspect: Suspect): number => sum(troubleOf(suspect.traffic).slice(from, to + 1))
  const all = sum(trouble.slice(from, to + 1))
  const involved = suspects.filter((suspect) => part(suspect) >= PART * all)
  // What is seen when the damage is done is not where it came from.
  const latestMs = seriesFromMs + (peak + 2) * bucketMs
  const root = rootOf(involved, from, to, fromMs, latestMs, seriesFromMs, bucketMs)
  if (root === undefined) return null
  const inside = (series: readonly number[]): number => sum(series.slice(from, to + 1))
  const { fates } = total.series
  const sent = inside(total.series.sent)
  const answered = inside(fates.answered)
  const elsewhere = total.fates.answered - answered
  return {
    fromMs,
    toMs,
    arrivals: inside(total.series.arrivals),
    retries: inside(total.series.retries),
    forNothing: inside(nothingOf(total)),
    refused: inside(fates.refused),
    ended: sum(Object.values(fates).map(inside)),
    sent,
    answered,
    retryingAgents: Math.max(...suspects.map(({ retrying }) => Math.max(0, ...retrying.slice(from, to + 1)))),
    usualAttempts: elsewhere > 0 ? (total.sent - sent) / elsewhere : null,
    root,
  }
}

/** Calls that ended with nothing to show for it, by column. */
export function nothingOf({ series: { fates } }: TrafficFindings): number[] {
  return fates.throttled.map((count, column) => count + fates.failed[column]! + fates.abandoned[column]!)
}

function troubleOf(traffic: TrafficFindings): number[] {
  const { retries, fates } = traffic.series
  return nothingOf(traffic).map((count, column) => count + retries[column]! + fates.refused[column]!)
}

function stretchAround(trouble: readonly number[], peak: number): { from: number; to: number } {
  const longest = Math.max(FEW_COLUMNS, LONGEST_SHARE * trouble.length)
  let from = peak
  let to = peak
  for (const [share, bridged] of EDGES) {
    const edge = share * trouble[peak]!
    from = peak
    while (from > 0 && Math.max(...trouble.slice(Math.max(0, from - bridged), from)) >= edge) from -= 1
    to = peak
    while (to < trouble.length - 1 && Math.max(...trouble.slice(to + 1, to + 1 + bridged)) >= edge) to += 1
    if (to - from + 1 <= longest) break
  }
  return { from, to }
}

function peakOf(trouble: readonly number[], total: TrafficFindings): number {
  let peak = -1
  for (const [column, count] of trouble.entries()) {
    if (count < NOTABLE_CALLS || count < NOTABLE_SHARE * total.series.arrivals[column]!) continue
    if (peak === -1 || count > trouble[peak]!) peak = column
  }
  return peak
}

function rootOf(
  suspects: readonly Suspect[],
  from: number,
  to: number,
  fromMs: Millis,
  latestMs: Millis,
  seriesFromMs: Millis,
  bucketMs: Millis,
): WorstStretch['root'] | undefined {
  const seen = suspects
    .flatMap(({ name, conditions }) => conditions.marks.map((mark) => ({ name, mark })))
    .filter(({ mark }) => SIGNS.has(mark.name) && mark.atMs >= fromMs - BEFORE_MS && mark.atMs <= latestMs)
    .toSorted((a, b) => a.mark.atMs - b.mark.atMs)
  const storm = seen.find(({ mark }) => mark.name === 'storm-started')
  const first = seen[0]
  // What was seen before the storm at the upstream that the storm names is its cause.
  const named = storm?.mark.root ?? storm?.name
  const chosen = seen.find(({ name }) => name === named) ?? first
  if (chosen !== undefined) {
    const slowdown = chosen.mark.readings['slowdown']
    return {
      upstream: chosen.name,
      by: named === chosen.name ? 'storm' : 'event',
      event: chosen.mark.name,
      atMs: chosen.mark.atMs,
      ...(typeof slowdown === 'number' ? { slowdown } : {}),
    }
  }
  let root: { upstream: string; column: number; count: number } | undefined
  for (const { name, traffic } of suspects) {
    const trouble = troubleOf(traffic)
    const within = trouble.slice(from, to + 1)
    const peak = Math.max(0, ...within)
    const column = within.findIndex((count) => count >= EDGE * peak)
    if (root === undefined || column < root.column || (column === root.column && peak > root.count)) {
      root = { upstream: name, column, count: peak }
    }
  }
  if (root === undefined) return undefined
  return { upstream: root.upstream, by: 'trouble', atMs: seriesFromMs + (from + root.column) * bucketMs }
}

function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}
