/**
 * Agents that hammer: one caller that tries the same failing thing again and again without a sane pause. Told
 * apart from a busy caller in an outage by two bounds that the ladders of real clients keep (`families.ts`):
 *
 *   retries >= 20 * (most calls that it had open at once, fading)   and   retries >= 0.85 * attempts
 *
 * in the last 16 s, or in the last 4 s, so that good calls just before do not hide a fast one.
 *
 * Ladders that are quick enough for the first bound are short: 5 tries of 0.2 s * 2^n make a share of 0.8, 6 of
 * 0.5 s * 2^n one of 0.83. Longer ones (7 or 11 tries) take minutes. The agents of block/buzz#5557 make 20 to 42
 * tries a second and never stop.
 *
 * Memory per agent: 64 bytes of window, 16 bytes of scalars.
 */
import type { AgentCondition, Millis } from '../model.ts'
import { CounterWindow, counterWindowBytes } from '../observe/counter-window.ts'
import { SlotRows } from '../observe/slot-rows.ts'

const ATTEMPTS = 0
const RETRIES = 1
const BUCKET_MS = 2000
const BUCKETS = 8
const NEWEST_BUCKETS = 2
const RATE_BUCKETS = 5
const HAMMERING_RETRIES = 20
const HAMMERING_SHARE = 0.85

/** One in a hundred calls fails on an ordinary day: a single retry is no condition. */
const RETRYING_RETRIES = 2

/** The widest that a caller was lately. Long enough for a ladder of 1 s * 2^n: its 7th try comes after 63 s. */
const PEAK_HALF_LIFE_MS = 60_000

/** Of a row: in 8 bytes the instant of the peak, then in 4 bytes each the peak and the calls open. */
const PEAK_AT = 0
const PEAK = 2
const OPEN = 3
const WINDOW_BYTES = counterWindowBytes(2, BUCKETS)

export class LoopDetector {
  /** Width of its parts of a row: scalars, and a window. */
  static readonly rowBytes = [16, WINDOW_BYTES] as const
  readonly #recent: CounterWindow
  readonly #rows: SlotRows
  readonly #times: Float64Array
  readonly #peaks: Float32Array
  readonly #opens: Uint32Array

  /**
   * @param agents one past the highest agent slot
   * @param rows parts of rows that belong to others too
   */
  constructor(agents: number, rows = SlotRows.shared(agents, LoopDetector.rowBytes)) {
    const [scalars, window] = rows
    if (scalars === undefined || window === undefined) throw new RangeError('rows has two parts')
    const kinds = { slots: agents, kinds: 2, bucketMs: BUCKET_MS, buckets: BUCKETS }
    this.#recent = new CounterWindow({ ...kinds, rows: window })
    this.#rows = scalars
    this.#times = scalars.doubles
    this.#peaks = scalars.floats
    this.#opens = scalars.words
  }

  get bytes(): number {
    return this.#recent.bytes + this.#rows.bytes
  }

  /** A call of this agent begins; `isRetry` as far as the inference is acted on. */
  attempt(agentSlot: number, isRetry: boolean, at: Millis): void {
    this.#recent.add(agentSlot, ATTEMPTS, at)
    if (isRetry) this.#recent.add(agentSlot, RETRIES, at)
    const record = this.#rows.at4(agentSlot)
    const open = (this.#opens[record + OPEN] ?? 0) + 1
    this.#opens[record + OPEN] = open
    if (open < this.#leastPeak(agentSlot, at)) return
    this.#peaks[record + PEAK] = Math.max(open, this.#peakOf(agentSlot, at))
    this.#times[this.#rows.at8(agentSlot) + PEAK_AT] = at
  }

  /** The call ended, in whatever way: once per `attempt`. */
  ended(agentSlot: number): void {
    const index = this.#rows.at4(agentSlot) + OPEN
    const open = this.#opens[index] ?? 0
    if (open > 0) this.#opens[index] = open - 1
  }

  condition(agentSlot: number, now: Millis): AgentCondition {
    const retries = this.#recent.sum(agentSlot, RETRIES, now)
    if (retries < RETRYING_RETRIES) return 'ordinary'
    if (retries < HAMMERING_RETRIES * Math.max(1, this.#leastPeak(agentSlot, now))) return 'retrying'
    const many = HAMMERING_RETRIES * Math.max(1, this.#peakOf(agentSlot, now))
    if (retries < many) return 'retrying'
    if (retries >= HAMMERING_SHARE * this.#recent.sum(agentSlot, ATTEMPTS, now)) return 'looping'
    const newest = this.#recent.sum(agentSlot, RETRIES, now, NEWEST_BUCKETS)
    const attempts = this.#recent.sum(agentSlot, ATTEMPTS, now, NEWEST_BUCKETS)
    return newest >= many && newest >= HAMMERING_SHARE * attempts ? 'looping' : 'retrying'
  }

  /** Attempts per second over the last 10 s. */
  callsPerSecond(agentSlot: number, now: Millis): number {
    const whole = this.#recent.sum(agentSlot, ATTEMPTS, now, RATE_BUCKETS)
    const further = this.#recent.sum(agentSlot, ATTEMPTS, now, RATE_BUCKETS + 1) - whole
    // The running bucket is not over: as much of the last one still counts.
    const missing = 1 - (now / BUCKET_MS - Math.floor(now / BUCKET_MS))
    return ((whole + missing * further) * 1000) / (RATE_BUCKETS * BUCKET_MS)
  }

  /** The slot gets another owner. */
  forget(agentSlot: number): void {
    this.#recent.clear(agentSlot)
    this.#opens[this.#rows.at4(agentSlot) + OPEN] = 0
    this.#peaks[this.#rows.at4(agentSlot) + PEAK] = 0
  }

  /** What it cannot have faded below: a line, which costs less than the curve above it. */
  #leastPeak(agentSlot: number, now: Millis): number {
    const age = now - (this.#times[this.#rows.at8(agentSlot) + PEAK_AT] ?? 0)
    return (this.#peaks[this.#rows.at4(agentSlot) + PEAK] ?? 0) * (1 - (Math.LN2 * age) / PEAK_HALF_LIFE_MS)
  }

  #peakOf(agentSlot: number, now: Millis): number {
    const age = now - (this.#times[this.#rows.at8(agentSlot) + PEAK_AT] ?? 0)
    return (this.#peaks[this.#rows.at4(agentSlot) + PEAK] ?? 0) * 2 ** (-age / PEAK_HALF_LIFE_MS)
  }
}
