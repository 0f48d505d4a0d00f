import { describe, expect, it } from 'vitest'
import { HealthyNoise } from './healthy-noise.ts'

/** Ticks of ten calls, whose mean score and log2 factor `level` tells by the second. */
function play(
  noise: HealthyNoise,
  seconds: number,
  level: (second: number) => number,
  alarmed = false,
): void {
  for (let second = 1; second <= seconds; second++) {
    const mean = level(second)
    noise.tick(second * 1000, 10 * mean, 10, 10 * mean, !alarmed, alarmed)
  }
}

describe('healthy noise', () => {
  it('learns nothing from an idle hour', () => {
    const noise = new HealthyNoise()
    const before = noise.leastEffect
    for (let second = 1; second <= 3600; second++) noise.tick(second * 1000, 0, 0, 0, true, false)
    expect(noise.leastEffect).toBe(before)
    expect(noise.inflation).toBe(8)
  })

  it('asks more of an upstream that wobbles than of a steady one', () => {
    const steady = new HealthyNoise()
    const restless = new HealthyNoise()
    play(steady, 7200, () => 0.01)
    play(restless, 7200, (second) => (second % 600 < 300 ? 0.3 : -0.3))
    expect(steady.leastEffect).toBeLessThan(0.3)
    expect(restless.leastEffect).toBeGreaterThan(1)
  })

  it('knows that what strays for moments strays less over minutes', () => {
    const noise = new HealthyNoise()
    play(noise, 4 * 3600, (second) => (second % 60 < 30 ? 0.3 : -0.3))
    expect(noise.leastLasting).toBeLessThan(noise.leastEffect / 2)
  })

  it('finds calls that share their luck less independent', () => {
    const noise = new HealthyNoise()
    play(noise, 7200, (second) => (second % 120 < 60 ? 0.3 : -0.3))
    expect(noise.inflation).toBeGreaterThan(20)
  })

  it('learns nothing while something else stands against the upstream', () => {
    const noise = new HealthyNoise()
    const before = noise.leastEffect
    for (let second = 1; second <= 3600; second++) noise.tick(second * 1000, 10, 10, 10, false, false)
    expect(noise.leastEffect).toBe(before)
    expect(noise.inflation).toBe(8)
  })

  it('never asks for more than 16 times', () => {
    const noise = new HealthyNoise()
    play(noise, 8 * 3600, (second) => (second % 600 < 300 ? 5 : -5))
    expect(noise.leastEffect).toBe(4)
  })
})
