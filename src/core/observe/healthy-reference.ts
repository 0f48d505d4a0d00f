/**
 * The healthy reference of one upstream: its strata, what they make together, and how far the whole has moved from
 * its anchor. Learns only when told that the time was healthy.
 */
import type { Millis } from '../model.ts'
import type { Quantiles } from '../reading.ts'
import { LEAST_SAMPLES, type Baseline } from './baseline.ts'
import { LATENCY_BUCKETS, quantileOf } from './latency-histogram.ts'

/** Samples of other replicas stand for own ones only so far: of fewer than a dozen the median is any number. */
const MOST_BACKING = 8

export class HealthyReference {
  readonly #each: (visit: (baseline: Baseline) => void) => void
  readonly #whole = new Float32Array(LATENCY_BUCKETS)
  #total = 0
  #level = 0
  #backing = 1

  constructor(each: (visit: (baseline: Baseline) => void) => void) {
    this.#each = each
  }

  /** Quantile of healthy times of the upstream as a whole, in ms; 0 = not known. */
  quantile(p: number): Millis {
    return quantileOf(this.#whole, this.#total, p)
  }

  quantiles(): Quantiles {
    return { p50: this.quantile(0.5), p90: this.quantile(0.9), p99: this.quantile(0.99) }
  }

  /** Natural logarithm of the typical healthy median over the anchor's. */
  get level(): number {
    return this.#level
  }

  get known(): boolean {
    return this.#total > 0
  }

  /** What it is made of, in samples; before that, what waits to be. */
  get samples(): number {
    if (this.known) return this.#total
    let pending = 0
    this.#each((baseline) => {
      pending += baseline.pending
    })
    return pending
  }

  /** Samples of all replicas for each one here, 1..MOST_BACKING; 1 = nobody else knows the upstream. */
  get backing(): number {
    return this.#backing
  }

  /**
   * Other replicas know `elsewhere` samples of the upstream. Theirs never enter this reference, they only make up for
   * their number: at most as many for each one here as there are replicas, as if all had seen as much.
   */
  back(elsewhere: number, replicas: number): void {
    const { samples } = this
    const most = Math.min(Math.max(1, replicas), MOST_BACKING)
    this.#backing = samples > 0 ? Math.min(most, 1 + elsewhere / samples) : 1
  }

  absorb(): void {
    this.#each((baseline) => {
      const isEnough = baseline.pending * this.#backing >= LEAST_SAMPLES
      if (baseline.total > 0 || isEnough) baseline.absorb(this.#backing)
      if (baseline.anchorTotal < LEAST_SAMPLES) pin(baseline)
    })
    this.#sum()
  }

  discard(): void {
    this.#each((baseline) => baseline.discard())
  }

  /** Forgets all but the anchor. */
  restart(): void {
    this.#each((baseline) => baseline.restart())
    this.#sum()
  }

  pinAnchor(): void {
    this.#each(pin)
    this.#level = 0
  }

  /** The next reference learned is the anchor. */
  forgetAnchor(): void {
    this.#each((baseline) => {
      baseline.anchorQ50 = 0
      baseline.anchorTotal = 0
    })
  }

  #sum(): void {
    this.#whole.fill(0)
    this.#total = 0
    let level = 0
    this.#each((baseline) => {
      if (baseline.total === 0) return
      for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        const count = baseline.counts[bucket]!
        this.#whole[bucket]! += count
        this.#total += count
      }
      level += baseline.total * Math.log(baseline.q50 / baseline.anchorQ50)
    })
    this.#level = this.#total > 0 ? level / this.#total : 0
  }
}

function pin(baseline: Baseline): void {
  baseline.anchorQ50 = baseline.q50
  baseline.anchorTotal = baseline.total
}
