/**
 * The order of a workflow's answered calls: finds circles of one to four calls that repeat with the same sizes,
 * and tells them from two ordinary things that look alike.
 *
 * - A conversation: each turn sends the turns before it, so the request at one place of the circle keeps growing.
 * - A poller: small requests that start at a steady cadence with a pause between them (status of a job, MCP
 *   `tasks/get`); a run through a model or a tool has neither.
 *
 * A call is compared with the one 1, 2, 3 and 4 places before it; per distance, 16 bits each remember whether it
 * was the same (route, and sizes within 1 %) and whether the request grew. A circle of period p: the same in at
 * least 15 of 16 comparisons (90 %), and in the last max(5, 2p). Sixteen, because ten pages of one list look alike
 * too. Failed calls are no part of it: hammering is another story.
 *
 * Memory per slot: 148 bytes.
 */
import type { Millis } from '../model.ts'

export const LONGEST_PERIOD = 4

const COMPARISONS = 16
const MOSTLY_SAME = 15
const LATELY_SAME = 5
const SIZE_TOLERANCE = 0.01
/** Of the comparisons at one place of the circle; digits of a counter or a time grow less often. */
const GROWS_SHARE = 0.75

/** A poll carries an id, not content; an MCP `tasks/get` has about 150 bytes. */
const POLL_BYTES = 512
/**
 * Mean deviation over mean of the gaps to the call before; a p-th of it for the gaps to the p-th call before,
 * which average p pauses (several pollers in one workflow). Timers keep within a few percent; models and people
 * are at 0.4 and more.
 */
const STEADY = 0.2
const UNKNOWN_STEADINESS = 0.25
const POLL_PAUSE_MS = 100
/** Memory of about eight gaps. */
const SMOOTHING = 1 / 8

/** Bits of the comparisons that belong to place `k` of a circle of period `p`, newest first. */
const PLACES: readonly (readonly number[])[] = [[], ...[1, 2, 3, 4].map((period) => placesOf(period))]

export class Sequences {
  readonly #edges: Uint32Array
  readonly #routes: Int32Array
  readonly #requestBytes: Uint32Array
  readonly #answerBytes: Uint32Array
  readonly #same: Uint16Array
  readonly #grew: Uint16Array
  readonly #starts: Float64Array
  readonly #started: Uint32Array
  readonly #gap: Float32Array
  readonly #gapOff: Float32Array
  readonly #endedAt: Float64Array
  readonly #pause: Float32Array

  constructor(slots: number) {
    this.#edges = new Uint32Array(slots)
    this.#routes = new Int32Array(slots * LONGEST_PERIOD)
    this.#requestBytes = new Uint32Array(slots * LONGEST_PERIOD)
    this.#answerBytes = new Uint32Array(slots * LONGEST_PERIOD)
    this.#same = new Uint16Array(slots * LONGEST_PERIOD)
    this.#grew = new Uint16Array(slots * LONGEST_PERIOD)
    this.#starts = new Float64Array(slots * LONGEST_PERIOD)
    this.#started = new Uint32Array(slots)
    this.#gap = new Float32Array(slots * LONGEST_PERIOD)
    this.#gapOff = new Float32Array(slots * LONGEST_PERIOD)
    this.#endedAt = new Float64Array(slots)
    this.#pause = new Float32Array(slots)
  }

