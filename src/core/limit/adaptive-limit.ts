/**
 * The discovered limit of one upstream: how many calls it may have in flight while it is not well.
 *
 * Loss first: APIs with quotas say 429 long before they slow down. A loss of a call that was sent after the last
 * cut cuts again (x lossFactor), as one TCP window is cut once (RFC 5681, 3.2): losses of calls sent before the
 * cut say nothing new.
 *
 * Latency second. An upstream is slow for one of two reasons, and only one of them is cured by sending less: calls
 * queue up (half the calls, half the latency), or each call takes longer (half the calls, half the work, and the
 * latency stays). A cut tells them apart: it is judged by the calls that were sent after it, and taken back when
 * it did not help; what they took is then the `floor`, the time that the upstream takes as it is now. BBR (Cardwell
 * et al., ACM Queue 2016) measures its minimal round trip for the same reason. Latencies are factors over the
 * frozen healthy median of their class of calls: a reference that follows the drift would hide it (Gradient2 of
 * Netflix/concurrency-limits lets it).
 *
 *   factor > tolerance * floor : a cut by .7, to be judged
 *   otherwise                  : growth by that ratio, at most x 1.3 in half a second, plus sqrt(L) / 2
 *
 * Of an upstream that nobody knows yet no factor can be told. Losses cut its limit all the same, and answers that are none
 * bring it back to where it began, no further: who meets an upstream in trouble must not keep it there.
 *
 * Growth is slow around the limit at the last loss and fast elsewhere, as CUBIC climbs (RFC 9438). The concurrency
 * is never pinned down to measure a minimum, and does not grow on calls that nobody makes.
 */
import type { Millis } from '../model.ts'
import type { AdaptiveLimit as AdaptiveLimitPolicy } from '../policy.ts'

/** Netflix/concurrency-limits: ten samples, headroom of the square root. */
const SAMPLES = 10
const RING = 64
const HEADROOM = 0.5
/** A smaller cut would not show in ten samples whether it helped; a deeper one costs more when it did not. */
const CUT = 0.7
/** A cut of a queue shortens the latency by as much; this part of it is proof enough, given the noise. */
const HELPED = 0.4
/** A critical call or two may wait for the next answers; so many, as a part of the limit, wait for a higher limit. */
const STARVED = 0.5
const STEP_MS = 500
/** Refusals come back within a millisecond: without this a burst of them would cut again and again. */
const CUT_EVERY_MS = 250
/** Fastest growth per step: what arrives stays below 1.5 x the capacity even when the step was one too many. */
const GROWTH_MAX = 1.3
/** CUBIC's plateau begins somewhat below the last loss. */
const NEAR_LOSS = 0.9
/** What the upstream took so long ago may be over; BBR looks again for its minimum every ten seconds. */
const FLOOR_MS = 15_000
/** A quiet upstream's concurrency says little about what it bears: the least that its ceiling may be. */
const CEILING_MIN = 8

export class AdaptiveLimit {
  #policy: AdaptiveLimitPolicy
  #limit = Infinity
  #ceiling = Infinity
  /** The limit at the last loss; Infinity = none, or grown past since. */
  #lossLimit = Infinity
  #cutAt: Millis
  #changedAt: Millis
  /** Answers to calls sent before the last change was in force say nothing about it. */
  #freshFrom: Millis = Infinity
  readonly #ring = new Float64Array(RING)
  #samples = 0
  /** Answers of which nobody knows whether they were slow. */
  #unjudged = 0
  #startedAt = Infinity
  #wanted = SAMPLES
  #floor = 1
  /** When critical calls last waited for nothing but the next answers. */
  #servedAt: Millis = 0
  #floorAt: Millis = -Infinity
  /** Cuts under judgement: limit and factor before the last of them, and before the one before; limit 0 = none. */
  #last = { limit: 0, factor: 0 }
  #older = { limit: 0, factor: 0 }

  constructor(policy: AdaptiveLimitPolicy, at: Millis) {
    this.#policy = policy
    this.#cutAt = at
    this.#changedAt = at
  }

  /** Takes another policy; a running limit moves into the new bounds at once. */
  adopt(policy: AdaptiveLimitPolicy): void {
    this.#policy = policy
    if (this.running) this.#limit = this.#bounded(this.#limit)
  }

  /**
   * Starts to limit, at the usual concurrency of the healthy upstream; up to twice its highest. Where neither was
   * seen, from what is in flight. A running limit keeps its value. `wanted` samples make a median.
   */
  start(healthyMax: number, inFlight: number, at: Millis, usual = healthyMax, wanted = SAMPLES): void {
    if (this.running) return
    const most = healthyMax > 0 ? healthyMax : inFlight
    this.#ceiling = Math.max(2 * most, CEILING_MIN)
    this.#limit = this.#bounded(usual > 0 ? usual : most)
    this.#startedAt = this.#limit
    this.#lossLimit = Infinity
    this.#cutAt = -Infinity
    this.#wanted = Math.min(RING, Math.max(SAMPLES, Math.ceil(wanted)))
    this.#floor = 1
    this.#floorAt = -Infinity
    this.#judged()
    this.#changed(at)
  }

  /** Takes the limit that another replica found, who judges for all. */
  follow(limit: number): void {
    if (!this.running) return
    this.#ceiling = Math.max(this.#ceiling, limit)
    this.#limit = this.#bounded(limit)
  }

  /** Goes on at another scale, the fleet's or the own one: `limit` now, and up to twice the healthy peak there. */
  rescale(limit: number, healthyMax: number, at: Millis): void {
    if (!this.running) return
    this.#ceiling = Math.max(2 * healthyMax, CEILING_MIN, limit)
    this.#limit = this.#bounded(limit)
    this.#lossLimit = Infinity
    this.#judged()
    this.#changed(at)
  }

