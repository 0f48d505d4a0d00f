/**
 * The EWMA control chart (Roberts, 1959; Lucas and Saccucci, 1990) with weight 0.2 and limits of 3 deviations of
 * the average, centre and deviation from the healthy stretch. Announces each time it leaves its limits.
 */
import { healthyMoments, type Rival } from './rival.ts'

const WEIGHT = 0.2
const LIMIT = 3 * Math.sqrt(WEIGHT / (2 - WEIGHT))

export function ewma(healthy: readonly number[]): Rival {
  const { mean, deviation } = healthyMoments(healthy)
  let average = 0
  let outside = false
  return {
    push(value) {
      average += WEIGHT * ((value - mean) / deviation - average)
      const before = outside
      outside = Math.abs(average) > LIMIT
      return outside && !before
    },
  }
}
