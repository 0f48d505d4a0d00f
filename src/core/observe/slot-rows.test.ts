import { describe, expect, it } from 'vitest'
import { SlotRows } from './slot-rows.ts'

describe('SlotRows', () => {
  it('keeps the parts of a row apart, in numbers of any size', () => {
    const [first, second] = SlotRows.shared(3, [16, 24])
    if (first === undefined || second === undefined) throw new Error('two parts were asked for')
    for (let slot = 0; slot < 3; slot++) {
      for (let field = 0; field < 2; field++) first.doubles[first.at8(slot) + field] = 100 * slot + field
      for (let field = 0; field < 6; field++) second.words[second.at4(slot) + field] = 1000 * slot + field
    }
    for (let slot = 0; slot < 3; slot++) {
      expect([...first.doubles.subarray(first.at8(slot), first.at8(slot) + 2)]).toEqual([
        100 * slot,
        100 * slot + 1,
      ])
      expect(second.words[second.at4(slot) + 5]).toBe(1000 * slot + 5)
      expect(second.halves[second.at2(slot) + 2]).toBe(1000 * slot + 1)
    }
  })

  it('lays what one slot needs side by side', () => {
    const [first, second] = SlotRows.shared(10, [8, 8])
    expect(second!.at8(4) - first!.at8(4)).toBe(1)
    expect(first!.doubles.buffer).toBe(second!.doubles.buffer)
    expect([first!.bytes, second!.bytes]).toEqual([80, 80])
  })

  it('refuses a part that would set the next one askew', () => {
    expect(() => SlotRows.shared(1, [8, 12])).toThrow('a part is 12 bytes wide, must be a multiple of 8')
  })
})
