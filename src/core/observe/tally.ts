/**
 * Counters of one upstream that only grow: typed arrays, incremented on the path of a call, turned into
 * records and cumulative histograms when somebody looks.
 */
import {
  OUTCOMES,
  REASONS,
  SETTLEMENTS,
  VERDICTS,
  type Millis,
  type Outcome,
  type SettlementKind,
  type Verdict,
} from '../model.ts'
import type { HistogramReading, VerdictCount } from '../reading.ts'

/**
 * Upper bounds in ms. The stable HTTP convention of OpenTelemetry ends at 10 s, which is short for models:
 * extended to 300 s, Weir's default for the first byte.
 */
export const DURATION_BOUNDS: readonly Millis[] = [
  5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000, 20_000, 30_000, 60_000, 120_000,
  300_000,
]

const REASON_INDEX = indexOf(REASONS)
const VERDICT_INDEX = indexOf(VERDICTS)

export class Tally {
  arrivals = 0
  attempts = 0
  /** Weighted by the confidence of the inference. */
  retries = 0
  readonly #outcomes = new LabelCounts(OUTCOMES)
  readonly #settlements = new LabelCounts(SETTLEMENTS)
  readonly #verdicts = new Float64Array(VERDICTS.length * REASONS.length * 2)
  /** The latest verdict, and where it counts: passes are shared constants and come in long rows. */
  #latest: Verdict | undefined
  #latestIndex = 0
  readonly durations = new DurationHistogram()
  readonly holds = new DurationHistogram()

  outcome(outcome: Outcome): void {
    this.#outcomes.add(outcome)
  }

  /** What was counted as one outcome was another. */
  correct(counted: Outcome, happened: Outcome): void {
    this.#outcomes.add(counted, -1)
    this.#outcomes.add(happened)
  }

  settlement(kind: SettlementKind): void {
    this.#settlements.add(kind)
  }

  verdict(verdict: Verdict): void {
    if (verdict !== this.#latest) {
      this.#latest = verdict
      this.#latestIndex = VERDICT_INDEX[verdict.do] * REASONS.length + REASON_INDEX[verdict.reason]
    }
    bump(this.#verdicts, this.#latestIndex)
    const shadow = verdict.shadow
    if (shadow !== undefined) {
      const row = VERDICTS.length + VERDICT_INDEX[shadow.do]
      bump(this.#verdicts, row * REASONS.length + REASON_INDEX[shadow.reason])
    }
  }

  outcomes(): Record<Outcome, number> {
    return this.#outcomes.read()
  }

  settlements(): Record<SettlementKind, number> {
    return this.#settlements.read()
  }

  /** Only what was counted at least once: the full product would be mostly zeros. */
  verdicts(): VerdictCount[] {
    const counts: VerdictCount[] = []
    for (let index = 0; index < this.#verdicts.length; index++) {
      const count = this.#verdicts[index] ?? 0
      if (count === 0) continue
      const row = Math.floor(index / REASONS.length)
      const reason = REASONS[index % REASONS.length] ?? 'healthy'
      const kind = VERDICTS[row % VERDICTS.length] ?? 'pass'
      counts.push({ do: kind, reason, mode: row < VERDICTS.length ? 'enforce' : 'shadow', count })
    }
    return counts
  }
}

/** Counts by label, fast for the label that was counted before. */
class LabelCounts<K extends string> {
  readonly #labels: readonly K[]
  readonly #counts: Float64Array
  #latest: K | undefined
  #latestIndex = 0

  constructor(labels: readonly K[]) {
    this.#labels = labels
    this.#counts = new Float64Array(labels.length)
  }

  add(label: K, count = 1): void {
    if (label !== this.#latest) {
      this.#latest = label
      this.#latestIndex = this.#labels.indexOf(label)
    }
    this.#counts[this.#latestIndex]! += count
  }

  read(): Record<K, number> {
    return recordOf(this.#labels, (index) => this.#counts[index] ?? 0)
  }
}

/** Counts by upper bound, read as the cumulative series of a Prometheus histogram. */
export class DurationHistogram {
  readonly #counts = new Float64Array(DURATION_BOUNDS.length + 1)
  #sum = 0

  record(ms: Millis): void {
    let low = 0
    let high = DURATION_BOUNDS.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((DURATION_BOUNDS[middle] ?? 0) < ms) low = middle + 1
      else high = middle
    }
    bump(this.#counts, low)
    this.#sum += ms
  }

  read(): HistogramReading {
    const counts: number[] = []
    let total = 0
    for (const count of this.#counts) counts.push((total += count))
    return { bounds: DURATION_BOUNDS, counts, sum: this.#sum }
  }
}

function bump(counts: Float64Array, index: number): void {
  counts[index] = (counts[index] ?? 0) + 1
}

function indexOf<K extends string>(names: readonly K[]): Record<K, number> {
  return recordOf(names, (index) => index)
}

function recordOf<K extends string>(
  names: readonly K[],
  value: (index: number) => number,
): Record<K, number> {
  // Object.fromEntries forgets the keys' type.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(names.map((name, index) => [name, value(index)])) as Record<K, number>
}
