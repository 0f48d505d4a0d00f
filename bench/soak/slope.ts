export interface Sample {
  /** Milliseconds. */
  readonly at: number
  readonly bytes: number
}

/** Bytes a minute, by least squares; 0 for fewer than two samples. */
export function slopePerMinute(samples: readonly Sample[]): number {
  const n = samples.length
  if (n < 2) return 0
  const meanAt = samples.reduce((sum, { at }) => sum + at, 0) / n
  const meanBytes = samples.reduce((sum, { bytes }) => sum + bytes, 0) / n
  let above = 0
  let below = 0
  for (const { at, bytes } of samples) {
    above += (at - meanAt) * (bytes - meanBytes)
    below += (at - meanAt) ** 2
  }
  return (above / below) * 60_000
}
