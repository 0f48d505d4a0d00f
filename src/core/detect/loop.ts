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
import { CounterWindow } from '../observe/counter-window.ts'

const ATTEMPTS = 0
const RETRIES = 1
const BUCKET_MS = 2000
const BUCKETS = 8
const NEWEST_BUCKETS = 2
const HAMMERING_RETRIES = 20
const HAMMERING_SHARE = 0.85

/** One in a hundred calls fails on an ordinary day: a single retry is no condition. */
const RETRYING_RETRIES = 2

/** The widest that a caller was lately. Long enough for a ladder of 1 s * 2^n: its 7th try comes after 63 s. */
const PEAK_HALF_LIFE_MS = 60_000

export class LoopDetector {
  readonly #recent: CounterWindow
  readonly #open: Int32Array
  readonly #peak: Float32Array
  readonly #peakAt: Float64Array

  /** @param agents one past the highest agent slot */
  constructor(agents: number) {
    this.#recent = new CounterWindow({ slots: agents, kinds: 2, bucketMs: BUCKET_MS, buckets: BUCKETS })
    this.#open = new Int32Array(agents)
    this.#peak = new Float32Array(agents)
    this.#peakAt = new Float64Array(agents)
  }

  get bytes(): number {
    return this.#recent.bytes + this.#open.byteLength + this.#peak.byteLength + this.#peakAt.byteLength
  }

  /** A call of this agent begins; `isRetry` as far as the inference is acted on. */
  attempt(agentSlot: number, isRetry: boolean, at: Millis): void {
    this.#recent.add(agentSlot, ATTEMPTS, at)
    if (isRetry) this.#recent.add(agentSlot, RETRIES, at)
    const open = (this.#open[agentSlot] ?? 0) + 1
    this.#open[agentSlot] = open
    this.#peak[agentSlot] = Math.max(open, this.#peakOf(agentSlot, at))
    this.#peakAt[agentSlot] = at
  }

  /** The call ended, in whatever way: once per `attempt`. */
  ended(agentSlot: number): void {
    const open = this.#open[agentSlot] ?? 0
    if (open > 0) this.#open[agentSlot] = open - 1
  }

  condition(agentSlot: number, now: Millis): AgentCondition {
    const retries = this.#recent.sum(agentSlot, RETRIES, now)
    if (retries < RETRYING_RETRIES) return 'ordinary'
    const many = HAMMERING_RETRIES * Math.max(1, this.#peakOf(agentSlot, now))
    if (retries < many) return 'retrying'
    if (retries >= HAMMERING_SHARE * this.#recent.sum(agentSlot, ATTEMPTS, now)) return 'looping'
    const newest = this.#recent.sum(agentSlot, RETRIES, now, NEWEST_BUCKETS)
    const attempts = this.#recent.sum(agentSlot, ATTEMPTS, now, NEWEST_BUCKETS)
    return newest >= many && newest >= HAMMERING_SHARE * attempts ? 'looping' : 'retrying'
  }

  /** The slot gets another owner. */
  forget(agentSlot: number): void {
    this.#recent.clear(agentSlot)
    this.#open[agentSlot] = 0
    this.#peak[agentSlot] = 0
  }

  #peakOf(agentSlot: number, now: Millis): number {
    const age = now - (this.#peakAt[agentSlot] ?? 0)
    return (this.#peak[agentSlot] ?? 0) * 2 ** (-age / PEAK_HALF_LIFE_MS)
  }
}
