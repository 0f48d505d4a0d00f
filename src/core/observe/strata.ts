/**
 * Classes of calls of one upstream whose times may be compared: route x request size x streaming. Size classes are
 * one power of two wide from 2 KiB to 1 MiB, so that longer prompts do not read as a slower upstream. The table is
 * bounded whatever clients send: 40 places are given to pairs as they come, a place untouched for 30 min goes to
 * the next comer, and what finds none shares one overflow stratum per size and streaming. At most 64 strata of
 * 2.4 KB each, made when first used, and as much again for the chunk gaps of those that stream: 310 KB per upstream
 * at the worst, 15 KB for a usual one.
 */
import type { Millis } from '../model.ts'
import { Baseline } from './baseline.ts'

const SMALLEST_LOG2 = 10
/** 0 = unknown, 1 = below 2 KiB, then one per octave, 11 = 1 MiB and more. */
const SIZE_CLASSES = 12
const OWN_PLACES = 40
const OVERFLOW_FROM = OWN_PLACES
const IDLE_MS = 30 * 60_000

export const MOST_STRATA = OWN_PLACES + 2 * SIZE_CLASSES

/** Class of a request body; negative = unknown. */
export function sizeClass(bytes: number): number {
  if (!(bytes >= 0)) return 0
  if (bytes >= 2 ** 20) return SIZE_CLASSES - 1
  return Math.max(31 - Math.clz32(bytes) - SMALLEST_LOG2, 0) + 1
}

export class Strata {
  readonly #keys = new Int32Array(MOST_STRATA).fill(-1)
  readonly #usedAt = new Float64Array(MOST_STRATA)
  readonly #baselines: (Baseline | undefined)[] = Array.from({ length: MOST_STRATA }, () => undefined)
  readonly #gaps: (Baseline | undefined)[] = Array.from({ length: MOST_STRATA }, () => undefined)
  #places = 0

  /** The stratum's number, 0..63, made on first sight. `route` is a dense index, 0 to 2^20. */
  find(route: number, bytes: number, streaming: boolean, at: Millis): number {
    const size = sizeClass(bytes)
    const key = ((route & 0xfffff) * SIZE_CLASSES + size) * 2 + (streaming ? 1 : 0)
    for (let stratum = 0; stratum < this.#places; stratum++) {
      if (this.#keys[stratum] === key) return stratum
    }
    return this.#take(key, size, streaming, at)
  }

  /** Of the time to the answer. */
  baseline(stratum: number): Baseline {
    return (this.#baselines[within(stratum)] ??= new Baseline())
  }

  /** Of the silence between chunks. */
  gapBaseline(stratum: number): Baseline {
    return (this.#gaps[within(stratum)] ??= new Baseline())
  }

  /** The class of the same calls that stream, made on first sight. */
  streaming(stratum: number, at: Millis): number {
    const key = this.#keys[within(stratum)]!
    if (key < 0 || key % 2 === 1) return stratum
    const other = this.sibling(stratum)
    if (other !== stratum) return other
    return this.#take(key + 1, (key >> 1) % SIZE_CLASSES, true, at)
  }

  touch(stratum: number, at: Millis): void {
    this.#usedAt[stratum] = at
  }

  /** Healthy q90 and q50 are also sought in the other half: before its head, nobody knows that a call streams. */
  sibling(stratum: number): number {
    const key = this.#keys[stratum]!
    if (key < 0) return stratum
    if (stratum >= OVERFLOW_FROM) return stratum % 2 === 0 ? stratum + 1 : stratum - 1
    for (let other = 0; other < this.#places; other++) if (this.#keys[other] === (key ^ 1)) return other
    return stratum
  }

  each(visit: (baseline: Baseline) => void): void {
    for (const baseline of this.#baselines) if (baseline !== undefined) visit(baseline)
  }

  eachGap(visit: (baseline: Baseline) => void): void {
    for (const baseline of this.#gaps) if (baseline !== undefined) visit(baseline)
  }

  #take(key: number, size: number, streaming: boolean, at: Millis): number {
    let place = this.#places
    if (place === OWN_PLACES) {
      place = 0
      for (let i = 1; i < OWN_PLACES; i++) if (this.#usedAt[i]! < this.#usedAt[place]!) place = i
      if (at - this.#usedAt[place]! < IDLE_MS) {
        const overflow = OVERFLOW_FROM + size * 2 + (streaming ? 1 : 0)
        this.#keys[overflow] = key
        return overflow
      }
      this.#baselines[place] = undefined
      this.#gaps[place] = undefined
    } else {
      this.#places++
    }
    this.#keys[place] = key
    this.#usedAt[place] = at
    return place
  }
}

function within(stratum: number): number {
  return stratum >= 0 && stratum < MOST_STRATA ? stratum : OVERFLOW_FROM
}
