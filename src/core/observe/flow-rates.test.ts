import { describe, expect, it } from 'vitest'
import { FlowRates } from './flow-rates.ts'

const WELL = { inFlight: 10, healthy: true, saturated: false, doubtful: false }

function seconds(flow: FlowRates, count: number, perBeat: number, seen = WELL): void {
  for (let beat = 0; beat < 4 * count; beat++) {
    for (let call = 0; call < perBeat; call++) {
      flow.answered()
      flow.firstTry()
    }
    flow.tick(250, seen)
  }
}

describe('FlowRates', () => {
  it('learns from an idle minute that nothing flows, and remembers what did while it was well', () => {
    const flow = new FlowRates()
    seconds(flow, 120, 10)
    expect(flow.recent).toBeCloseTo(40, 0)
    seconds(flow, 60, 0, { ...WELL, healthy: false, inFlight: 0 })
    expect(flow.recent).toBeLessThan(0.1)
    expect(flow.healthy).toBeGreaterThan(30)
    expect({ peak: flow.peak, usual: Math.round(flow.usual) }).toEqual({ peak: 10, usual: 10 })
  })

  it('knows the rate of a healthy upstream from the first seconds on', () => {
    const flow = new FlowRates()
    seconds(flow, 10, 10)
    expect(flow.healthy).toBeCloseTo(40)
  })

  it('knows the usual number in flight from the first seconds on', () => {
    const flow = new FlowRates()
    seconds(flow, 3, 10)
    expect(flow.usual).toBeCloseTo(10)
  })

  it('takes no burst of one instant for the usual', () => {
    const flow = new FlowRates()
    seconds(flow, 60, 10)
    seconds(flow, 0.25, 10, { ...WELL, inFlight: 1000, doubtful: true })
    expect(flow.usual).toBeLessThan(40)
    expect(flow.peak).toBeLessThan(150)
  })

  it('does not take a jam that builds up slowly for the new peak', () => {
    const flow = new FlowRates()
    seconds(flow, 60, 10)
    for (let inFlight = 11; inFlight <= 20; inFlight++) {
      flow.tick(250, { ...WELL, inFlight, doubtful: true })
    }
    expect(flow.peak).toBeLessThan(20 / 1.25)
  })

  it('knows what is borne from what is answered while calls wait', () => {
    const flow = new FlowRates()
    seconds(flow, 60, 20)
    seconds(flow, 10, 5, { ...WELL, healthy: false, saturated: true })
    expect(flow.capacity).toBeCloseTo(20, 0)
  })
})
