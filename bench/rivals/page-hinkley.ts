/**
 * Page-Hinkley's test, two-sided, after E. S. Page (1954) and D. V. Hinkley (1971), with the defaults of the river
 * library: 30 values at least, delta 0.005, lambda 50, alpha 0.9999; starts over after an alarm. Its input is
 * standardised by the healthy stretch: on raw milliseconds lambda would mean nothing.
 */
import { healthyMoments, type Rival } from './rival.ts'

const LEAST = 30
const DELTA = 0.005
const LAMBDA = 50
const ALPHA = 0.9999

export function pageHinkley(healthy: readonly number[]): Rival {
  const { mean: center, deviation } = healthyMoments(healthy)
  let count = 0
  let mean = 0
  let up = 0
  let down = 0
  let least = 0
  let most = 0
  return {
    push(value) {
      const x = (value - center) / deviation
      count++
      mean += (x - mean) / count
      up = ALPHA * up + (x - mean - DELTA)
      down = ALPHA * down + (x - mean + DELTA)
      least = Math.min(least, up)
      most = Math.max(most, down)
      if (count < LEAST || (up - least <= LAMBDA && most - down <= LAMBDA)) return false
      count = mean = up = down = least = most = 0
      return true
    },
  }
}
