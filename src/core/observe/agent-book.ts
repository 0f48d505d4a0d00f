/** Per-agent counters by dense slot: 32 bytes of a row. */
import type { AgentCondition, Millis } from '../model.ts'
import type { AgentReading } from '../reading.ts'
import { busiest } from './busiest.ts'
import { SlotRows } from './slot-rows.ts'

/** Of a row, in 8 bytes. */
const CALLS = 0
/** In 4 bytes. */
const RETRIES = 2
const FAILURES = 3
const IN_FLIGHT = 4
const HELD = 5
const WORKFLOW = 6
const LOOPING = 7

/** What is known of an agent elsewhere. */
export interface AgentFacts {
  nameOf(slot: number): string
  conditionOf(slot: number): AgentCondition
  callsPerSecond(slot: number): number
  lastSeen(slot: number): Millis
}

export class AgentBook {
  /** Width of its part of a row. */
  static readonly rowBytes = 32
  readonly #slots: number
  readonly #rows: SlotRows
  readonly #doubles: Float64Array
  readonly #floats: Float32Array
  readonly #counts: Uint32Array

  /** @param rows part of rows that belong to others too */
  constructor(slots: number, rows = SlotRows.of(slots, AgentBook.rowBytes)) {
    this.#slots = slots
    this.#rows = rows
    this.#doubles = rows.doubles
    this.#floats = rows.floats
    this.#counts = rows.words
  }

  arrived(slot: number, retryWeight: number): void {
    this.#doubles[this.#rows.at8(slot) + CALLS]! += 1
    if (retryWeight > 0) this.#floats[this.#rows.at4(slot) + RETRIES]! += retryWeight
  }

  settled(slot: number, failed: boolean): void {
    if (failed) this.#counts[this.#rows.at4(slot) + FAILURES]! += 1
  }

  inFlight(slot: number, change: 1 | -1): void {
    this.#counts[this.#rows.at4(slot) + IN_FLIGHT]! += change
  }

  held(slot: number, change: 1 | -1): void {
    this.#counts[this.#rows.at4(slot) + HELD]! += change
  }

  /** The workflow slot of the agent's latest call; 0 = the shared one, or none. */
  workflowOf(slot: number): number {
    return this.#counts[this.#rows.at4(slot) + WORKFLOW] ?? 0
  }

  worksIn(slot: number, workflowSlot: number): void {
    this.#counts[this.#rows.at4(slot) + WORKFLOW] = workflowSlot
  }

  /** Whether the agent is known to loop, as far as that was told. */
  isLooping(slot: number): boolean {
    return this.#counts[this.#rows.at4(slot) + LOOPING] === 1
  }

  loops(slot: number, isLooping: boolean): void {
    this.#counts[this.#rows.at4(slot) + LOOPING] = isLooping ? 1 : 0
  }

  /** The slot belongs to another agent from now on. */
  clear(slot: number): void {
    const first = this.#rows.at8(slot)
    this.#doubles.fill(0, first, first + AgentBook.rowBytes / 8)
  }

  list(most: number, facts: AgentFacts): AgentReading[] {
    return busiest(this.#slots, most, (slot) => this.#calls(slot)).map((slot) => ({
      agent: facts.nameOf(slot),
      condition: facts.conditionOf(slot),
      calls: this.#calls(slot),
      retries: this.#floats[this.#rows.at4(slot) + RETRIES] ?? 0,
      failures: this.#counts[this.#rows.at4(slot) + FAILURES] ?? 0,
      inFlight: this.#counts[this.#rows.at4(slot) + IN_FLIGHT] ?? 0,
      held: this.#counts[this.#rows.at4(slot) + HELD] ?? 0,
      callsPerSecond: facts.callsPerSecond(slot),
      lastSeen: facts.lastSeen(slot),
    }))
  }

  #calls(slot: number): number {
    return this.#doubles[this.#rows.at8(slot) + CALLS] ?? 0
  }
}
