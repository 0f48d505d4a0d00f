/**
 * Counts over time for a chart, in a fixed number of columns: when the journal turns out to be longer, neighbours are
 * added up and every column stands for twice the time.
 */
import type { Millis } from '../../core/model.ts'

const COLUMNS = 240
const FIRST_WIDTH_MS: Millis = 1000

export class Timeline {
  widthMs = FIRST_WIDTH_MS
  readonly #series: Float64Array[]
  #used = 0

  constructor(series: number) {
    this.#series = Array.from({ length: series }, () => new Float64Array(COLUMNS))
  }

  add(series: number, at: Millis): void {
    if (at < 0) return
    while (at >= this.widthMs * COLUMNS) this.#fold()
    const column = Math.floor(at / this.widthMs)
    if (column >= this.#used) this.#used = column + 1
    this.#series[series]![column]! += 1
  }

  /** Counts of one series by column, as far as anything happened in any. */
  counts(series: number): number[] {
    return [...this.#series[series]!.subarray(0, this.#used)]
  }

  #fold(): void {
    this.widthMs *= 2
    this.#used = Math.ceil(this.#used / 2)
    for (const counts of this.#series) {
      for (let column = 0; column < COLUMNS / 2; column++) {
        counts[column] = counts[2 * column]! + counts[2 * column + 1]!
      }
      counts.fill(0, COLUMNS / 2)
    }
  }
}
