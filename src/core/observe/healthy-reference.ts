/**
 * The healthy reference of one upstream: its strata, what they make together, and how far the whole has moved from
 * its anchor. Learns only when told that the time was healthy.
 */
import type { Millis } from '../model.ts'
import type { Quantiles } from '../reading.ts'
import type { Baseline } from './baseline.ts'
import { LATENCY_BUCKETS, quantileOf } from './latency-histogram.ts'

/** A stratum judges nothing before it knows this many times: its median is then known to an eighth of a deviation. */
const LEAST_SAMPLES = 100

export class HealthyReference {
  readonly #each: (visit: (baseline: Baseline) => void) => void
  readonly #whole = new Float32Array(LATENCY_BUCKETS)
  #total = 0
  #level = 0

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

  absorb(): void {
    this.#each((baseline) => {
      if (baseline.total > 0 || baseline.pending >= LEAST_SAMPLES) baseline.absorb()
      if (baseline.anchorQ50 === 0) baseline.anchorQ50 = baseline.q50
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
    this.#each((baseline) => {
      baseline.anchorQ50 = baseline.q50
    })
    this.#level = 0
  }

  /** The next reference learned is the anchor. */
  forgetAnchor(): void {
    this.#each((baseline) => {
      baseline.anchorQ50 = 0
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
