import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InFlight } from './in-flight.ts'

function listOf(inFlight: InFlight, upstream: number): number[] {
  const calls: number[] = []
  for (let call = inFlight.first(upstream); call !== -1; call = inFlight.after(call)) calls.push(call)
  return calls
}

describe('InFlight', () => {
  it('has nothing before the first call, nor after the last', () => {
    const inFlight = new InFlight(2)
    expect(inFlight.first(0)).toBe(-1)
    inFlight.join(1000, 0)
    expect(listOf(inFlight, 0)).toEqual([1000])
    inFlight.leave(1000, 0)
    expect(inFlight.first(0)).toBe(-1)
  })

  it('lists the calls of each upstream in the order in which they went, whoever leaves between', () => {
    const action = fc.record({ call: fc.nat(200), upstream: fc.nat(2) })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const inFlight = new InFlight(3)
        const model: number[][] = [[], [], []]
        for (const { call, upstream } of actions) {
          const at = model.findIndex((calls) => calls.includes(call))
          if (at === -1) {
            inFlight.join(call, upstream)
            model[upstream]!.push(call)
          } else {
            inFlight.leave(call, at)
            model[at] = model[at]!.filter((other) => other !== call)
          }
        }
        for (const [upstream, calls] of model.entries()) expect(listOf(inFlight, upstream)).toEqual(calls)
      }),
    )
  })
})
