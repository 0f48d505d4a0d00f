import { describe, expect, it } from 'vitest'
import { WaitingLine } from './waiting-line.ts'

describe('WaitingLine', () => {
  it('serves each place in order of arrival', () => {
    const line = new WaitingLine()
    line.join(7, 1)
    line.join(3, 1)
    line.join(9, 2)
    expect([line.first(1), line.first(2), line.first(3)]).toEqual([7, 9, -1])
    line.leave(7)
    expect(line.first(1)).toBe(3)
  })

  it('is empty again when all have left, in whatever order and however often', () => {
    const line = new WaitingLine()
    for (let call = 0; call < 50; call++) line.join(call, call % 3)
    for (let call = 49; call >= 0; call--) {
      line.leave(call)
      line.leave(call)
    }
    expect(line.size).toBe(0)
    expect(line.first(0)).toBe(-1)
  })
})
