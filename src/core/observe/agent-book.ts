/** Per-agent counters by dense slot, in typed arrays: 40 bytes and one window of 60 bytes an agent. */
import type { AgentCondition, Millis } from '../model.ts'
import type { AgentReading } from '../reading.ts'
import { CounterWindow } from './counter-window.ts'

const CALLS = 0
const RETRIES = 1
const WINDOW_MS = 10_000
const BUCKETS = 10

/** What is known of an agent elsewhere. */
export interface AgentFacts {
  nameOf(slot: number): string
  conditionOf(slot: number): AgentCondition
}

export class AgentBook {
  readonly #calls: Float64Array
  readonly #retries: Float32Array
  readonly #failures: Uint32Array
  readonly #inFlight: Int32Array
  readonly #held: Int32Array
  readonly #lastSeen: Float64Array
  readonly #recent: CounterWindow

  constructor(slots: number) {
    this.#calls = new Float64Array(slots)
    this.#retries = new Float32Array(slots)
    this.#failures = new Uint32Array(slots)
    this.#inFlight = new Int32Array(slots)
    this.#held = new Int32Array(slots)
    this.#lastSeen = new Float64Array(slots)
    this.#recent = new CounterWindow({ slots, kinds: 2, bucketMs: WINDOW_MS / BUCKETS, buckets: BUCKETS })
  }

  arrived(slot: number, retryWeight: number, at: Millis): void {
    this.#calls[slot] = (this.#calls[slot] ?? 0) + 1
    this.#lastSeen[slot] = at
    this.#recent.add(slot, CALLS, at)
    if (retryWeight === 0) return
    this.#retries[slot] = (this.#retries[slot] ?? 0) + retryWeight
    this.#recent.add(slot, RETRIES, at)
  }

  settled(slot: number, failed: boolean): void {
    if (failed) this.#failures[slot] = (this.#failures[slot] ?? 0) + 1
  }

  inFlight(slot: number, change: 1 | -1): void {
    this.#inFlight[slot] = (this.#inFlight[slot] ?? 0) + change
  }

  held(slot: number, change: 1 | -1): void {
    this.#held[slot] = (this.#held[slot] ?? 0) + change
  }

  /** The slot belongs to another agent from now on. */
  clear(slot: number): void {
    this.#calls[slot] = 0
    this.#retries[slot] = 0
    this.#failures[slot] = 0
    this.#inFlight[slot] = 0
    this.#held[slot] = 0
    this.#lastSeen[slot] = 0
    this.#recent.clear(slot)
  }

  list(now: Millis, most: number, facts: AgentFacts): AgentReading[] {
    const slots: number[] = []
    for (let slot = 0; slot < this.#calls.length; slot++) if ((this.#calls[slot] ?? 0) > 0) slots.push(slot)
    slots.sort((a, b) => (this.#calls[b] ?? 0) - (this.#calls[a] ?? 0))
    return slots.slice(0, most).map((slot) => ({
      agent: facts.nameOf(slot),
      condition: facts.conditionOf(slot),
      calls: this.#calls[slot] ?? 0,
      retries: this.#retries[slot] ?? 0,
      failures: this.#failures[slot] ?? 0,
      inFlight: this.#inFlight[slot] ?? 0,
      held: this.#held[slot] ?? 0,
      callsPerSecond: (this.#recent.sum(slot, CALLS, now) * 1000) / WINDOW_MS,
      lastSeen: this.#lastSeen[slot] ?? 0,
    }))
  }
}
