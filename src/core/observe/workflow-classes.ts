/**
 * What is ordinary for a kind of workflow: the distribution of calls and of width over the workflows of one class
 * that are over, in histograms of eight buckets per octave. A class is the kind of agent and the route of its
 * first call. At most 64 classes; when all are in use a newcomer is of none, and is judged by fixed bounds only.
 *
 * Memory: 64 classes * 2 * 128 buckets * 4 bytes = 64 KiB.
 */
import type { Millis } from '../model.ts'
import { agentClass } from './agent-class.ts'
import { IdentityTable, OTHER_SLOT } from './identity-table.ts'

const CLASSES = 64
const CLASS_IDLE_MS = 3_600_000
const BUCKETS = 128
const BUCKETS_PER_OCTAVE = 8
/** Fewer say nothing about a p99; with 30 it is the largest seen. */
const WARM = 30
/** Counts are halved here: about the last two thousand workflows speak. */
const AGE_AT = 2048

export class WorkflowClasses {
  readonly #table = new IdentityTable({
    size: CLASSES,
    idleMs: CLASS_IDLE_MS,
    onEvict: (slot) => this.#clear(slot),
  })
  readonly #calls = new Uint32Array((CLASSES + 1) * BUCKETS)
  readonly #width = new Uint32Array((CLASSES + 1) * BUCKETS)
  readonly #totals = new Uint32Array(CLASSES + 1)
  /** 0 = not known yet. */
  readonly #callsP99 = new Float64Array(CLASSES + 1)
  readonly #widthP99 = new Float64Array(CLASSES + 1)

  /** The class of a workflow that begins; it stays what it is until `leave`. */
  join(agent: string, route: number, at: Millis): number {
    const slot = this.#table.slot(`${agentClass(agent)}>${route}`, at)
    this.#table.pin(slot)
    return slot
  }

  leave(slot: number): void {
    this.#table.unpin(slot)
  }

  /** A workflow of this class is over, and was an ordinary one. */
  absorb(slot: number, calls: number, width: number): void {
    if (slot === OTHER_SLOT || calls === 0) return
    count(this.#calls, slot, calls)
    count(this.#width, slot, width)
    let total = (this.#totals[slot] ?? 0) + 1
    if (total >= AGE_AT) {
      total = halve(this.#calls, slot)
      halve(this.#width, slot)
    }
    this.#totals[slot] = total
    if (total < WARM) return
    this.#callsP99[slot] = p99(this.#calls, slot, total)
    this.#widthP99[slot] = p99(this.#width, slot, total)
  }

  /** Calls that 99 of 100 workflows of the class stay within; 0 = too few seen to say. */
  callsP99(slot: number): number {
    return this.#callsP99[slot] ?? 0
  }

  /** Calls at once that 99 of 100 stay within; 0 = too few seen to say. */
  widthP99(slot: number): number {
    return this.#widthP99[slot] ?? 0
  }

  #clear(slot: number): void {
    this.#calls.fill(0, slot * BUCKETS, (slot + 1) * BUCKETS)
    this.#width.fill(0, slot * BUCKETS, (slot + 1) * BUCKETS)
    this.#totals[slot] = 0
    this.#callsP99[slot] = 0
    this.#widthP99[slot] = 0
  }
}

function count(histogram: Uint32Array, slot: number, value: number): void {
  const bucket = Math.min(BUCKETS - 1, Math.ceil(Math.log2(Math.max(1, value)) * BUCKETS_PER_OCTAVE))
  const index = slot * BUCKETS + bucket
  histogram[index] = (histogram[index] ?? 0) + 1
}

function halve(histogram: Uint32Array, slot: number): number {
  let total = 0
  for (let index = slot * BUCKETS; index < (slot + 1) * BUCKETS; index++) {
    const half = (histogram[index] ?? 0) >> 1
    histogram[index] = half
    total += half
  }
  return total
}

/** Upper bound of the bucket in which the 99th of 100 lies, whole. */
function p99(histogram: Uint32Array, slot: number, total: number): number {
  let left = total * 0.01
  for (let bucket = BUCKETS - 1; bucket >= 0; bucket--) {
    left -= histogram[slot * BUCKETS + bucket] ?? 0
    if (left < 0) return Math.floor(2 ** (bucket / BUCKETS_PER_OCTAVE))
  }
  return 1
}
