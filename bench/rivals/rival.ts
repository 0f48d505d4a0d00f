/** A change detector on a plain series. `push` takes the next value, and tells whether a change is announced here. */
export interface Rival {
  push(value: number): boolean
}

/** Made anew for each series, from the stretch that is taken to be healthy. */
export type MakeRival = (healthy: readonly number[]) => Rival

/** Mean and deviation of a stretch that is taken to be healthy. */
export function healthyMoments(values: readonly number[]): {
  readonly mean: number
  readonly deviation: number
} {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance =
    values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(values.length - 1, 1)
  return { mean, deviation: Math.sqrt(variance) || 1e-9 }
}
