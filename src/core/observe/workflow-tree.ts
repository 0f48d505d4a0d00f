/**
 * Which workflows are part of another one, and how deep a workflow goes, as far as the wire tells parents. A
 * sub-agent with a session of its own names its parent's: what it does counts in the workflow at the root.
 *
 * Memory: 16 bytes of a row per slot.
 */
import { DepthTable } from './depth-table.ts'
import type { IdentityTable } from './identity-table.ts'
import { SlotRows } from './slot-rows.ts'

/** Of a row, in 4 bytes: the workflow that this one is part of (0 = it is a root), that slot's generation then, depth. */
const ROOT = 0
const ROOT_GENERATION = 1
const DEPTH = 2

export class WorkflowTree {
  /** Width of its part of a row. */
  static readonly rowBytes = 16
  readonly #table: IdentityTable
  readonly #depths = new DepthTable()
  readonly #rows: SlotRows
  readonly #words: Uint32Array

  /** @param rows part of rows that belong to others too */
  constructor(table: IdentityTable, rows = SlotRows.of(table.capacity, WorkflowTree.rowBytes)) {
    this.#table = table
    this.#rows = rows
    this.#words = rows.words
  }

  get bytes(): number {
    return this.#rows.bytes
  }

  /** The slot that a workflow counts in: its own, or that of its root while the root keeps its slot. */
  rootOf(slot: number): number {
    const root = this.#words[this.#rows.at4(slot) + ROOT] ?? 0
    if (root === 0) return slot
    return this.#table.generationOf(root) === this.#words[this.#rows.at4(slot) + ROOT_GENERATION]
      ? root
      : slot
  }

  /** Makes a newcomer part of the workflow that its parent counts in, if that one is known. */
  join(slot: number, parent: string): void {
    const above = this.#table.find(parent)
    if (above === -1) return
    const root = this.rootOf(above)
    if (root === slot) return
    this.#words[this.#rows.at4(slot) + ROOT] = root
    this.#words[this.#rows.at4(slot) + ROOT_GENERATION] = this.#table.generationOf(root)
  }

  /** Learns that `name` (an agent, session or workflow) has this parent, inside the workflow of `slot`. */
  descend(slot: number, name: string, parent: string): void {
    if (name === '' || name === parent) return
    const depth = this.#depths.place(name, parent)
    if (depth > this.depth(slot)) this.#words[this.#rows.at4(slot) + DEPTH] = depth
  }

  /** Deepest level seen in the workflow; 0 = no parent was ever named. */
  depth(slot: number): number {
    return this.#words[this.#rows.at4(slot) + DEPTH] ?? 0
  }

  clear(slot: number): void {
    this.#words[this.#rows.at4(slot) + ROOT] = 0
    this.#words[this.#rows.at4(slot) + DEPTH] = 0
  }
}
