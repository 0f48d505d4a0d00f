/** How small whole numbers are spread: exact up to 1,023, above that only the largest is known. */
const EXACT = 1024

export interface SpreadBin {
  /** Both included. */
  readonly from: number
  readonly to: number
  readonly count: number
}

export interface SpreadFindings {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** 1, 2, 3-4, 5-8, ...; the last one reaches to the maximum. */
  readonly bins: readonly SpreadBin[]
}

export class CountSpread {
  readonly #counts = new Float64Array(EXACT + 1)
  #total = 0
  #max = 0

  add(value: number): void {
    this.#counts[Math.min(EXACT, Math.max(0, value))]! += 1
    this.#total += 1
    if (value > this.#max) this.#max = value
  }

  findings(): SpreadFindings {
    return {
      count: this.#total,
      p50: this.#quantile(0.5),
      p99: this.#quantile(0.99),
      max: this.#max,
      bins: this.#bins(),
    }
  }

  #quantile(p: number): number {
    let below = 0
    for (let value = 0; value < EXACT; value++) {
      below += this.#counts[value]!
      if (below > 0 && below >= p * this.#total) return value
    }
    return this.#max
  }

  #bins(): SpreadBin[] {
    const bins: SpreadBin[] = []
    for (let from = 1, to = 1; from <= Math.min(this.#max, EXACT - 1); from = to + 1, to *= 2) {
      let count = 0
      for (let value = from; value <= Math.min(to, EXACT - 1); value++) count += this.#counts[value]!
      bins.push({ from, to: Math.min(to, EXACT - 1), count })
    }
    if (this.#max >= EXACT) bins.push({ from: EXACT, to: this.#max, count: this.#counts[EXACT]! })
    return bins
  }
}