  /** The upstream is well: no limit. */
  stop(): void {
    this.#limit = Infinity
  }

  /**
   * A 429, 503 or timeout. `sentAt` is when the lost call was sent; without it one healthy median before, which
   * makes at most one cut per healthy median.
   */
  loss(at: Millis, healthyMedianMs: Millis, sentAt: Millis = at - healthyMedianMs): void {
    if (!this.running || sentAt <= this.#cutAt || at - this.#cutAt < Math.min(CUT_EVERY_MS, healthyMedianMs))
      return
    this.#cutAt = at
    this.#lossLimit = this.#limit
    this.#limit = this.#bounded(this.#limit * this.#policy.lossFactor)
    this.#judged()
    this.#changed(at)
  }

  /** A call sent at `sentAt` took `factor` times the healthy median of its class. */
  answered(factor: number, sentAt: Millis): void {
    if (sentAt < this.#freshFrom || !(factor > 0)) return
    this.#ring[this.#samples % RING] = factor
    this.#samples += 1
  }

  /** A call sent at `sentAt` was answered, and what it should have taken is not known. */
  answeredUnjudged(sentAt: Millis): void {
    if (sentAt >= this.#freshFrom) this.#unjudged += 1
  }

  /**
   * The latency part: looks whether enough answers are in for the next step. To be called a few times a second.
   * `critical` calls wait for a place: a cut is a trial, and they are not to pay for it.
   */
  tick(now: Millis, inFlight: number, critical = 0): void {
    if (!this.running) return
    if (critical < Math.max(2, STARVED * this.#limit)) this.#servedAt = now
    if (this.#last.limit > 0 && now - this.#servedAt >= STEP_MS) return this.#takeBack(this.#last.factor, now)
    if (this.#freshFrom === Infinity && inFlight <= this.value) this.#freshFrom = now
    if (now - this.#changedAt < STEP_MS) return
    // A small limit with slow calls would never see ten answers again.
    const wanted = Math.min(this.#wanted, Math.max(3, 2 * this.value))
    if (this.#samples < wanted) return this.#unjudged < wanted ? undefined : this.#restore(inFlight, now)
    const factor = this.#median()
    if (this.#last.limit > 0 && !this.#helped(factor, now)) return
    if (now - this.#floorAt > FLOOR_MS) this.#floor = 1
    this.#floor = Math.max(1, Math.min(this.#floor, factor))
    const ratio = (this.#policy.tolerance * this.#floor) / factor
    if (ratio < 1) this.#cut(factor, now)
    else this.#grow(ratio, inFlight, now)
  }

  get running(): boolean {
    return this.#limit !== Infinity
  }

  /** Calls that may be in flight at once, a whole number; Infinity when stopped. */
  get value(): number {
    return Math.floor(this.#limit)
  }

  /** Whether the last two cuts were worth it; if not they are taken back. */
  #helped(factor: number, now: Millis): boolean {
    const before = this.#before
    const cut = this.#limit / before.limit
    if (factor <= before.factor * (1 - HELPED * (1 - cut))) return true
    this.#takeBack(factor, now)
    return false
  }

  /** What was in force before the cuts under judgement. */
  get #before(): { limit: number; factor: number } {
    return this.#older.limit > 0 ? this.#older : this.#last
  }

  #takeBack(factor: number, now: Millis): void {
    this.#floor = Math.max(1, factor)
    this.#floorAt = now
    this.#limit = this.#bounded(this.#before.limit)
    this.#judged()
    this.#changed(now)
  }

  #cut(factor: number, now: Millis): void {
    this.#older = this.#last
    this.#last = { limit: this.#limit, factor }
    this.#limit = this.#bounded(this.#limit * CUT)
    this.#changed(now)
  }

  #grow(ratio: number, inFlight: number, now: Millis): void {
    this.#judged()
    if (inFlight < this.#limit / 2) return
    const limit = this.#limit
    const slow = limit + HEADROOM * Math.sqrt(limit)
    const plateau = NEAR_LOSS * this.#lossLimit
    const near = limit >= plateau && limit <= this.#lossLimit
    const fast = limit * Math.min(GROWTH_MAX, ratio)
    this.#limit = this.#bounded(
      near
        ? limit + 0.1 * Math.sqrt(limit)
        : Math.max(slow, limit < plateau ? Math.min(plateau, fast) : fast),
    )
    if (this.#limit > this.#lossLimit) this.#lossLimit = Infinity
    this.#changed(now)
    this.#freshFrom = now
  }

  /** Without a latency to judge by: losses are over, and what they took comes back. */
  #restore(inFlight: number, now: Millis): void {
    if (this.#limit >= this.#startedAt) return
    const before = this.#limit
    this.#grow(GROWTH_MAX, inFlight, now)
    this.#limit = Math.max(before, Math.min(this.#limit, this.#startedAt))
  }

  #judged(): void {
    this.#last = { limit: 0, factor: 0 }
    this.#older = this.#last
  }

  #changed(at: Millis): void {
    this.#changedAt = at
    this.#freshFrom = Infinity
    this.#samples = 0
    this.#unjudged = 0
  }

  #median(): number {
    const sorted = this.#ring.slice(0, Math.min(RING, this.#samples)).toSorted()
    return sorted[sorted.length >> 1]!
  }

  #bounded(limit: number): number {
    const { min, max } = this.#policy
    return Math.max(min, 1, Math.min(limit, max, this.#ceiling))
  }
}
