/**
 * A log-linear histogram of milliseconds: 8 linear sub-buckets per octave from 1/16 ms to about 35 min, 200
 * buckets in all (the layout of HdrHistogram at 3 bits, Gil Tene, hdrhistogram.org). A bucket is at most 12.5 %
 * wide, so its middle is at most 6.3 % off. The index is read from the bits of the number as a 32-bit float
 * (IEEE 754: exponent, then the top 3 bits of the mantissa): no logarithm, no branch per octave.
 */
import type { Millis } from '../model.ts'

const SUB_BITS = 3
const MANTISSA_BITS = 23
const LOWEST_EXPONENT = -4
const OCTAVES = 25
const SHIFT = MANTISSA_BITS - SUB_BITS
const OFFSET = (127 + LOWEST_EXPONENT) << SUB_BITS

export const LATENCY_BUCKETS = OCTAVES << SUB_BITS

const asFloat = new Float32Array(1)
const asBits = new Uint32Array(asFloat.buffer)

/** log2 of the middle of each bucket. */
export const log2Middle: Readonly<Float32Array> = Float32Array.from(
  { length: LATENCY_BUCKETS },
  (_, bucket) => Math.log2((bucketFloorMs(bucket) + bucketFloorMs(bucket + 1)) / 2),
)

/** Bucket of a time. Below 1/16 ms (negative and NaN included) is the first bucket, past the range the last. */
export function latencyBucket(ms: Millis): number {
  if (!(ms > 0)) return 0
  asFloat[0] = ms
  const bucket = (asBits[0]! >>> SHIFT) - OFFSET
  return bucket < 0 ? 0 : bucket >= LATENCY_BUCKETS ? LATENCY_BUCKETS - 1 : bucket
}

/** The smallest time of a bucket in ms; 0 for the first, which also takes in all that is shorter. */
export function bucketFloorMs(bucket: number): Millis {
  if (bucket <= 0) return 0
  asBits[0] = (bucket + OFFSET) << SHIFT
  return asFloat[0]!
}

/**
 * The time below which share `p` (0..1) of `counts` lies, interpolated inside its bucket; 0 when `total` is 0.
 * `counts` has LATENCY_BUCKETS entries that add up to `total`.
 */
export function quantileOf(counts: ArrayLike<number>, total: number, p: number): Millis {
  if (!(total > 0)) return 0
  const rank = Math.min(Math.max(p, 0), 1) * total
  let below = 0
  let last = -1
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
    const count = counts[bucket]!
    if (count <= 0) continue
    if (below + count >= rank) return within(bucket, (rank - below) / count)
    below += count
    last = bucket
  }
  return last < 0 ? 0 : within(last, 1)
}

function within(bucket: number, share: number): Millis {
  const floor = bucketFloorMs(bucket)
  return floor + (bucketFloorMs(bucket + 1) - floor) * share
}

/** Counts of times, mergeable by addition. 800 bytes. */
export class LatencyHistogram {
  readonly counts = new Uint32Array(LATENCY_BUCKETS)
  #total = 0

  get total(): number {
    return this.#total
  }

  record(ms: Millis): void {
    this.counts[latencyBucket(ms)]!++
    this.#total++
  }

  add(other: LatencyHistogram): void {
    for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) this.counts[bucket]! += other.counts[bucket]!
    this.#total += other.#total
  }

  quantile(p: number): Millis {
    return quantileOf(this.counts, this.#total, p)
  }

  clear(): void {
    this.counts.fill(0)
    this.#total = 0
  }
}
