/**
 * The heaviest of any number of names, in bounded memory. The idea of Space-Saving (Metwally, Agrawal, El Abbadi,
 * "Efficient computation of frequent and top-k elements in data streams", 2005): a newcomer starts with the rank of
 * those who had to leave, so that a name that does much of it is never kept out. Instead of one at a time, the
 * lighter half leaves when the table is twice as long as it should be: a cost per name of O(log n).
 *
 * What a row counts, it counts since it came (again): too little for one that had left, never too much. Rows that
 * leave are handed to `onLeave`, so that totals stay whole.
 */
export interface Ranked {
  /** What the table ranks by; the owner of the row adds to it. */
  rank: number
}

export class BoundedTable<Row extends Ranked> {
  readonly #rows = new Map<string, Row>()
  readonly #keep: number
  readonly #make: (name: string) => Row
  readonly #onLeave: (row: Row, name: string) => void
  #floor = 0
  #left = 0

  /**
   * @param keep rows that are kept for sure; up to twice as many are held
   * @param onLeave takes over what a row counted
   */
  constructor(keep: number, make: (name: string) => Row, onLeave: (row: Row, name: string) => void) {
    this.#keep = keep
    this.#make = make
    this.#onLeave = onLeave
  }

  /** The row of a name, made if need be. */
  row(name: string): Row {
    const known = this.#rows.get(name)
    if (known !== undefined) return known
    if (this.#rows.size >= 2 * this.#keep) this.#shrink()
    const row = this.#make(name)
    row.rank += this.#floor
    this.#rows.set(name, row)
    return row
  }

  get size(): number {
    return this.#rows.size
  }

  /** Rows that had to leave; a name that came back counts again. */
  get left(): number {
    return this.#left
  }

  *entries(): IterableIterator<readonly [string, Row]> {
    yield* this.#rows
  }

  #shrink(): void {
    const byRank = [...this.#rows].toSorted(([, a], [, b]) => b.rank - a.rank)
    this.#floor = byRank[this.#keep]?.[1].rank ?? this.#floor
    for (const [name, row] of byRank.slice(this.#keep)) {
      this.#rows.delete(name)
      this.#onLeave(row, name)
      this.#left += 1
    }
  }
}
