/**
 * What the scores of one channel do by themselves, learned from batches of 30 s: how much less independent calls of
 * one moment are than they seem (`inflation`), and how far the level strays over half a minute and over five
 * (wander.ts). From the latter follow the effects that an alarm must show at least: NEEDED deviations.
 */
import type { Millis } from '../model.ts'
import { Wander } from './wander.ts'

const BATCH_MS = 30_000
const LEAST_PER_BATCH = 5
/** Until so many batches are known the inflation is at least EARLY_INFLATION. */
const EARLY_BATCHES = 10
const EARLY_INFLATION = 8
const MOST_INFLATION = 200
/** Memory of the inflation, per batch: a half-life of 50 min; with 17 min there were twice the false alarms. */
const KEEP_BATCH = 0.993
const BATCHES_PER_SPELL = 10
/** Half-lives of 50 min and of a day; the prior is worth 5 min. bench/drift.ts set these, on its tuning part. */
const MINUTE = { newest: KEEP_BATCH, long: 0.99976, priorBatches: 10, prior: 0.2 }
/** Of five minutes each: half-lives of 3 hours and of a day. */
const SPELL = { newest: 0.98, long: 0.9976, priorBatches: 4, prior: 0.2 }
/** At 3 real agent traffic alarmed daily, at 5 a step to twice the latency took minutes (bench/drift.ts). */
const NEEDED = 4
/** log2: whatever an upstream is used to, 16 times as slow is news. */
const MOST_NEEDED = 4

export class HealthyNoise {
  readonly #minute = new Wander(MINUTE)
  readonly #spell = new Wander(SPELL)
  #batchFrom = Number.NEGATIVE_INFINITY
  #score = 0
  #samples = 0
  #batches = 0
  #squares = 0
  #weight = 0
  #inflation = EARLY_INFLATION
  #effect = 0
  #effectSamples = 0
  #spellBatches = 0
  #spellEffect = 0
  #spellSamples = 0
  #leastEffect = needed(this.#minute)
  #leastLasting = needed(this.#spell)

  /** Variance inflation in force, 1..200. */
  get inflation(): number {
    return this.#inflation
  }

  /** log2 of the factor that is out of the ordinary for half a minute. */
  get leastEffect(): number {
    return this.#leastEffect
  }

  /** The same for some minutes. */
  get leastLasting(): number {
    return this.#leastLasting
  }

  /** A tick's sums. `healthy`: nothing stands against the upstream; `alarmed`: nothing but this detector's alarm. */
  tick(
    now: Millis,
    score: number,
    samples: number,
    effect: number,
    healthy: boolean,
    alarmed: boolean,
  ): void {
    if (healthy) {
      this.#score += score
      this.#samples += samples
    }
    if (healthy || alarmed) {
      this.#effect += effect
      this.#effectSamples += samples
    }
    const age = now - this.#batchFrom
    if (age < BATCH_MS) return
    this.#batchFrom = now
    if (age < 2 * BATCH_MS) {
      if (healthy && this.#samples >= LEAST_PER_BATCH) this.#learnInflation()
      if (healthy || alarmed) this.#learnWander(!healthy)
    }
    this.#score = this.#samples = this.#effect = this.#effectSamples = 0
  }

  /** n x Var(batch mean), around 0 and not around the mean: a daily wave is noise to this test too. */
  #learnInflation(): void {
    const mean = this.#score / this.#samples
    this.#squares = this.#squares * KEEP_BATCH + mean * mean * this.#samples
    this.#weight = this.#weight * KEEP_BATCH + 1
    this.#batches++
    const least = this.#batches < EARLY_BATCHES ? EARLY_INFLATION : 1
    this.#inflation = Math.min(Math.max(this.#squares / this.#weight, least), MOST_INFLATION)
  }

  #learnWander(alarmed: boolean): void {
    if (this.#effectSamples >= LEAST_PER_BATCH) {
      this.#minute.learn(this.#effect / this.#effectSamples, alarmed)
      this.#leastEffect = needed(this.#minute)
    }
    this.#spellEffect += this.#effect
    this.#spellSamples += this.#effectSamples
    if (++this.#spellBatches < BATCHES_PER_SPELL) return
    if (this.#spellSamples >= LEAST_PER_BATCH) {
      this.#spell.learn(this.#spellEffect / this.#spellSamples, alarmed)
      this.#leastLasting = needed(this.#spell)
    }
    this.#spellBatches = this.#spellEffect = this.#spellSamples = 0
  }
}

function needed(wander: Wander): number {
  return Math.min(NEEDED * wander.deviation, MOST_NEEDED)
}
