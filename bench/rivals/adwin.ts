/**
 * ADWIN (Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", 2007) with a check
 * every 32 values, as in MOA and river, where delta is 0.002. The window is kept whole and every cut is tried:
 * slower than the published bucket rows, and never less sensitive. Values are scaled to 0..1 by the healthy
 * stretch (5 deviations to each side), as the bound assumes.
 */
import { healthyMoments, type MakeRival, type Rival } from './rival.ts'

const CLOCK = 32
const LEAST_HALF = 5

export function adwin(delta: number): MakeRival {
  return (healthy) => windowed(healthy, delta)
}

function windowed(healthy: readonly number[], delta: number): Rival {
  const { mean, deviation } = healthyMoments(healthy)
  let window: number[] = []
  let clock = 0
  return {
    push(value) {
      window.push(Math.min(Math.max((value - mean) / (10 * deviation) + 0.5, 0), 1))
      if (++clock % CLOCK !== 0) return false
      let changed = false
      for (let cut = firstCut(window, delta); cut > 0; cut = firstCut(window, delta)) {
        window = window.slice(cut)
        changed = true
      }
      return changed
    },
  }
}

/** A cut at which both halves differ significantly; 0 = none. */
function firstCut(window: readonly number[], delta: number): number {
  const size = window.length
  const total = window.reduce((sum, value) => sum + value, 0)
  const mean = total / size
  const variance = window.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size
  const confidence = Math.log((2 * Math.log(Math.max(size, 3))) / delta)
  let before = 0
  for (let cut = 1; cut < size; cut++) {
    before += window[cut - 1]!
    if (cut < LEAST_HALF || size - cut < LEAST_HALF) continue
    const m = 1 / (1 / cut + 1 / (size - cut))
    const bound = Math.sqrt((2 / m) * variance * confidence) + (2 / (3 * m)) * confidence
    if (Math.abs(before / cut - (total - before) / (size - cut)) > bound) return cut
  }
  return 0
}
