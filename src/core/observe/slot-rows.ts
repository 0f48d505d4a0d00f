/**
 * Memory by dense slot: one row of fixed width per slot, seen as numbers of several sizes. Several tables may share
 * rows, each its own part of them: what one call touches then lies side by side, and costs one or two misses of the
 * cache instead of one per column. With a hundred thousand slots that is most of the price of a call.
 *
 * A part begins at a multiple of 8 bytes; its owner counts fields from 0 in the size that it reads them in.
 */
export class SlotRows {
  /** Of this part, over all slots. */
  readonly bytes: number
  readonly doubles: Float64Array
  readonly floats: Float32Array
  readonly words: Uint32Array
  readonly halves: Uint16Array
  /** Length of a row and first field of this part, in numbers of 8, 4 and 2 bytes. */
  readonly #length8: number
  readonly #length4: number
  readonly #length2: number
  readonly #first8: number
  readonly #first4: number
  readonly #first2: number

  private constructor(buffer: ArrayBuffer, rowBytes: number, from: number, bytes: number) {
    this.bytes = bytes
    this.doubles = new Float64Array(buffer)
    this.floats = new Float32Array(buffer)
    this.words = new Uint32Array(buffer)
    this.halves = new Uint16Array(buffer)
    this.#length8 = rowBytes / 8
    this.#length4 = rowBytes / 4
    this.#length2 = rowBytes / 2
    this.#first8 = from / 8
    this.#first4 = from / 4
    this.#first2 = from / 2
  }

  /** Rows of one table alone. */
  static of(slots: number, width: number): SlotRows {
    const [rows] = SlotRows.shared(slots, [width])
    return rows!
  }

  /** Parts of the given widths in bytes, one after the other in each row. */
  static shared(slots: number, widths: readonly number[]): SlotRows[] {
    const odd = widths.find((width) => width % 8 !== 0)
    if (odd !== undefined) throw new RangeError(`a part is ${odd} bytes wide, must be a multiple of 8`)
    const rowBytes = widths.reduce((sum, width) => sum + width, 0)
    const buffer = new ArrayBuffer(slots * rowBytes)
    let from = 0
    return widths.map((width) => {
      const rows = new SlotRows(buffer, rowBytes, from, slots * width)
      from += width
      return rows
    })
  }

  /** Where the part of this slot begins in `doubles`. */
  at8(slot: number): number {
    return slot * this.#length8 + this.#first8
  }

  /** In `floats` and `words`. */
  at4(slot: number): number {
    return slot * this.#length4 + this.#first4
  }

  /** In `halves`. */
  at2(slot: number): number {
    return slot * this.#length2 + this.#first2
  }
}
