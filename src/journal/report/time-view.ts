/** The grid as it is shown: as many columns as a chart can carry, each wide enough to hold some calls. */
import type { Millis } from '../../core/model.ts'
import type { Cells, TimeGrid } from './time-grid.ts'

/** A chart of 1,000 pixels carries that many. */
const MOST_COLUMNS = 120
const FEWEST_COLUMNS = 24
/** Below this many calls in a column, shares and quantiles are noise. */
const WANTED_CALLS = 30
/** What one column may stand for, so that people can say it: whole multiples of the grid's widths. */
const SPANS: readonly Millis[] = [
  100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
  1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000, 604_800_000, 4_838_400_000,
  38_707_200_000,
]

export class TimeView {
  /** Width of a column. */
  readonly bucketMs: Millis
  readonly columns: number
  /** Start of the first column, ms since the epoch. */
  readonly startMs: Millis
  readonly #offset: number
  readonly #group: number

  /** @param calls in the whole of it */
  constructor(grid: TimeGrid, calls: number) {
    const { widthMs } = grid
    const spanMs = grid.columns * widthMs
    const fits = SPANS.filter((span) => span >= widthMs && span % widthMs === 0)
    const shown = fits.filter((span) => spanMs / span <= MOST_COLUMNS)
    const full = shown.find(
      (span) => (calls * span) / spanMs >= WANTED_CALLS || spanMs / span <= 2 * FEWEST_COLUMNS,
    )
    this.bucketMs = full ?? shown[0] ?? widthMs
    this.#group = this.bucketMs / widthMs
    const first = Math.round(grid.startOf(0) / widthMs)
    const shownFirst = Math.floor(first / this.#group)
    this.#offset = first - shownFirst * this.#group
    this.startMs = shownFirst * this.bucketMs
    this.columns = grid.columns === 0 ? 0 : Math.floor((this.#offset + grid.columns - 1) / this.#group) + 1
  }

  /** Sums of a tracked array, by shown column; part `part` of `stride`. */
  sums(cells: Cells, stride = 1, part = 0): number[] {
    const sums = Array.from<number>({ length: this.columns }).fill(0)
    const used = this.columns * this.#group - this.#offset
    for (let column = 0; column < used && column * stride + part < cells.length; column++) {
      sums[this.of(column)]! += cells[column * stride + part]!
    }
    return sums
  }

  /** Shown column of a column of the grid. */
  of(column: number): number {
    return Math.floor((column + this.#offset) / this.#group)
  }
}
