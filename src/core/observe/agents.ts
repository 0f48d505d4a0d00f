/**
 * Who calls: each agent's name in a dense slot, its counters, its circles and the hash that it has on the board. What is
 * kept of one agent lies side by side in memory, since every call looks at all of it.
 */
import { LoopDetector } from '../detect/loop.ts'
import { hashName } from '../fleet/sketch.ts'
import type { AgentCondition, Millis } from '../model.ts'
import type { AgentReading } from '../reading.ts'
import { AgentBook } from './agent-book.ts'
import { IdentityTable, OTHER_SLOT } from './identity-table.ts'
import { SlotRows } from './slot-rows.ts'

const IDLE_MS: Millis = 600_000

export class Agents {
  /** Of the agents' names, by slot: what they are called on the board. */
  readonly hashes: Uint32Array
  /** What is counted per agent, by slot. */
  readonly book: AgentBook
  readonly #names: IdentityTable
  readonly #loops: LoopDetector

  /** @param onForget told before a slot belongs to somebody else */
  constructor(options: { size: number; seed: number; onForget: (slot: number) => void }) {
    const { size, seed, onForget } = options
    const slots = size + 1
    const widths = [IdentityTable.rowBytes, AgentBook.rowBytes, ...LoopDetector.rowBytes]
    const [identity, book, ...loops] = SlotRows.shared(slots, widths)
    this.hashes = new Uint32Array(slots)
    this.hashes[OTHER_SLOT] = hashName('other')
    this.book = new AgentBook(slots, book)
    this.#loops = new LoopDetector(slots, loops)
    this.#names = new IdentityTable({
      size,
      idleMs: IDLE_MS,
      onTake: (slot, name) => (this.hashes[slot] = hashName(name)),
      onEvict: (slot) => {
        this.#clear(slot)
        onForget(slot)
      },
      rows: identity,
      seed,
    })
  }

  get known(): number {
    return this.#names.known
  }

  nameOf(slot: number): string {
    return this.#names.nameOf(slot)
  }

  condition(slot: number, now: Millis): AgentCondition {
    return this.#loops.condition(slot, now)
  }

  /** A call of `name` begins: its slot is the agent's own until the call has `left`. */
  enter(name: string, at: Millis): number {
    const slot = this.#names.slot(name, at)
    this.#names.pin(slot)
    return slot
  }

  /** A call of the agent ended, whatever became of it. */
  left(slot: number): void {
    this.#loops.ended(slot)
    this.#names.unpin(slot)
  }

  /** Counts a try of the agent. True when it began to go in circles with this one. */
  attempt(slot: number, isRetry: boolean, retryWeight: number, at: Millis): boolean {
    this.#loops.attempt(slot, isRetry, at)
    this.book.arrived(slot, retryWeight)
    const looping = this.#loops.condition(slot, at) === 'looping'
    if (looping === this.book.isLooping(slot)) return false
    this.book.loops(slot, looping)
    return looping
  }

  /** The busiest first. */
  list(most: number, now: Millis): readonly AgentReading[] {
    return this.book.list(most, {
      callsPerSecond: (slot) => this.#loops.callsPerSecond(slot, now),
      lastSeen: (slot) => this.#names.seenAt(slot),
      nameOf: (slot) => this.#names.nameOf(slot),
      conditionOf: (slot) => this.#loops.condition(slot, now),
    })
  }

  #clear(slot: number): void {
    this.book.clear(slot)
    this.#loops.forget(slot)
    this.hashes[slot] = 0
  }
}