  get bytes(): number {
    const perPlace = [this.#routes, this.#requestBytes, this.#answerBytes, this.#same, this.#grew]
    const timing = [
      this.#starts,
      this.#started,
      this.#gap,
      this.#gapOff,
      this.#endedAt,
      this.#pause,
      this.#edges,
    ]
    return [...perPlace, ...timing].reduce((sum, array) => sum + array.byteLength, 0)
  }

  /** A call begins; `alone` = none of this workflow was open. Feeds the cadence only. */
  start(slot: number, alone: boolean, at: Millis): void {
    const started = this.#started[slot] ?? 0
    const base = slot * LONGEST_PERIOD
    for (let lag = 1; lag <= Math.min(LONGEST_PERIOD, started); lag++) {
      const gap = at - (this.#starts[base + ((started - lag) % LONGEST_PERIOD)] ?? 0)
      const index = base + lag - 1
      const mean = this.#gap[index] ?? 0
      if (mean === 0) {
        this.#gap[index] = gap
        this.#gapOff[index] = UNKNOWN_STEADINESS * gap
        continue
      }
      this.#gapOff[index] =
        (this.#gapOff[index] ?? 0) + SMOOTHING * (Math.abs(gap - mean) - (this.#gapOff[index] ?? 0))
      this.#gap[index] = mean + SMOOTHING * (gap - mean)
    }
    this.#starts[base + (started % LONGEST_PERIOD)] = at
    this.#started[slot] = started + 1
    const endedAt = this.#endedAt[slot] ?? 0
    const pause = alone && endedAt > 0 ? at - endedAt : 0
    this.#pause[slot] = (this.#pause[slot] ?? 0) + SMOOTHING * (pause - (this.#pause[slot] ?? 0))
  }

  /** A call is over, in whatever way. */
  end(slot: number, at: Millis): void {
    this.#endedAt[slot] = at
  }

  /** A call was answered. Sizes in bytes, as they turned out. */
  edge(slot: number, route: number, requestBytes: number, answerBytes: number): void {
    const edges = this.#edges[slot] ?? 0
    const base = slot * LONGEST_PERIOD
    for (let lag = 1; lag <= LONGEST_PERIOD; lag++) {
      const index = base + lag - 1
      const before = base + ((edges - lag + LONGEST_PERIOD) % LONGEST_PERIOD)
      const known = edges >= lag
      const request = this.#requestBytes[before] ?? 0
      const sameRoute = known && this.#routes[before] === route
      const sameSize =
        sameRoute && near(request, requestBytes) && near(this.#answerBytes[before] ?? 0, answerBytes)
      push(this.#same, index, sameSize)
      push(this.#grew, index, sameRoute && requestBytes > request)
    }
    const place = base + (edges % LONGEST_PERIOD)
    this.#routes[place] = route
    this.#requestBytes[place] = requestBytes
    this.#answerBytes[place] = answerBytes
    this.#edges[slot] = edges + 1
  }

  /** Period of the circle that this workflow runs in; 0 = none. A poller runs in one, too: see `isPolling`. */
  period(slot: number): number {
    const base = slot * LONGEST_PERIOD
    for (let period = 1; period <= LONGEST_PERIOD; period++) {
      const index = base + period - 1
      const same = this.#same[index] ?? 0
      const lately = (1 << Math.max(LATELY_SAME, 2 * period)) - 1
      if (ones(same) < MOSTLY_SAME || (same & lately) !== lately) continue
      if (!this.#grows(period, this.#grew[index] ?? 0)) return period
    }
    return 0
  }

  /** Whether the latest calls are small, steady and apart in time. */
  isPolling(slot: number): boolean {
    const base = slot * LONGEST_PERIOD
    if ((this.#pause[slot] ?? 0) < POLL_PAUSE_MS) return false
    let steady = false
    for (let lag = 1; lag <= LONGEST_PERIOD; lag++) {
      const place = base + lag - 1
      if ((this.#requestBytes[place] ?? 0) > POLL_BYTES) return false
      const gap = this.#gap[place] ?? 0
      steady ||= gap > 0 && (this.#gapOff[place] ?? 0) <= (STEADY / lag) * gap
    }
    return steady
  }

  /** Whether a call like this is the next step of the circle. `requestBytes` -1 = not known yet. */
  continues(slot: number, period: number, route: number, requestBytes: number): boolean {
    const base = slot * LONGEST_PERIOD
    const before = base + (((this.#edges[slot] ?? 0) - period + LONGEST_PERIOD) % LONGEST_PERIOD)
    if (this.#routes[before] !== route) return false
    return requestBytes < 0 || near(this.#requestBytes[before] ?? 0, requestBytes)
  }

  clear(slot: number): void {
    const base = slot * LONGEST_PERIOD
    this.#edges[slot] = 0
    this.#started[slot] = 0
    this.#pause[slot] = 0
    this.#endedAt[slot] = 0
    for (const array of [this.#same, this.#grew, this.#gap, this.#gapOff]) {
      array.fill(0, base, base + LONGEST_PERIOD)
    }
  }

  /** One place of the circle where the request is larger each time is a conversation. */
  #grows(period: number, grew: number): boolean {
    return (PLACES[period] ?? []).some((place) => ones(grew & place) >= GROWS_SHARE * ones(place))
  }
}

function near(one: number, other: number): boolean {
  return Math.abs(one - other) <= SIZE_TOLERANCE * Math.max(one, other)
}

function push(bits: Uint16Array, index: number, bit: boolean): void {
  bits[index] = ((bits[index] ?? 0) << 1) | (bit ? 1 : 0)
}

function ones(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1
  return count
}

function placesOf(period: number): number[] {
  const places: number[] = []
  for (let place = 0; place < period; place++) {
    let bits = 0
    for (let bit = place; bit < COMPARISONS; bit += period) bits |= 1 << bit
    places.push(bits)
  }
  return places
}
