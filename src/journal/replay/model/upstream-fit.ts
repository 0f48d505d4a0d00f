/**
 * A model of an upstream from what a journal saw of it: how long it takes when it is well, how many calls it was seen
 * to serve at once, and, five seconds by five seconds, how it was when it was not well. Everything here is read off the
 * outside: what it would have borne beyond what it was asked is not known.
 */
import { LatencyHistogram } from '../../../core/observe/latency-histogram.ts'
import type { Millis, SettlementKind } from '../../../core/model.ts'
import type { Phase, UpstreamShape } from './upstream-model.ts'

const BUCKET_MS: Millis = 5000
/** Fewer answers say nothing of the speed of their five seconds. */
const FEW = 5
/** Slower than this times its usual speed is not well; below this share of failures it is. */
const WELL_SLOWDOWN = 1.5
const WELL_FAILURES = 0.05
/** Nobody saw it with more calls at once than at its best: a little more is believed. */
const HEADROOM = 1.25
/** A standard normal's 90th percentile: q90 / q50 of a log-normal is exp(1.2816 sigma). */
const NORMAL_Q90 = 1.2816
/** Nothing was seen of a queue's end. */
const QUEUE = 10_000
/** What refuses within this had nobody behind the door; what takes longer hangs. */
const FAST_REFUSAL_MS: Millis = 1000
const REFUSING_SHARE = 0.1
const FAILING_SHARE = 0.02
const SILENT_SHARE = 0.5

interface Bucket {
  readonly latencies: LatencyHistogram
  sent: number
  ended: number
  dropped: number
  failed: number
  /** Failed without any answer, and how long that took. */
  silent: number
  silentMs: Millis
  adviceMs: Millis
  advised: number
  status: number
  peak: number
}

export interface FittedUpstream {
  readonly shape: UpstreamShape
  /** Five-second stretches with traffic, and those of them in which it was well. */
  readonly stretches: number
  readonly well: number
}

export class UpstreamFit {
  readonly #buckets = new Map<number, Bucket>()
  #inFlight = 0

  sent(at: Millis): void {
    this.#inFlight += 1
    const bucket = this.#bucket(at)
    bucket.sent += 1
    bucket.peak = Math.max(bucket.peak, this.#inFlight)
  }

  /** @param tookMs from sent to the head of a stream, or to the end */
  ended(at: Millis, kind: SettlementKind, status: number, tookMs: Millis, adviceMs: Millis): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1)
    const bucket = this.#bucket(at)
    if (kind === 'ignored' || kind === 'cancelled') return
    bucket.ended += 1
    if (kind === 'success') bucket.latencies.record(tookMs)
    if (kind === 'dropped') {
      bucket.dropped += 1
      if (adviceMs >= 0) {
        bucket.advised += 1
        bucket.adviceMs += adviceMs
      }
    }
    if (kind !== 'failure') return
    bucket.failed += 1
    if (status !== 0) bucket.status = status
    else {
      bucket.silent += 1
      bucket.silentMs += tookMs
    }
  }

  /** undefined = it answered too little for a model. */
  fit(): FittedUpstream | undefined {
    const buckets = [...this.#buckets.entries()].toSorted(([a], [b]) => a - b)
    const answering = buckets.filter(([, bucket]) => bucket.latencies.total >= FEW)
    if (answering.length === 0) return undefined
    const usual = lowerQuarter(answering.map(([, bucket]) => bucket.latencies.quantile(0.5)))
    const isWell = (bucket: Bucket): boolean =>
      bucket.latencies.total >= FEW &&
      bucket.latencies.quantile(0.5) <= WELL_SLOWDOWN * usual &&
      bucket.failed + bucket.dropped <= WELL_FAILURES * bucket.ended
    const well = buckets.filter(([, bucket]) => isWell(bucket))
    const healthy = new LatencyHistogram()
    for (const [, bucket] of well) healthy.add(bucket.latencies)
    const serviceMs = Math.max(1, healthy.quantile(0.5))
    const sigma = Math.max(0, Math.log(healthy.quantile(0.9) / serviceMs) / NORMAL_Q90)
    const meanMs = serviceMs * Math.exp(sigma ** 2 / 2)
    // Calls at once in nine of ten good stretches: the fullest of them may have been a queue.
    const peaks = well.map(([, bucket]) => bucket.peak).toSorted((a, b) => a - b)
    const usualPeak = peaks[Math.floor(0.9 * peaks.length)] ?? 1
    const servers = Math.max(1, Math.ceil(HEADROOM * usualPeak))
    const phases = buckets
      .filter(([, bucket]) => !isWell(bucket))
      .map(([index, bucket]) => phaseOf(index, bucket, { servers, serviceMs, meanMs }))
      .filter((phase) => phase !== undefined)
    return {
      shape: { servers, serviceMs, sigma, queue: QUEUE, phases },
      stretches: buckets.length,
      well: well.length,
    }
  }

  #bucket(at: Millis): Bucket {
    const index = Math.floor(at / BUCKET_MS)
    const known = this.#buckets.get(index)
    if (known !== undefined) return known
    const made: Bucket = {
      latencies: new LatencyHistogram(),
      sent: 0,
      ended: 0,
      dropped: 0,
      failed: 0,
      silent: 0,
      silentMs: 0,
      adviceMs: 0,
      advised: 0,
      status: 500,
      peak: this.#inFlight,
    }
    this.#buckets.set(index, made)
    return made
  }
}

function phaseOf(
  index: number,
  bucket: Bucket,
  { servers, serviceMs, meanMs }: { servers: number; serviceMs: Millis; meanMs: Millis },
): Phase | undefined {
  const times = { from: index * BUCKET_MS, until: (index + 1) * BUCKET_MS }
  const { ended, latencies, dropped, failed, silent } = bucket
  if (ended === 0) return bucket.sent === 0 ? undefined : { ...times, hang: true }
  if (silent >= SILENT_SHARE * ended) {
    return silentPhase(times, bucket.silentMs / silent)
  }
  const perSecond = (latencies.total * 1000) / BUCKET_MS
  if (dropped >= REFUSING_SHARE * ended) {
    const retryAfterMs = bucket.advised === 0 ? -1 : bucket.adviceMs / bucket.advised
    return { ...times, rateLimit: { perSecond: Math.max(0.2, perSecond), retryAfterMs } }
  }
  // With every place taken, what comes out tells the speed; a queue would be counted twice by the time that calls take.
  const isFull = bucket.peak >= servers && perSecond > 0
  const slow = isFull
    ? (servers * 1000) / perSecond / meanMs
    : latencies.total >= FEW
      ? latencies.quantile(0.5) / serviceMs
      : 1
  const errors =
    failed < FAILING_SHARE * ended ? {} : { errorRatio: failed / ended, errorStatus: bucket.status }
  return { ...times, slow: Math.max(1, slow), ...errors }
}

function silentPhase(times: { from: Millis; until: Millis }, tookMs: Millis): Phase {
  return tookMs < FAST_REFUSAL_MS ? { ...times, stopped: true } : { ...times, hang: true }
}

function lowerQuarter(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 4)] ?? 0
}
