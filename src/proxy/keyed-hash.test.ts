import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyedHash, SecretNames, shortHex } from './keyed-hash.ts'

const KEY = Buffer.alloc(32, 1)
const hashOf = (hash: KeyedHash, ...parts: (string | number)[]): number => {
  hash.begin()
  for (const part of parts) {
    if (typeof part === 'string') hash.text(part)
    else hash.number(part)
  }
  return hash.end()
}

describe('the keyed hash', () => {
  it('is the same for the same fields and another under another key', () => {
    const [one, same, other] = [KEY, KEY, Buffer.alloc(32, 2)].map((key) => new KeyedHash(key))
    expect(hashOf(one!, 'a', 7)).toBe(hashOf(same!, 'a', 7))
    expect(hashOf(one!, 'a', 7)).not.toBe(hashOf(other!, 'a', 7))
  })

  it('does not depend on what was hashed before', () => {
    const hash = new KeyedHash(KEY)
    const first = hashOf(hash, 'a')
    hashOf(hash, 'something else', 9)
    expect(hashOf(hash, 'a')).toBe(first)
  })

  it('tells where one field ends and the next begins', () => {
    const hash = new KeyedHash(KEY)
    const values = [
      hashOf(hash, 'ab', 'c'),
      hashOf(hash, 'a', 'bc'),
      hashOf(hash, 'abc'),
      hashOf(hash, 'abc', ''),
    ]
    expect(new Set(values).size).toBe(4)
  })

  it('gives whole numbers from 1 to 2^53 - 1, and 12 hex digits of them', () => {
    const hash = new KeyedHash(KEY)
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: -1, max: 2 ** 40 }), (text, number) => {
        const value = hashOf(hash, text, number)
        expect(Number.isSafeInteger(value) && value > 0).toBe(true)
        expect(shortHex(value)).toMatch(/^[0-9a-f]{12}$/)
      }),
    )
  })

  it('keeps near-equal calls apart: 200,000 of them without a collision, spread over all bits', () => {
    const hash = new KeyedHash(KEY)
    const seen = new Set<number>()
    const ones = new Float64Array(53)
    for (let i = 0; i < 200_000; i++) {
      const value = hashOf(hash, `agent-${i % 500}`, 'POST', '/v1/chat/completions', i)
      seen.add(value)
      for (let bit = 0; bit < 53; bit++) ones[bit]! += Math.floor(value / 2 ** bit) % 2
    }
    expect(seen.size).toBe(200_000)
    for (const count of ones) expect(Math.abs(count / 200_000 - 0.5)).toBeLessThan(0.01)
  })
})

describe('names of secrets', () => {
  it('are equal for equal secrets, remembered or not, and differ under another key', () => {
    const [one, same, other] = [KEY, KEY, Buffer.alloc(32, 2)].map((key) => new SecretNames(key))
    expect(one!.nameOf('sk-1')).toEqual(same!.nameOf('sk-1'))
    expect(one!.nameOf('sk-1')).toEqual(one!.nameOf('sk-1'))
    expect(one!.nameOf('sk-1').hex).not.toBe(other!.nameOf('sk-1').hex)
    expect(one!.nameOf('sk-1').hex).not.toBe(one!.nameOf('sk-2').hex)
  })

  it('remember a bounded number of secrets of bounded length', () => {
    const names = new SecretNames(KEY)
    names.nameOf('x'.repeat(1025))
    expect(names.remembered).toBe(0)
    for (let i = 0; i < 10_200; i++) names.nameOf(`sk-${i}`)
    expect(names.remembered).toBeLessThanOrEqual(10_000)
  })
})
