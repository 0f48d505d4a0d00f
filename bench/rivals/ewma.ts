/**
 * The EWMA control chart (Roberts, 1959; Lucas and Saccucci, 1990): usually weight 0.2 and limits of 3 deviations of
 * the average, centre and deviation from the healthy stretch. Announces each time it leaves its limits.
 */
import { healthyMoments, type MakeRival } from './rival.ts'

export function ewma(weight: number, limit: number): MakeRival {
  const most = limit * Math.sqrt(weight / (2 - weight))
  return (healthy) => {
    const { mean, deviation } = healthyMoments(healthy)
    let average = 0
    let outside = false
    return {
      push(value) {
        average += weight * ((value - mean) / deviation - average)
        const before = outside
        outside = Math.abs(average) > most
        return outside && !before
      },
    }
  }
}
