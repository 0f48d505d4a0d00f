/** A seeded source of numbers in [0, 1): same seed, same sequence, on every engine. */
export type Random = () => number

/**
 * mulberry32, a 32-bit generator by Tommy Ettinger (public domain): one multiply chain per number, full period
 * of 2^32. Good enough for jitter; never for secrets.
 */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
