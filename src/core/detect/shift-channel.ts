/**
 * One stream of normal scores (latency, or gaps between chunks) judged once a tick for a lasting shift, both ways.
 * Calls of one moment share their luck: the tick's samples (at most 20) count divided by the variance inflation,
 * which 30 s batch means of healthy times teach. Each side has three charts (CHARTS): a single one is slow for
 * large shifts or noisy for small ones. Their numbers were set by bench/drift.ts to one false alarm a day in all.
 */
import type { Millis } from '../model.ts'
import type { DriftThresholds } from '../policy.ts'
import { ShiftChart } from './shift-chart.ts'

const MOST_PER_TICK = 20
/** Factors on the policy's allowance, alarm and effect (as a power). */
const CHARTS = [
  /** Half a deviation, as the policy says. */
  { allowance: 1, alarm: 1, effect: 1, samples: 0 },
  /** Nearly a whole deviation, where it is a factor of 1.56. */
  { allowance: 1.8, alarm: 0.42, effect: 2, samples: 0 },
  /** Many calls at once: their typical factor is known well, and does the guarding. */
  { allowance: 2, alarm: 0.2, effect: 2, samples: 40 },
] as const
const BATCH_MS = 30_000
const LEAST_PER_BATCH = 5
/** Until so many batches are known the inflation is at least EARLY_INFLATION. */
const EARLY_BATCHES = 10
const EARLY_INFLATION = 8
const MOST_INFLATION = 200
/** Memory of the inflation, per batch: a half-life of 50 min; with 17 min there were twice the false alarms. */
const KEEP_BATCH = 0.993
/** log2 of a factor is clipped here: one stuck call is one vote. No chart asks for a typical factor past 6. */
export const MOST_EFFECT = 3
const MOST_LEAST_EFFECT = 2.5

type Charts = readonly [steady: ShiftChart, quick: ShiftChart, crowd: ShiftChart]

export class ShiftChannel {
  #slow: Charts
  #fast: Charts
  #score = 0
  #samples = 0
  #effect = 0
  #batchFrom = Number.NEGATIVE_INFINITY
  #batchScore = 0
  #batchSamples = 0
  #batches = 0
  #squares = 0
  #weight = 0
  #inflation = EARLY_INFLATION

  constructor(thresholds: DriftThresholds) {
    this.#slow = makeCharts(thresholds.allowance, thresholds.slowAlarm, Math.log2(thresholds.slowEffect))
    this.#fast = makeCharts(thresholds.allowance, thresholds.fastAlarm, -Math.log2(thresholds.fastEffect))
  }

  /** Other thresholds; the evidence stays. */
  adopt(thresholds: DriftThresholds): void {
    const before = [...this.#slow, ...this.#fast]
    this.#slow = makeCharts(thresholds.allowance, thresholds.slowAlarm, Math.log2(thresholds.slowEffect))
    this.#fast = makeCharts(thresholds.allowance, thresholds.fastAlarm, -Math.log2(thresholds.fastEffect))
    for (const [index, chart] of [...this.#slow, ...this.#fast].entries()) chart.inherit(before[index]!)
  }

  /** One sample: its normal score, and log2 of its factor over the healthy median. */
  add(score: number, log2Factor: number): void {
    this.#samples++
    this.#score += score
    this.#effect += log2Factor
  }

  /** Amends a sample that was already counted. */
  correct(score: number, log2Factor: number): void {
    this.#score += score
    this.#effect += log2Factor
  }

  /** Drops what came since the last tick. */
  skip(): void {
    this.#score = 0
    this.#samples = 0
    this.#effect = 0
  }

  /** Drops the evidence, keeps what is known of the noise. */
  rest(): void {
    this.skip()
    for (const chart of this.#slow) chart.rest()
    for (const chart of this.#fast) chart.rest()
  }

  /** Judges what came since the last tick. `healthy`: the noise may be learned from it. */
  tick(now: Millis, healthy: boolean): void {
    const samples = this.#samples
    if (samples > 0 || this.#score !== 0) {
      const mean = this.#score / Math.max(samples, 1)
      const effective = Math.min(Math.max(samples, 1) / this.#inflation, MOST_PER_TICK)
      for (const chart of this.#slow) chart.tick(mean, effective, samples, this.#effect)
      for (const chart of this.#fast) chart.tick(-mean, effective, samples, -this.#effect)
    }
    this.#batch(now, healthy)
    this.skip()
  }

  /** Evidence of slowing as a share of its alarm, 0..2. */
  get slow(): number {
    return evidence(this.#slow)
  }

  get fast(): number {
    return evidence(this.#fast)
  }

  get slowAlarming(): boolean {
    return alarming(this.#slow)
  }

  get fastAlarming(): boolean {
    return alarming(this.#fast)
  }

  get slowCalm(): boolean {
    return !alarming(this.#slow) && this.#slow[0].calm
  }

  get fastCalm(): boolean {
    return !alarming(this.#fast) && this.#fast[0].calm
  }

  get watching(): boolean {
    return this.#slow[0].watching || this.#fast[0].watching
  }

  /** Typical factor over the healthy median since the evidence of slowing began; 1 = as in health. */
  get slowdown(): number {
    return 2 ** this.#slow[0].effect
  }

  /** Variance inflation in force, 1..200. */
  get inflation(): number {
    return this.#inflation
  }

  #batch(now: Millis, healthy: boolean): void {
    if (healthy) {
      this.#batchScore += this.#score
      this.#batchSamples += this.#samples
    }
    const age = now - this.#batchFrom
    if (age < BATCH_MS) return
    this.#batchFrom = now
    if (healthy && age < 2 * BATCH_MS && this.#batchSamples >= LEAST_PER_BATCH) this.#learn()
    this.#batchScore = 0
    this.#batchSamples = 0
  }

  /** n x Var(batch mean), around 0 and not around the mean: a daily wave is noise to this test too. */
  #learn(): void {
    const mean = this.#batchScore / this.#batchSamples
    this.#squares = this.#squares * KEEP_BATCH + mean * mean * this.#batchSamples
    this.#weight = this.#weight * KEEP_BATCH + 1
    this.#batches++
    const least = this.#batches < EARLY_BATCHES ? EARLY_INFLATION : 1
    this.#inflation = Math.min(Math.max(this.#squares / this.#weight, least), MOST_INFLATION)
  }
}

function makeCharts(allowance: number, alarm: number, effect: number): Charts {
  const [steady, quick, crowd] = CHARTS.map(
    (by) =>
      new ShiftChart(
        allowance * by.allowance,
        alarm * by.alarm,
        Math.min(effect * by.effect, MOST_LEAST_EFFECT),
        by.samples,
      ),
  )
  return [steady!, quick!, crowd!]
}

function alarming(charts: Charts): boolean {
  return charts[0].alarming || charts[1].alarming || charts[2].alarming
}

/** The steady chart's evidence, at least 1 when any chart alarms. */
function evidence(charts: Charts): number {
  return alarming(charts) ? Math.max(charts[0].evidence, 1) : charts[0].evidence
}
