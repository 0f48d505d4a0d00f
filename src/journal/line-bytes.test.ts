import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ascii, LineBytes } from './line-bytes.ts'

const text = (line: LineBytes): string => line.bytes.toString('utf8', 0, line.length)
const line = new LineBytes()

describe('a line made by hand', () => {
  it('is empty when nothing was written, and again after each beginning', () => {
    expect(text(line.begin())).toBe('')
    line.raw('something')
    expect(text(line.begin())).toBe('')
  })

  it('takes more than its buffer in one go', () => {
    line.begin()
    for (let n = 0; n < 3000; n++) line.put(ascii('0123456789')).raw('ab')
    expect(text(line.quoted('x'.repeat(50_000)))).toBe(
      `${'0123456789ab'.repeat(3000)}"${'x'.repeat(50_000)}"`,
    )
  })

  it('writes texts as JSON does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (value) => {
        expect(text(line.begin().quoted(value))).toBe(JSON.stringify(value))
        expect(text(line.begin().raw('[').json([value]).raw(']'))).toBe(`[${JSON.stringify([value])}]`)
      }),
    )
  })

  it('writes numbers as JSON does', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        expect(text(line.begin().number(value))).toBe(JSON.stringify(value === 0 ? 0 : value))
      }),
    )
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(text(line.begin().whole(value))).toBe(JSON.stringify(value))
      }),
    )
    for (const value of [0, 9, 10, 99_999_999, 100_000_000, 999_999_999, 1_000_000_000, 2 ** 53 - 1])
      expect(text(line.begin().whole(value))).toBe(String(value))
  })

  it('writes whole microseconds as the ms that read back as the nearest double', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e15 }), (micros) => {
        const written = text(line.begin().ms(micros))
        expect(Number(written)).toBe(micros / 1000)
        expect(written).toBe(JSON.stringify(micros / 1000))
      }),
    )
  })

  it('writes pairs of orders and instants', () => {
    expect(text(line.begin().pairs([]))).toBe('[]')
    expect(text(line.begin().pairs([1, 2000, 3, 4567], 1_000_000))).toBe('[1,1002,3,1004.567]')
  })
})
