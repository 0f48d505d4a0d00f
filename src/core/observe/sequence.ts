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
 * Memory: 152 bytes of a row per slot.
 */
import type { Millis } from '../model.ts'
import { SlotRows } from './slot-rows.ts'

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

/** Of a row, in 8 bytes: when the latest calls began, by place, and when one ended last. */
const STARTS = 0
const ENDED_AT = 4
/** In 4 bytes: counts; route and sizes by place; comparisons, gap and its deviation by lag; the usual pause. */
const EDGES = 10
const STARTED = 11
const ROUTES = 12
const REQUEST_BYTES = 16
const ANSWER_BYTES = 20
/** `same` in the lower 16 bits, `grew` in the upper. */
const COMPARED = 24
const GAP = 28
const GAP_OFF = 32
const PAUSE = 36

const SAME_BITS = 0xffff
const GREW = 0x1_0000
/** What is pushed out of neither half by one more. */
const KEPT_BITS = 0x7fff_7fff

export class Sequences {
  /** Width of its part of a row. */
  static readonly rowBytes = 152
  readonly #rows: SlotRows
  readonly #times: Float64Array
  readonly #counts: Uint32Array
  readonly #floats: Float32Array

  /** @param rows part of rows that belong to others too */
  constructor(slots: number, rows = SlotRows.of(slots, Sequences.rowBytes)) {
    this.#rows = rows
    this.#times = rows.doubles
    this.#counts = rows.words
    this.#floats = rows.floats
  }

  get bytes(): number {
    return this.#rows.bytes
  }

  /** A call begins; `alone` = none of this workflow was open. Feeds the cadence only. */
  start(slot: number, alone: boolean, at: Millis): void {
    const times = this.#rows.at8(slot)
    const record = this.#rows.at4(slot)
    const floats = this.#floats
    const started = this.#counts[record + STARTED]!
    for (let lag = 1; lag <= Math.min(LONGEST_PERIOD, started); lag++) {
      const gap = at - this.#times[times + STARTS + ((started - lag) % LONGEST_PERIOD)]!
      const mean = floats[record + GAP + lag - 1]!
      const off = floats[record + GAP_OFF + lag - 1]!
      if (mean === 0) {
        floats[record + GAP + lag - 1] = gap
        floats[record + GAP_OFF + lag - 1] = UNKNOWN_STEADINESS * gap
        continue
      }
      floats[record + GAP_OFF + lag - 1] = off + SMOOTHING * (Math.abs(gap - mean) - off)
      floats[record + GAP + lag - 1] = mean + SMOOTHING * (gap - mean)
    }
    this.#times[times + STARTS + (started % LONGEST_PERIOD)] = at
    this.#counts[record + STARTED] = started + 1
    const endedAt = this.#times[times + ENDED_AT]!
    const pause = alone && endedAt > 0 ? at - endedAt : 0
    floats[record + PAUSE]! += SMOOTHING * (pause - floats[record + PAUSE]!)
  }

  /** A call is over, in whatever way. */
  end(slot: number, at: Millis): void {
    this.#times[this.#rows.at8(slot) + ENDED_AT] = at
  }

  /** A call was answered. Sizes in bytes, as they turned out. */
  edge(slot: number, route: number, requestBytes: number, answerBytes: number): void {
    const counts = this.#counts
    const record = this.#rows.at4(slot)
    const edges = counts[record + EDGES]!
    for (let lag = 1; lag <= LONGEST_PERIOD; lag++) {
      const before = record + ((edges - lag + LONGEST_PERIOD) % LONGEST_PERIOD)
      const request = counts[before + REQUEST_BYTES]!
      const sameRoute = edges >= lag && counts[before + ROUTES] === route
      const sameSize =
        sameRoute && near(request, requestBytes) && near(counts[before + ANSWER_BYTES]!, answerBytes)
      const compared = (sameSize ? 1 : 0) + (sameRoute && requestBytes > request ? GREW : 0)
      const index = record + COMPARED + lag - 1
      counts[index] = ((counts[index]! & KEPT_BITS) << 1) | compared
    }
    const place = record + (edges % LONGEST_PERIOD)
    counts[place + ROUTES] = route
    counts[place + REQUEST_BYTES] = requestBytes
    counts[place + ANSWER_BYTES] = answerBytes
    counts[record + EDGES] = edges + 1
  }

  /** Period of the circle that this workflow runs in; 0 = none. A poller runs in one, too: see `isPolling`. */
  period(slot: number): number {
    const record = this.#rows.at4(slot)
    for (let period = 1; period <= LONGEST_PERIOD; period++) {
      const compared = this.#counts[record + COMPARED + period - 1]!
      const lately = (1 << Math.max(LATELY_SAME, 2 * period)) - 1
      if ((compared & lately) !== lately || ones(compared & SAME_BITS) < MOSTLY_SAME) continue
      if (!this.#grows(period, compared >>> COMPARISONS)) return period
    }
    return 0
  }

  /** Whether the latest calls are small, steady and apart in time. */
  isPolling(slot: number): boolean {
    const record = this.#rows.at4(slot)
    if (this.#floats[record + PAUSE]! < POLL_PAUSE_MS) return false
    let steady = false
    for (let lag = 1; lag <= LONGEST_PERIOD; lag++) {
      if (this.#counts[record + REQUEST_BYTES + lag - 1]! > POLL_BYTES) return false
      const gap = this.#floats[record + GAP + lag - 1]!
      steady ||= gap > 0 && this.#floats[record + GAP_OFF + lag - 1]! <= (STEADY / lag) * gap
    }
    return steady
  }

  /** Whether a call like this is the next step of the circle. `requestBytes` -1 = not known yet. */
  continues(slot: number, period: number, route: number, requestBytes: number): boolean {
    const record = this.#rows.at4(slot)
    const before = record + ((this.#counts[record + EDGES]! - period + LONGEST_PERIOD) % LONGEST_PERIOD)
    if (this.#counts[before + ROUTES] !== route) return false
    return requestBytes < 0 || near(this.#counts[before + REQUEST_BYTES]!, requestBytes)
  }

  clear(slot: number): void {
    const first = this.#rows.at4(slot)
    this.#counts.fill(0, first, first + Sequences.rowBytes / 4)
  }

  /** One place of the circle where the request is larger each time is a conversation. */
  #grows(period: number, grew: number): boolean {
    return (PLACES[period] ?? []).some((place) => ones(grew & place) >= GROWS_SHARE * ones(place))
  }
}

function near(one: number, other: number): boolean {
  return Math.abs(one - other) <= SIZE_TOLERANCE * Math.max(one, other)
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
