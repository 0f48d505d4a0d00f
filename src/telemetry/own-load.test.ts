import { describe, expect, it } from 'vitest'
import { loadLevel, OwnLoad, ProcessLoad } from './own-load.ts'
import type { LoadReading } from './own-load.ts'

const calm: LoadReading = { heapUsed: 10, heapLimit: 100, rss: 10, memoryLimit: 0, delayMs: 0 }

describe('the load of Weir itself', () => {
  it('is that of the scarcest resource', () => {
    expect(loadLevel(calm)).toBeCloseTo(0.1)
    expect(loadLevel({ ...calm, heapUsed: 85 })).toBeCloseTo(0.85)
    expect(loadLevel({ ...calm, rss: 95, memoryLimit: 100 })).toBeCloseTo(0.95)
    expect(loadLevel({ ...calm, delayMs: 450 })).toBeCloseTo(0.9)
    expect(loadLevel({ ...calm, delayMs: 9000 })).toBe(1)
  })

  it('ignores memory without a limit', () => {
    expect(loadLevel({ ...calm, rss: 1e12, memoryLimit: 0 })).toBeCloseTo(0.1)
  })

  it('is not raised by one stall, and is by a load that stays', () => {
    const delays = [0, 5000, 0, 480, 480, 0]
    let at = 0
    const load = new OwnLoad(() => ({ ...calm, delayMs: delays[at++] ?? 0 }))
    const levels = delays.map(() => Number(load.sample().toFixed(2)))
    expect(levels).toEqual([0, 0.1, 0.1, 0.1, 0.96, 0.1])
    expect(load.level).toBeCloseTo(0.1)
  })

  it('reads this process', () => {
    const own = new ProcessLoad()
    own.start()
    const reading = own.read()
    expect(reading.heapUsed).toBeGreaterThan(1e6)
    expect(reading.heapLimit).toBeGreaterThan(reading.heapUsed)
    expect(reading.delayMs).toBeGreaterThanOrEqual(0)
    expect(own.loopDelay().max).toBeGreaterThanOrEqual(0)
    own.stop()
  })

  it('tells each reader of the delay what happened since that reader last asked', async () => {
    const own = new ProcessLoad()
    own.start()
    own.loopDelay('scrape')
    own.loopDelay('export')
    // Two turns of the monitor's timer, the second of them late.
    await new Promise((resolve) => setTimeout(resolve, 30))
    const until = performance.now() + 60
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(own.loopDelay('scrape').max).toBeGreaterThan(20)
    expect(own.loopDelay('export').max).toBeGreaterThan(20)
    own.stop()
  })
})
