/**
 * What the workflows that are known here do through other replicas. A replica tells its heaviest named workflows, and adds
 * what it hears of its own ones to what it counts itself; of a workflow that nobody else sees it hears nothing.
 *
 * Calls and depth only grow, so the most that was heard holds as long as the workflow is known here, also when their
 * teller is gone; calls in flight fade with the age of the word. Memory: 24 bytes per slot, there once a board is.
 */
import { weightOf, GONE_MS, type CallersPeer } from '../fleet.ts'
import type { Millis } from '../model.ts'
import { hashId } from './sketch.ts'

/** Workflows that one replica tells of (algorithms.md 3(8): a word stays small). */
export const MOST_WORKFLOWS = 64
/** Looked at for the next word: those of the last one, and as many that were busy since. */
const CANDIDATES = 2 * MOST_WORKFLOWS
/** Heavier ones that come while the candidates are full. */
const MOST_CANDIDATES = 8 * CANDIDATES
/** What paused for so long is not told again: who hears of it holds what it was told. */
const IDLE_MS = 60_000
/** Numbers of a workflow in a word. */
const FIELDS = 4

/** What is counted here of one slot. */
export interface OwnCounts {
  calls(slot: number): number
  inFlight(slot: number): number
  ownDepth(slot: number): number
  lastSeen(slot: number): Millis
}

export class Elsewhere {
  readonly #ids: Float64Array
  readonly #calls: Uint32Array
  readonly #inFlight: Float32Array
  readonly #widths: Uint32Array
  readonly #depths: Uint16Array
  readonly #slots = new Map<number, number>()
  /** Slots that may be told of, and those of which something was heard. */
  readonly #busy = new Set<number>()
  readonly #heard = new Set<number>()
  /** Less than this is not worth a place among full candidates. */
  #floor = 0
  #heardAt: Millis = -Infinity

  /** @param slots of the table of workflows */
  constructor(slots: number) {
    this.#ids = new Float64Array(slots)
    this.#calls = new Uint32Array(slots)
    this.#inFlight = new Float32Array(slots)
    this.#widths = new Uint32Array(slots)
    this.#depths = new Uint16Array(slots)
  }

  /** A call of a named workflow begins here. `weight` says how heavy it is by now. */
  touch(slot: number, name: string, weight: number): void {
    if (this.#ids[slot] === 0) {
      const id = hashId(name)
      this.#ids[slot] = id
      this.#slots.set(id, slot)
    }
    const { size } = this.#busy
    if (size < CANDIDATES || (weight > this.#floor && size < MOST_CANDIDATES)) this.#busy.add(slot)
  }

  /** The slot holds another workflow from here on, or the same one anew. */
  forget(slot: number): void {
    const id = this.#ids[slot] ?? 0
    if (id === 0) return
    this.#ids[slot] = 0
    if (this.#slots.get(id) === slot) this.#slots.delete(id)
    this.#busy.delete(slot)
    this.#heard.delete(slot)
    this.#calls[slot] = 0
    this.#inFlight[slot] = 0
    this.#widths[slot] = 0
    this.#depths[slot] = 0
  }

  /** Calls through other replicas since the workflow began here. */
  calls(slot: number): number {
    return this.#calls[slot] ?? 0
  }

  /** Calls at upstreams through other replicas, as last heard. */
  inFlight(slot: number): number {
    return Math.round(this.#inFlight[slot] ?? 0)
  }

  /** The most calls at once that were ever heard of, those here included. */
  width(slot: number): number {
    return this.#widths[slot] ?? 0
  }

  depth(slot: number): number {
    return this.#depths[slot] ?? 0
  }

  /** The heaviest, for a word. */
  tell(now: Millis, own: OwnCounts): number[] {
    const weigh = (slot: number): number =>
      own.inFlight(slot) === 0 && now - own.lastSeen(slot) > IDLE_MS
        ? 0
        : weightOfWorkflow(own.calls(slot), own.inFlight(slot))
    const heaviest = [...this.#busy].map((slot) => ({ slot, weight: weigh(slot) }))
    heaviest.sort((a, b) => b.weight - a.weight)
    const word: number[] = []
    this.#busy.clear()
    for (const { slot, weight } of heaviest.slice(0, MOST_WORKFLOWS)) {
      if (weight === 0) continue
      this.#busy.add(slot)
      word.push(this.#ids[slot]!, own.calls(slot), own.inFlight(slot), own.ownDepth(slot))
    }
    this.#floor = heaviest[MOST_WORKFLOWS - 1]?.weight ?? 0
    return word
  }

  hear(peers: readonly CallersPeer[], at: Millis, own: OwnCounts): void {
    this.#heardAt = at
    const before = [...this.#heard]
    for (const slot of before) this.#inFlight[slot] = 0
    const sums = new Map<number, number>()
    for (const { summary, arrivedAt } of peers) {
      const weight = weightOf(at - arrivedAt)
      const { workflows } = summary
      for (let from = 0; from + FIELDS <= workflows.length; from += FIELDS) {
        const slot = this.#slots.get(workflows[from]!)
        if (slot === undefined) continue
        sums.set(slot, (sums.get(slot) ?? 0) + workflows[from + 1]!)
        this.#inFlight[slot]! += workflows[from + 2]! * weight
        this.#depths[slot] = Math.max(this.#depths[slot]!, workflows[from + 3]!)
      }
    }
    for (const [slot, calls] of sums) {
      this.#heard.add(slot)
      this.#calls[slot] = Math.max(this.#calls[slot]!, calls)
      this.#widths[slot] = Math.max(this.#widths[slot]!, own.inFlight(slot) + this.inFlight(slot))
    }
  }

  /** What was in flight elsewhere is not known any more when nothing was heard for so long. */
  age(now: Millis): void {
    if (now - this.#heardAt < GONE_MS || this.#heardAt === -Infinity) return
    for (const slot of this.#heard) this.#inFlight[slot] = 0
    this.#heardAt = -Infinity
  }
}

/** A wide workflow is as near to its bounds as a long one with eight times the calls. */
export function weightOfWorkflow(calls: number, inFlight: number): number {
  return calls + 8 * inFlight
}
