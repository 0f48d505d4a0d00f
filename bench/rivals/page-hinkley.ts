/**
 * Page-Hinkley's test, two-sided, after E. S. Page (1954) and D. V. Hinkley (1971), as in the river library: 30 values
 * at least, alpha 0.9999, there with delta 0.005 and lambda 50; starts over after an alarm. Its input is standardised
 * by the healthy stretch: on raw milliseconds lambda would mean nothing.
 */
import { healthyMoments, type MakeRival, type Rival } from './rival.ts'

const LEAST = 30
const ALPHA = 0.9999

export function pageHinkley(delta: number, lambda: number): MakeRival {
  return (healthy) => test(healthy, delta, lambda)
}

function test(healthy: readonly number[], delta: number, lambda: number): Rival {
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
      up = ALPHA * up + (x - mean - delta)
      down = ALPHA * down + (x - mean + delta)
      least = Math.min(least, up)
      most = Math.max(most, down)
      if (count < LEAST || (up - least <= lambda && most - down <= lambda)) return false
      count = mean = up = down = least = most = 0
      return true
    },
  }
}
