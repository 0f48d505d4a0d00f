/**
 * Is this call a retry, and the how manieth? From metadata alone (wire.md 8, algorithms.md 3(2)):
 * 1. header proof: an attempt number above 1, or an id of the logical call whose last try failed;
 * 2. structure: the same fingerprint comes back in the window in which its family retries, and a failure of that
 *    fingerprint is outstanding. The oldest such failure is spent, one failure for one retry;
 * 3. else it is none, however equal it looks: the same fingerprint in flight is a fan-out or a hedge, after a
 *    success it is a poll or a loop (repeated MCP calls after `InputRequired` too).
 *
 * Among equal calls in flight the matching may swap two of them; the count is right all the same. Only proof has
 * confidence 1: act on single calls above a threshold, count by the sum of confidences.
 */
import { familyOf } from '../families.ts'
import type { Arrival, Millis } from '../model.ts'
import { FailureCredits } from './failure-credits.ts'
import { RecentKeys } from './recent-keys.ts'
import { isRetriedStatus, retryWindow } from './retry-expectation.ts'

export interface Lineage {
  /** 1 = first. */
  attempt: number
  /** 0 to 1: that this is a retry. */
  confidence: number
  kind: 'first' | 'retry' | 'hedge' | 'resume' | 'poll'
}

/** What is known of a call that failed; `OpenCall` fits. */
export interface FailedCall {
  readonly fingerprint: number
  readonly onceKey: number
  readonly family: string
  /** `Lineage.attempt` of its arrival; without it, that of the latest arrival of the same fingerprint. */
  readonly attempt?: number
}

/** wire.md 8: nothing older tells anything; clients wait at most 60 s, and a call in between may take as long. */
const REMEMBERED_MS: Millis = 120_000

/**
 * Precision of structural hits: in the narrow window of a family 0.989 to 1 on the real clients (`bench -- retry`),
 * without one 0.68 or more (wire.md 8); in between by the width of the window, up to 30 s.
 */
const NARROW_CONFIDENCE = 0.99
const WIDE_CONFIDENCE = 0.7
const WIDE_MS: Millis = 30_000
/** algorithms.md 3(2): 0.6 at the most without a length. */
const UNKNOWN_LENGTH_FACTOR = 0.6 / NARROW_CONFIDENCE
/**
 * No retry of the SDK's own, by its word or by its nature: a loop around it at most. In a run of Node's fetch
 * without any retries, 30 of 1,101 misleading calls were hits of this kind. Counted by half, not acted on.
 */
const OUTER_CONFIDENCE = 0.5

/** A timer's gaps differ by less than this share of the period. */
const PERIOD_TOLERANCE = 0.15
/** Equal gaps after successes that make a poller. */
const STEADY_GAPS = 2
/** Only windows this wide are hit by pollers without meaning it; those of outer layers always are. */
const POLLER_WINDOW_MS: Millis = 2000

const OK = 1
const FAILED = 2

/** A record per fingerprint. In 8 bytes: the latest arrival, and the gap between arrivals after successes. */
const RECORD_8 = 3
const ARRIVED_AT = 0
const PERIOD = 1
/** In 2 bytes: counts; the outcome of the latest call; equal gaps in a row. */
const RECORD_2 = 12
const IN_FLIGHT = 8
const ATTEMPT = 9
const OUTCOME = 10
const STEADY = 11
const MOST_STEADY = 0xff

export class LineageTracker {
  readonly #calls: RecentKeys
  readonly #credits: FailureCredits
  /** Two views of the same records. */
  readonly #times: Float64Array
  readonly #counts: Uint16Array
  readonly #ids: RecentKeys
  readonly #idFailures: Uint8Array
  readonly #idAttempt: Uint16Array
  readonly #result: Lineage = { attempt: 1, confidence: 0, kind: 'first' }

  /** @param options `size`: fingerprints, ids of logical calls and failures remembered, each; about 120 bytes */
  constructor(options: { readonly size: number }) {
    this.#calls = new RecentKeys(options.size, REMEMBERED_MS, (slot) => this.#forgetCall(slot))
    const { capacity } = this.#calls
    this.#credits = new FailureCredits(capacity, capacity)
    this.#times = new Float64Array(capacity * RECORD_8)
    this.#counts = new Uint16Array(this.#times.buffer)
    this.#ids = new RecentKeys(options.size, REMEMBERED_MS, (slot) => this.#forgetId(slot))
    this.#idFailures = new Uint8Array(this.#ids.capacity)
    this.#idAttempt = new Uint16Array(this.#ids.capacity)
  }

  /** Failures that no retry has followed yet. */
  get outstanding(): number {
    return this.#credits.outstanding
  }

  /** Places one arrival. The result is reused by the next call. */
  arrive(arrival: Arrival, at: Millis): Lineage {
    const { fingerprint, onceKey } = arrival
    if (fingerprint === 0) return this.#answer('first', Math.max(1, arrival.attempt), 0)
    const slot = this.#calls.claim(fingerprint, at)
    const isKnown = this.#calls.wasKnown
    const id = onceKey === 0 ? -1 : this.#ids.claim(onceKey, at)
    const result = this.#place(arrival, slot, id, isKnown, at)
    this.#keepRhythm(slot, isKnown, at)
    const record = slot * RECORD_2
    this.#counts[record + IN_FLIGHT] = Math.min(0xffff, this.#counts[record + IN_FLIGHT]! + 1)
    this.#counts[record + ATTEMPT] = Math.min(0xffff, result.attempt)
    if (id !== -1) this.#idAttempt[id] = Math.min(0xffff, result.attempt)
    return result
  }

