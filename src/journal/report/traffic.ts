/** How many calls, and what became of them: attempts per success, and the work that came to nothing. */
import type { Millis } from '../../core/model.ts'
import type { CallLine } from '../line.ts'
import { FATES, FOR_NOTHING, fateOf, wasSent, type Fate } from './call-fate.ts'
import { GRID_COLUMNS, type TimeGrid } from './time-grid.ts'
import type { TimeView } from './time-view.ts'

/** Spent on calls that came to nothing. */
export interface Waste {
  calls: number
  /** Of them went upstream: what is paid for. */
  sent: number
  /** From arrival to end, added up. */
  ms: Millis
  /** Received and given out, as far as known. */
  bytes: number
}

export interface TrafficFindings {
  readonly arrivals: number
  /** Arrivals that are no retry, by the sum of confidences. */
  readonly logicalCalls: number
  readonly retries: number
  readonly sent: number
  readonly longLived: number
  readonly fates: Readonly<Record<Fate, number>>
  /** Sent upstream per answered call; null = none was answered. */
  readonly attemptsPerSuccess: number | null
  readonly waste: Readonly<Waste>
  readonly series: {
    readonly arrivals: readonly number[]
    readonly retries: readonly number[]
    /** By the column in which they ended, as the fates: their ratio then compares the same calls. */
    readonly sent: readonly number[]
    readonly fates: Readonly<Record<Fate, readonly number[]>>
  }
}

const FATE_INDEX = byFate((index) => index)

/** Long-lived calls are counted apart and judged by nothing. */
export class Traffic {
  readonly #grid: TimeGrid
  readonly #arrivals: Float64Array
  readonly #retries: Float64Array
  readonly #sent: Float64Array
  readonly #fates: Float64Array
  readonly #byFate = new Float64Array(FATES.length)
  readonly #waste: Waste = { calls: 0, sent: 0, ms: 0, bytes: 0 }
  #calls = 0
  #retried = 0
  #wentOut = 0
  #longLived = 0

  constructor(grid: TimeGrid) {
    this.#grid = grid
    this.#arrivals = grid.track(new Float64Array(GRID_COLUMNS), 'sum')
    this.#retries = grid.track(new Float64Array(GRID_COLUMNS), 'sum')
    this.#sent = grid.track(new Float64Array(GRID_COLUMNS), 'sum')
    this.#fates = grid.track(new Float64Array(GRID_COLUMNS * FATES.length), 'sum', FATES.length)
  }

  /** @param at of its arrival, ms since the epoch; @param retry confidence that it is one */
  arrived(line: CallLine, at: Millis, retry: number): void {
    if (line.longLived === true) {
      this.#longLived += 1
      return
    }
    const column = this.#grid.at(at)
    if (column < 0) return
    this.#calls += 1
    this.#retried += retry
    this.#arrivals[column]! += 1
    this.#retries[column]! += retry
  }

  /** Where it went to, which may be another member of the upstream's group. */
  ended(line: CallLine, at: Millis): void {
    if (line.longLived === true) return
    const fate = fateOf(line)
    const column = this.#grid.at(at + line.endMs)
    if (column < 0) return
    this.#byFate[FATE_INDEX[fate]]! += 1
    this.#fates[column * FATES.length + FATE_INDEX[fate]]! += 1
    const isSent = wasSent(line)
    if (isSent) {
      this.#wentOut += 1
      this.#sent[column]! += 1
    }
    if (!FOR_NOTHING.has(fate)) return
    const waste = this.#waste
    waste.calls += 1
    if (isSent) waste.sent += 1
    waste.ms += line.endMs
    waste.bytes += line.bytesIn + line.bytesOut
  }

  findings(view: TimeView): TrafficFindings {
    const answered = this.#byFate[FATE_INDEX.answered]!
    return {
      arrivals: this.#calls,
      logicalCalls: this.#calls - this.#retried,
      retries: this.#retried,
      sent: this.#wentOut,
      longLived: this.#longLived,
      fates: byFate((index) => this.#byFate[index]!),
      attemptsPerSuccess: answered === 0 ? null : this.#wentOut / answered,
      waste: { ...this.#waste },
      series: {
        arrivals: view.sums(this.#arrivals),
        retries: view.sums(this.#retries),
        sent: view.sums(this.#sent),
        fates: byFate((index) => view.sums(this.#fates, FATES.length, index)),
      },
    }
  }
}

function byFate<T>(of: (index: number) => T): Record<Fate, T> {
  return {
    answered: of(FATES.indexOf('answered')),
    throttled: of(FATES.indexOf('throttled')),
    failed: of(FATES.indexOf('failed')),
    abandoned: of(FATES.indexOf('abandoned')),
    refused: of(FATES.indexOf('refused')),
    deferred: of(FATES.indexOf('deferred')),
  }
}
