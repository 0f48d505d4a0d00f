import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CALLERS_WORDS, LONGEST_CALLERS_WORD } from './callers-format.ts'
import { sealedWords } from './sealed-words.ts'
import { SUMMARY_WORDS } from './summary-format.ts'

const LARGEST = Number.MAX_SAFE_INTEGER
const full = {
  workflows: Array.from({ length: 64 * 4 }, () => LARGEST),
  demands: Array.from({ length: 256 * 3 }, () => LARGEST),
  round: 1_700_000_000,
}

describe('a word on callers', () => {
  it('says what was written, at its longest and at its shortest', () => {
    for (const summary of [full, { workflows: [], demands: [], round: 0 }]) {
      const word = CALLERS_WORDS.write(summary, 2 ** 40)
      expect(word.length).toBeLessThanOrEqual(LONGEST_CALLERS_WORD)
      expect(CALLERS_WORDS.read(word)).toEqual({ sequence: 2 ** 40, summary })
      expect(CALLERS_WORDS.sequenceOf(word)).toBe(2 ** 40)
    }
  })

  it('is read without the fields that a reader does not know', () => {
    const known = CALLERS_WORDS.write({ workflows: [1, 2, 3, 4], demands: [], round: 9 }, 3)
    const later = Uint8Array.from([...known, 50 * 2, 4, 60 * 2 + 1, 2, 5, 6])
    expect(CALLERS_WORDS.read(later)?.summary).toEqual({ workflows: [1, 2, 3, 4], demands: [], round: 9 })
  })

  it('is no word on an upstream, nor the other way round', () => {
    const word = CALLERS_WORDS.write(full, 1)
    expect(SUMMARY_WORDS.read(word.subarray(0, 200))).toBeUndefined()
    expect(CALLERS_WORDS.read(Uint8Array.of(1, 0))).toBeUndefined()
    expect(CALLERS_WORDS.sequenceOf(Uint8Array.of(1, 0))).toBe(-1)
  })

  it('may be any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const read = CALLERS_WORDS.read(Uint8Array.from([65, ...bytes]))
        const { workflows = [], demands = [], round = 0 } = read?.summary ?? {}
        for (const value of [...workflows, ...demands, round]) expect(Number.isSafeInteger(value)).toBe(true)
      }),
    )
  })
})

describe('a sealed word', () => {
  const words = sealedWords(CALLERS_WORDS, Buffer.alloc(32, 1))

  it('is read by those who have the same secret', () => {
    const other = sealedWords(CALLERS_WORDS, Buffer.alloc(32, 1))
    expect(other.read(words.write(full, 7))).toEqual({ sequence: 7, summary: full })
    expect(other.sequenceOf(words.write(full, 8))).toBe(8)
  })

  it('is noise to all others, and says the same twice in other bytes', () => {
    const word = words.write(full, 7)
    expect(sealedWords(CALLERS_WORDS, Buffer.alloc(32, 2)).read(word)).toBeUndefined()
    expect(CALLERS_WORDS.read(word)).toBeUndefined()
    expect(Buffer.from(words.write(full, 7)).equals(Buffer.from(word))).toBe(false)
  })

  it('is not read when a single bit is another', () => {
    const word = words.write({ workflows: [1, 2, 3, 4], demands: [], round: 0 }, 7)
    for (let bit = 0; bit < word.length * 8; bit++) {
      const bent = Uint8Array.from(word)
      bent[bit >> 3]! ^= 1 << (bit & 7)
      expect(words.read(bent)).toBeUndefined()
    }
    expect(words.read(new Uint8Array(3))).toBeUndefined()
    expect(words.sequenceOf(new Uint8Array(30))).toBe(-1)
  })
})
