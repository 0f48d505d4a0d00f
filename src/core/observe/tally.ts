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

const OUTCOME_INDEX = indexOf(OUTCOMES)
const SETTLEMENT_INDEX = indexOf(SETTLEMENTS)
const REASON_INDEX = indexOf(REASONS)
const VERDICT_INDEX = indexOf(VERDICTS)

export class Tally {
  arrivals = 0
  attempts = 0
  /** Weighted by the confidence of the inference. */
  retries = 0
  readonly #outcomes = new Float64Array(OUTCOMES.length)
  readonly #settlements = new Float64Array(SETTLEMENTS.length)
  readonly #verdicts = new Float64Array(VERDICTS.length * REASONS.length * 2)
  readonly durations = new DurationHistogram()
  readonly holds = new DurationHistogram()

  outcome(outcome: Outcome): void {
    bump(this.#outcomes, OUTCOME_INDEX[outcome])
  }

  settlement(kind: SettlementKind): void {
    bump(this.#settlements, SETTLEMENT_INDEX[kind])
  }

  verdict(verdict: Verdict): void {
    bump(this.#verdicts, VERDICT_INDEX[verdict.do] * REASONS.length + REASON_INDEX[verdict.reason])
    const shadow = verdict.shadow
    if (shadow !== undefined) {
      const row = VERDICTS.length + VERDICT_INDEX[shadow.do]
      bump(this.#verdicts, row * REASONS.length + REASON_INDEX[shadow.reason])
    }
  }

  outcomes(): Record<Outcome, number> {
    return record(OUTCOMES, this.#outcomes)
  }

  settlements(): Record<SettlementKind, number> {
    return record(SETTLEMENTS, this.#settlements)
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

function record<K extends string>(names: readonly K[], counts: Float64Array): Record<K, number> {
  return recordOf(names, (index) => counts[index] ?? 0)
}

function recordOf<K extends string>(
  names: readonly K[],
  value: (index: number) => number,
): Record<K, number> {
  // Object.fromEntries forgets the keys' type.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(names.map((name, index) => [name, value(index)])) as Record<K, number>
}
