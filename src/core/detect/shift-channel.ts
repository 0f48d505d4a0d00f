/**
 * One stream of normal scores (latency, or gaps between chunks) judged once a tick for a lasting shift, both ways.
 * Calls of one moment share their luck: the tick's samples (at most 20) count divided by the variance inflation, and
 * what the level does by itself is no alarm (healthy-noise.ts). Each side has three charts (CHARTS): a single one is slow for
 * large shifts or noisy for small ones. Their numbers were set by bench/drift.ts to one false alarm a day in all.
 */
import type { Millis } from '../model.ts'
import type { DriftThresholds } from '../policy.ts'
import { HealthyNoise } from './healthy-noise.ts'
import { ShiftChart } from './shift-chart.ts'

const MOST_PER_TICK = 20
/** Factors on the policy's allowance, alarm and effect (as a power). */
const CHARTS = [
  /** Half a deviation, as the policy says. */
  { allowance: 1, alarm: 1, effect: 1, samples: 0 },
  /** Nearly a whole deviation, where it is a factor of 1.56. */
  { allowance: 1.8, alarm: 0.4, effect: 2, samples: 0 },
  /** Many calls at once: their typical factor is known well, and does the guarding. */
  { allowance: 2, alarm: 0.2, effect: 2, samples: 40 },
] as const
/** No chart asks for a typical factor past 6, whatever the policy says. */
const MOST_LEAST_EFFECT = 2.5

type Charts = readonly [steady: ShiftChart, quick: ShiftChart, crowd: ShiftChart]

export class ShiftChannel {
  readonly #noise = new HealthyNoise()
  #slow: Charts
  #fast: Charts
  #score = 0
  #samples = 0
  #effect = 0
  /** Since start, of this replica alone: what it tells the others. */
  readonly told = { scored: 0, scores: 0, effects: 0 }

  constructor(thresholds: DriftThresholds) {
    this.#slow = makeCharts(
      thresholds.allowance,
      thresholds.slowAlarm,
      Math.log2(thresholds.slowEffect),
      this.#noise,
    )
    this.#fast = makeCharts(
      thresholds.allowance,
      thresholds.fastAlarm,
      -Math.log2(thresholds.fastEffect),
      this.#noise,
    )
  }

  /** Other thresholds; the evidence stays. */
  adopt(thresholds: DriftThresholds): void {
    const before = [...this.#slow, ...this.#fast]
    this.#slow = makeCharts(
      thresholds.allowance,
      thresholds.slowAlarm,
      Math.log2(thresholds.slowEffect),
      this.#noise,
    )
    this.#fast = makeCharts(
      thresholds.allowance,
      thresholds.fastAlarm,
      -Math.log2(thresholds.fastEffect),
      this.#noise,
    )
    for (const [index, chart] of [...this.#slow, ...this.#fast].entries()) chart.inherit(before[index]!)
  }

  /** One sample: its normal score, and log2 of its factor over the healthy median. */
  add(score: number, log2Factor: number): void {
    this.#samples++
    this.told.scored += 1
    this.correct(score, log2Factor)
  }

  /** Samples of other replicas, together: judged as if they had been taken here. */
  hear(scored: number, scores: number, effects: number): void {
    this.#samples += scored
    this.#score += scores
    this.#effect += effects
  }

  /** Amends a sample that was already counted. */
  correct(score: number, log2Factor: number): void {
    this.told.scores += score
    this.told.effects += log2Factor
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

  /** Judges what came since the last tick. `healthy`, `alarmed`: what the noise may be learned from. */
  tick(now: Millis, healthy: boolean, alarmed: boolean): void {
    const samples = this.#samples
    if (samples > 0 || this.#score !== 0) {
      const mean = this.#score / Math.max(samples, 1)
      const effective = Math.min(Math.max(samples, 1) / this.#noise.inflation, MOST_PER_TICK)
      for (const chart of this.#slow) chart.tick(mean, effective, samples, this.#effect)
      for (const chart of this.#fast) chart.tick(-mean, effective, samples, -this.#effect)
    }
    this.#noise.tick(now, this.#score, samples, this.#effect, healthy, alarmed)
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
    return 2 ** this.slowEffect
  }

  /** log2 of the typical factor since the evidence of slowing began; 0 = as in health. */
  get slowEffect(): number {
    return this.#slow[0].effect
  }

  /** The same of speeding up, above 0. */
  get fastEffect(): number {
    return this.#fast[0].effect
  }

  /** Variance inflation in force, 1..200. */
  get inflation(): number {
    return this.#noise.inflation
  }
}

function makeCharts(allowance: number, alarm: number, effect: number, noise: HealthyNoise): Charts {
  const [steady, quick, crowd] = CHARTS.map(
    (by) =>
      new ShiftChart(
        allowance * by.allowance,
        alarm * by.alarm,
        Math.min(effect * by.effect, MOST_LEAST_EFFECT),
        by.samples,
        noise,
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
