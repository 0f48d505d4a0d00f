import { describe, expect, it } from 'vitest'
import { RateFinder } from './rate-finder.ts'

/** An upstream that accepts `accepts` calls per second, asked at the found rate; returns the rate by second. */
function play(finder: RateFinder, from: number, seconds: number, accepts: number): number[] {
  const rates: number[] = []
  for (let s = 0; s < seconds; s++) {
    const at = from + s * 1000
    const sent = Math.min(finder.rate, 100)
    if (sent > accepts) finder.loss(at, at - 10, accepts)
    finder.tick(at, Math.min(sent, accepts))
    rates.push(finder.rate)
  }
  return rates
}

describe('RateFinder', () => {
  it('is no limit until something was refused, and none after an idle hour', () => {
    const finder = new RateFinder()
    finder.tick(3_600_000, 50)
    expect(finder.rate).toBe(Infinity)
  })

  it('is cut once by a burst of refusals', () => {
    const finder = new RateFinder()
    for (let call = 0; call < 100; call++) finder.loss(1000 + call, 1000 + call, 60)
    expect(finder.rate).toBe(42)
  })

  it('stays below what is accepted nearly always', () => {
    const rates = play(new RateFinder(), 0, 120, 30).slice(1)
    expect(rates.filter((rate) => rate > 30).length).toBeLessThan(20)
    expect(rates.reduce((sum, rate) => sum + rate, 0) / rates.length).toBeGreaterThan(22)
  })

  it('is given up within half a minute when nothing is refused any more', () => {
    const finder = new RateFinder()
    play(finder, 0, 20, 30)
    expect(play(finder, 20_000, 35, 1000).at(-1)).toBe(Infinity)
  })

  it('does not grow on a rate that nobody uses', () => {
    const finder = new RateFinder()
    finder.loss(1000, 1000, 60)
    for (let s = 2; s < 60; s++) finder.tick(s * 1000, 5)
    expect(finder.rate).toBe(42)
  })
})
