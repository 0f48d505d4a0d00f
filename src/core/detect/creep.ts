/**
 * Creep: a rise too slow for a CUSUM whose reference learns. Levels (medians over the anchor's) are kept one a
 * minute; a rise is believed when Mann-Kendall's test finds a trend (one-sided p < 0.01) and Theil-Sen's slope
 * makes at least 15 % over the half hour. Against the pinned anchor, 1.5 times is too much however it came.
 */

/** Most points that the scratch space holds: 30 minutes. */
const MOST_POINTS = 30
/** Standard normal quantile of 0.99. */
const SIGNIFICANT = 2.326
const LEAST_RISE = 1.15
const MOST_OVER_ANCHOR = 1.5
const LEAST_POINTS = 15

const slopes = new Float64Array((MOST_POINTS * (MOST_POINTS - 1)) / 2)

/**
 * Mann-Kendall's trend statistic as a normal score: above 2.33 the series rises with p < 0.01. No correction for
 * ties (they only make it more careful). 0 below 4 points.
 */
export function mannKendall(values: Float64Array, count: number): number {
  if (count < 4) return 0
  let sum = 0
  for (let i = 0; i < count - 1; i++) {
    for (let j = i + 1; j < count; j++) sum += Math.sign(values[j]! - values[i]!)
  }
  const deviation = Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18)
  return sum === 0 ? 0 : (sum - Math.sign(sum)) / deviation
}

/** Theil-Sen: the median of the slopes of all pairs, per step. 0 below 2 points; at most 30 points. */
export function theilSen(values: Float64Array, count: number): number {
  if (count > MOST_POINTS)
    throw new RangeError(`theilSen: ${count} points; at most ${MOST_POINTS} are allowed`)
  if (count < 2) return 0
  let pairs = 0
  for (let i = 0; i < count - 1; i++) {
    for (let j = i + 1; j < count; j++) slopes[pairs++] = (values[j]! - values[i]!) / (j - i)
  }
  const sorted = slopes.subarray(0, pairs).toSorted()
  const middle = pairs >> 1
  return pairs % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** A ring of the latest logarithmic levels, oldest first when read. */
export class LevelTrail {
  readonly #ring: Float64Array
  readonly #ordered: Float64Array
  #next = 0
  #count = 0

  constructor(points: number = MOST_POINTS) {
    this.#ring = new Float64Array(points)
    this.#ordered = new Float64Array(points)
  }

  get count(): number {
    return this.#count
  }

  get full(): boolean {
    return this.#count === this.#ring.length
  }

  push(logLevel: number): void {
    this.#ring[this.#next] = logLevel
    this.#next = (this.#next + 1) % this.#ring.length
    if (this.#count < this.#ring.length) this.#count++
  }

  clear(): void {
    this.#next = 0
    this.#count = 0
  }

  /** The array is reused by the next call; `count` entries are valid. */
  ordered(): Float64Array {
    const size = this.#ring.length
    for (let i = 0; i < this.#count; i++) {
      this.#ordered[i] = this.#ring[(this.#next - this.#count + i + size) % size]!
    }
    return this.#ordered
  }

  /** Largest over smallest level, as a factor; 1 when empty. */
  spread(): number {
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    for (let i = 0; i < this.#count; i++) {
      least = Math.min(least, this.#ring[i]!)
      most = Math.max(most, this.#ring[i]!)
    }
    return this.#count === 0 ? 1 : Math.exp(most - least)
  }
}

/** Whether the levels of the last half hour, one a minute, rise steadily. */
export function rises(trail: LevelTrail): boolean {
  if (trail.count < LEAST_POINTS) return false
  const levels = trail.ordered()
  if (mannKendall(levels, trail.count) < SIGNIFICANT) return false
  return theilSen(levels, trail.count) * MOST_POINTS >= Math.log(LEAST_RISE)
}

/** Whether the healthy level has left its anchor, however slowly. */
export function leftAnchor(overAnchor: number): boolean {
  return overAnchor >= MOST_OVER_ANCHOR
}