  /**
   * A call ended without the answer that it wanted: refused by the upstream or by Weir, broken, or left by its
   * client while it waited (status 0). One failure is good for one retry.
   *
   * @param adviceMs Retry-After that the client was told; -1 = none
   */
  failed(call: FailedCall, status: number, adviceMs: Millis, at: Millis): void {
    if (call.fingerprint === 0) return
    const slot = this.#calls.claim(call.fingerprint, at)
    this.#ended(slot, FAILED)
    if (!isRetriedStatus(status)) return
    if (call.onceKey !== 0) {
      const id = this.#ids.claim(call.onceKey, at)
      this.#idFailures[id] = Math.min(0xff, this.#idFailures[id]! + 1)
    }
    const attempt = Math.max(1, call.attempt ?? this.#counts[slot * RECORD_2 + ATTEMPT]!)
    const window = retryWindow(familyOf(call.family), attempt, status, adviceMs, at)
    if (window !== undefined) this.#credits.add(slot, attempt, window, at)
  }

  /** A call ended in any other way. */
  settledOk(fingerprint: number, at: Millis): void {
    const slot = fingerprint === 0 ? -1 : this.#calls.find(fingerprint, at)
    if (slot !== -1) this.#ended(slot, OK)
  }

  #place(arrival: Arrival, slot: number, id: number, isKnown: boolean, at: Millis): Lineage {
    if (arrival.attempt > 1) {
      this.#spendId(id)
      this.#credits.spendOldest(slot)
      return this.#answer('retry', arrival.attempt, 1)
    }
    if (this.#spendId(id)) {
      this.#credits.spendOldest(slot)
      return this.#answer('retry', this.#idAttempt[id]! + 1, 1)
    }
    if (arrival.attempt === 0 && !this.#isPollDue(arrival, slot, at)) {
      const { countsAttempts, backoffIsGuess } = familyOf(arrival.family)
      if (this.#credits.spend(slot, countsAttempts === true, at)) {
        const isOuter = countsAttempts === true || backoffIsGuess === true
        const confidence = isOuter ? OUTER_CONFIDENCE : structuralConfidence(this.#credits.widthMs)
        const sure = arrival.bytes < 0 ? confidence * UNKNOWN_LENGTH_FACTOR : confidence
        return this.#answer('retry', this.#credits.attempt + 1, sure)
      }
    }
    if (arrival.longLived) return this.#answer(isKnown ? 'resume' : 'first', 1, 0)
    const record = slot * RECORD_2
    if (this.#counts[record + IN_FLIGHT]! > 0) return this.#answer('hedge', 1, 0)
    return this.#answer(this.#counts[record + OUTCOME] === OK ? 'poll' : 'first', 1, 0)
  }

  /** Spends one failure of a logical call that is known by its id. */
  #spendId(id: number): boolean {
    if (id === -1 || this.#idFailures[id] === 0) return false
    this.#idFailures[id]! -= 1
    return true
  }

  /** Comes at the time at which it would have come anyway: a poller whose last poll failed. */
  #isPollDue(arrival: Arrival, slot: number, at: Millis): boolean {
    if (this.#counts[slot * RECORD_2 + STEADY]! < STEADY_GAPS) return false
    const { backoff, countsAttempts } = familyOf(arrival.family)
    const [low, high] = backoff(this.#counts[slot * RECORD_2 + ATTEMPT]!)
    if (countsAttempts !== true && high - low < POLLER_WINDOW_MS) return false
    const period = this.#times[slot * RECORD_8 + PERIOD]!
    const gap = at - this.#times[slot * RECORD_8 + ARRIVED_AT]!
    return Math.abs(gap - period) <= period * PERIOD_TOLERANCE
  }

  #keepRhythm(slot: number, isKnown: boolean, at: Millis): void {
    const times = slot * RECORD_8
    const counts = slot * RECORD_2
    const gap = at - this.#times[times + ARRIVED_AT]!
    this.#times[times + ARRIVED_AT] = at
    if (!isKnown || this.#counts[counts + OUTCOME] !== OK) return
    const isSteady = Math.abs(gap - this.#times[times + PERIOD]!) <= gap * PERIOD_TOLERANCE
    this.#counts[counts + STEADY] = isSteady ? Math.min(MOST_STEADY, this.#counts[counts + STEADY]! + 1) : 1
    this.#times[times + PERIOD] = gap
  }

  #ended(slot: number, outcome: number): void {
    const record = slot * RECORD_2
    if (this.#counts[record + IN_FLIGHT]! > 0) this.#counts[record + IN_FLIGHT]! -= 1
    this.#counts[record + OUTCOME] = outcome
  }

  #answer(kind: Lineage['kind'], attempt: number, confidence: number): Lineage {
    this.#result.kind = kind
    this.#result.attempt = attempt
    this.#result.confidence = confidence
    return this.#result
  }

  #forgetCall(slot: number): void {
    this.#credits.clear(slot)
    const record = slot * RECORD_2
    this.#counts[record + IN_FLIGHT] = 0
    this.#counts[record + ATTEMPT] = 0
    this.#counts[record + OUTCOME] = 0
    this.#counts[record + STEADY] = 0
    this.#times[slot * RECORD_8 + PERIOD] = 0
  }

  #forgetId(slot: number): void {
    this.#idFailures[slot] = 0
    this.#idAttempt[slot] = 0
  }
}

function structuralConfidence(widthMs: Millis): number {
  return NARROW_CONFIDENCE - (NARROW_CONFIDENCE - WIDE_CONFIDENCE) * Math.min(1, widthMs / WIDE_MS)
}
