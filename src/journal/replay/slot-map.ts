/**
 * Slots of a replay. A call takes the slot that it had in the live run while that is free, so that the same calls
 * have the same numbers; a call that is open here and was not then may have taken it, and the lowest free one serves.
 */
import type { CallSlot } from '../../core/model.ts'

const FREE = -1

export class SlotMap {
  #rows = new Int32Array(256).fill(FREE)
  /** Nothing below is free. */
  #lowest = 0

  take(wanted: CallSlot, row: number): CallSlot {
    let slot = wanted
    if (slot < 0 || this.row(slot) !== FREE) {
      slot = this.#lowest
      while (this.row(slot) !== FREE) slot += 1
      this.#lowest = slot + 1
    }
    while (slot >= this.#rows.length) this.#grow()
    this.#rows[slot] = row
    return slot
  }

  /** The row of the call in a slot; -1 = it is free. */
  row(slot: CallSlot): number {
    return slot < this.#rows.length ? this.#rows[slot]! : FREE
  }

  free(slot: CallSlot): void {
    this.#rows[slot] = FREE
    if (slot < this.#lowest) this.#lowest = slot
  }

  #grow(): void {
    const rows = new Int32Array(this.#rows.length * 2).fill(FREE)
    rows.set(this.#rows)
    this.#rows = rows
  }
}
