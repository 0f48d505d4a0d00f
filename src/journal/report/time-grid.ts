/**
 * A time axis of bounded size for a journal whose length is not known before it is read: columns of equal width,
 * aligned to whole multiples of it since the epoch. When an instant lies outside, the grid moves, or widens to the
 * next width, and every column that hangs on it is folded. Widths are multiples of each other, so that nothing has
 * to be guessed; the order in which instants come does not matter.
 */
import type { Millis } from '../../core/model.ts'

/** Each divides the next. */
const WIDTHS: readonly Millis[] = [
  100, 500, 1000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 21_600_000,
  86_400_000, 604_800_000, 4_838_400_000, 38_707_200_000,
]
/** The widest step is by 8: 90 columns are left at the least, more than a chart can show apart on a narrow screen. */
export const GRID_COLUMNS = 720

export type Fold = 'sum' | 'max' | 'or'

export interface Cells {
  readonly length: number
  [index: number]: number
  fill(value: number): unknown
}

interface Track {
  readonly cells: Cells
  readonly stride: number
  readonly fold: Fold
}

export class TimeGrid {
  #step = 0
  /** Number of the first column, in widths since the epoch. */
  #first = 0
  #last = -1
  readonly #tracks = new Set<Track>()

  get widthMs(): Millis {
    return WIDTHS[this.#step]!
  }

  /** Columns in use, from the first that was ever asked for to the last. */
  get columns(): number {
    return this.#last < this.#first ? 0 : this.#last - this.#first + 1
  }

  /** Start of a column, ms since the epoch. */
  startOf(column: number): Millis {
    return (this.#first + column) * this.widthMs
  }

  /** Hangs an array of `GRID_COLUMNS * stride` cells on the grid; zero means empty. */
  track<T extends Cells>(cells: T, fold: Fold, stride = 1): T {
    if (cells.length !== GRID_COLUMNS * stride) throw new RangeError(`want ${GRID_COLUMNS * stride} cells`)
    this.#tracks.add({ cells, stride, fold })
    return cells
  }

  /** Lets go of an array: it keeps what it holds, and is not folded any more. */
  release(cells: Cells): void {
    for (const track of this.#tracks) if (track.cells === cells) this.#tracks.delete(track)
  }

  /** The column of an instant in ms since the epoch, made if need be; -1 = no time that a journal can be of. */
  at(instant: Millis): number {
    if (!(Math.abs(instant) < 8.64e15)) return -1
    let number = Math.floor(instant / this.widthMs)
    if (this.#last < this.#first) {
      this.#first = number
      this.#last = number
      return 0
    }
    while (Math.max(this.#last, number) - Math.min(this.#first, number) >= GRID_COLUMNS) {
      if (this.#step === WIDTHS.length - 1) return -1
      this.#widen()
      number = Math.floor(instant / this.widthMs)
    }
    if (number < this.#first) this.#moveTo(number)
    if (number > this.#last) this.#last = number
    return number - this.#first
  }

  #widen(): void {
    const factor = WIDTHS[this.#step + 1]! / WIDTHS[this.#step]!
    const first = Math.floor(this.#first / factor)
    const columns = this.columns
    for (const { cells, stride, fold } of this.#tracks) {
      for (let column = 0; column < columns; column++) {
        const to = Math.floor((this.#first + column) / factor) - first
        if (to !== column) moveColumn(cells, stride, fold, column, to)
      }
    }
    this.#last = Math.floor(this.#last / factor)
    this.#first = first
    this.#step += 1
  }

  #moveTo(first: number): void {
    const by = this.#first - first
    for (const { cells, stride } of this.#tracks) {
      for (let cell = this.columns * stride - 1; cell >= 0; cell--) {
        cells[cell + by * stride] = cells[cell]!
        cells[cell] = 0
      }
    }
    this.#first = first
  }
}

function moveColumn(cells: Cells, stride: number, fold: Fold, from: number, to: number): void {
  for (let part = 0; part < stride; part++) {
    const source = from * stride + part
    const target = to * stride + part
    const value = cells[source]!
    if (value === 0) continue
    const before = cells[target]!
    cells[target] =
      fold === 'sum' ? before + value : fold === 'max' ? Math.max(before, value) : before | value
    cells[source] = 0
  }
}
