/**
 * The exact number of distinct members that did something in the last B ticks, per group. Each member is counted
 * in the bucket of its latest tick only: doing it again moves it there, so the sum of the live buckets is the
 * answer, without a sketch. O(1) per event, B reads per question.
 *
 * Memory: 4 bytes per group and member, 8 bytes per group and bucket.
 */
import type { Millis } from '../model.ts'

export interface DistinctWindowOptions {
  readonly groups: number
  readonly members: number
  readonly bucketMs: Millis
  readonly buckets: number
}

export class DistinctWindow {
  readonly #members: number
  readonly #bucketMs: Millis
  readonly #buckets: number
  /** Tick + 1 of each member's latest event; 0 = never. */
  readonly #latest: Uint32Array
  readonly #counts: Uint32Array
  readonly #stamps: Uint32Array

  constructor(options: DistinctWindowOptions) {
    this.#members = options.members
    this.#bucketMs = options.bucketMs
    this.#buckets = options.buckets
    this.#latest = new Uint32Array(options.groups * options.members)
    this.#counts = new Uint32Array(options.groups * options.buckets)
    this.#stamps = new Uint32Array(options.groups * options.buckets)
  }

  /** Bytes of the typed arrays; fixed from the constructor on. */
  get bytes(): number {
    return this.#latest.byteLength + this.#counts.byteLength + this.#stamps.byteLength
  }

  /** O(1). An event older than what its bucket holds by now is dropped. */
  add(group: number, member: number, at: Millis): void {
    const stamp = this.#stamp(at)
    const index = group * this.#members + member
    const latest = this.#latest[index] ?? 0
    if (latest >= stamp) return
    const bucket = group * this.#buckets + (stamp % this.#buckets)
    const held = this.#stamps[bucket] ?? 0
    if (held > stamp) return
    this.#leave(group, latest)
    if (held !== stamp) {
      this.#stamps[bucket] = stamp
      this.#counts[bucket] = 0
    }
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#latest[index] = stamp
  }

  count(group: number, now: Millis): number {
    const newest = this.#stamp(now)
    const first = group * this.#buckets
    let count = 0
    for (let bucket = first; bucket < first + this.#buckets; bucket++) {
      const stamp = this.#stamps[bucket] ?? 0
      if (stamp !== 0 && stamp <= newest && newest - stamp < this.#buckets) count += this.#counts[bucket] ?? 0
    }
    return count
  }

  /** Calls `visit` with each member of the group that is counted now. O(members). */
  each(group: number, now: Millis, visit: (member: number) => void): void {
    const newest = this.#stamp(now)
    const first = group * this.#members
    for (let member = 0; member < this.#members; member++) {
      const latest = this.#latest[first + member] ?? 0
      if (latest !== 0 && newest - latest < this.#buckets) visit(member)
    }
  }

  /** Whether this member is among those counted now. */
  has(group: number, member: number, now: Millis): boolean {
    const latest = this.#latest[group * this.#members + member] ?? 0
    return latest !== 0 && this.#stamp(now) - latest < this.#buckets
  }

  /** Start of the tick of the member's latest event; -1 = never. */
  latest(group: number, member: number): Millis {
    const latest = this.#latest[group * this.#members + member] ?? 0
    return latest === 0 ? -1 : (latest - 1) * this.#bucketMs
  }

  /** Takes a member out of one group, for the next owner of its slot. */
  forget(group: number, member: number): void {
    const index = group * this.#members + member
    this.#leave(group, this.#latest[index] ?? 0)
    this.#latest[index] = 0
  }

  /** Empties a group's window. */
  clear(group: number): void {
    this.#latest.fill(0, group * this.#members, (group + 1) * this.#members)
    this.#stamps.fill(0, group * this.#buckets, (group + 1) * this.#buckets)
  }

  /** Uncounts what is still counted; a bucket that has moved on holds nothing of that tick. */
  #leave(group: number, stamp: number): void {
    if (stamp === 0) return
    const bucket = group * this.#buckets + (stamp % this.#buckets)
    if (this.#stamps[bucket] === stamp) this.#counts[bucket] = (this.#counts[bucket] ?? 0) - 1
  }

  #stamp(at: Millis): number {
    return Math.floor(at / this.#bucketMs) + 1
  }
}
