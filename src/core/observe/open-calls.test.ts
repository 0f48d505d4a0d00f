import { describe, expect, it } from 'vitest'
import { OpenCalls } from './open-calls.ts'

describe('OpenCalls', () => {
  it('counts what is open, whatever the order of ends', () => {
    const calls = new OpenCalls()
    for (const slot of [0, 1, 5]) calls.begin(slot)
    expect({ size: calls.size, capacity: calls.capacity }).toEqual({ size: 3, capacity: 6 })
    for (const slot of [5, 0, 1, 1, 77]) calls.end(slot)
    expect(calls.size).toBe(0)
    expect(calls.get(0)).toBeUndefined()
  })

  it('refuses a slot that is still open', () => {
    const calls = new OpenCalls()
    calls.begin(3)
    expect(() => calls.begin(3)).toThrow('call slot 3 is still open')
  })

  it('hands out a record without a trace of the call before', () => {
    const calls = new OpenCalls()
    const fresh: object = structuredClone(calls.begin(1))
    const used = calls.get(1)
    if (used === undefined) throw new Error('not open')
    calls.end(1)
    calls.begin(0)
    const call = calls.begin(1)
    Object.assign(call, {
      sentAt: 5,
      probe: true,
      promised: true,
      invited: true,
      lastChunkAt: 9,
      governed: true,
      decider: 2,
    })
    call.gates = [4]
    calls.end(1)
    expect(structuredClone(calls.begin(1))).toEqual(fresh)
  })
})
