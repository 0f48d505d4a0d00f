/**
 * Which workflows are part of another one, and how deep a workflow goes, as far as the wire tells parents. A
 * sub-agent with a session of its own names its parent's: what it does counts in the workflow at the root.
 *
 * Memory per slot: 9 bytes.
 */
import { DepthTable } from './depth-table.ts'
import type { IdentityTable } from './identity-table.ts'

export class WorkflowTree {
  readonly #table: IdentityTable
  readonly #depths = new DepthTable()
  /** The workflow that this one is part of, and that slot's generation then; 0 = it is a root. */
  readonly #root: Int32Array
  readonly #rootGeneration: Uint32Array
  readonly #depth: Uint8Array

  constructor(table: IdentityTable) {
    this.#table = table
    this.#root = new Int32Array(table.capacity)
    this.#rootGeneration = new Uint32Array(table.capacity)
    this.#depth = new Uint8Array(table.capacity)
  }

  get bytes(): number {
    return this.#root.byteLength + this.#rootGeneration.byteLength + this.#depth.byteLength
  }

  /** The slot that a workflow counts in: its own, or that of its root while the root keeps its slot. */
  rootOf(slot: number): number {
    const root = this.#root[slot] ?? 0
    return root !== 0 && this.#table.generation[root] === this.#rootGeneration[slot] ? root : slot
  }

  /** Makes a newcomer part of the workflow that its parent counts in, if that one is known. */
  join(slot: number, parent: string): void {
    const above = this.#table.find(parent)
    if (above === -1) return
    const root = this.rootOf(above)
    if (root === slot) return
    this.#root[slot] = root
    this.#rootGeneration[slot] = this.#table.generation[root] ?? 0
  }

  /** Learns that `name` (an agent, session or workflow) has this parent, inside the workflow of `slot`. */
  descend(slot: number, name: string, parent: string): void {
    if (name === '' || name === parent) return
    const depth = this.#depths.place(name, parent)
    if (depth > this.depth(slot)) this.#depth[slot] = depth
  }

  /** Deepest level seen in the workflow; 0 = no parent was ever named. */
  depth(slot: number): number {
    return this.#depth[slot] ?? 0
  }

  clear(slot: number): void {
    this.#root[slot] = 0
    this.#depth[slot] = 0
  }
}
