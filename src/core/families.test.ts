import { describe, expect, it } from 'vitest'
import { FAMILIES, familyOf } from './families.ts'

const NAMES = FAMILIES.map(({ name }) => name)

describe('the table of client families', () => {
  it('names each family once', () => {
    expect(new Set(NAMES).size).toBe(NAMES.length)
  })

  it('finds a family by its name and gives `other` for a name that it does not know', () => {
    for (const family of FAMILIES) expect(familyOf(family.name)).toBe(family)
    for (const name of ['', 'constructor', '__proto__', 'OPENAI-JS'])
      expect(familyOf(name).name).toBe('other')
  })

  it('has windows that are in order and grow with the number of failures', () => {
    for (const { name, backoff } of FAMILIES) {
      if (name === 'mcp') continue
      let before = 0
      for (let n = 1; n <= 12; n++) {
        const [earliest, latest] = backoff(n)
        expect(earliest).toBeGreaterThanOrEqual(0)
        expect(latest).toBeGreaterThanOrEqual(earliest)
        expect(latest).toBeGreaterThanOrEqual(before)
        before = latest
      }
    }
  })

  it.each([
    ['openai-js', 1, 375, 500],
    ['openai-js', 2, 750, 1000],
    ['openai-js', 9, 6000, 8000],
    ['ai-sdk', 1, 2000, 2000],
    ['ai-sdk', 2, 4000, 4000],
    ['langchain-js', 3, 4000, 8000],
    ['got', 2, 2000, 2100],
    ['undici', 4, 4000, 4000],
    ['axios', 2, 0, 480],
    ['codex', 1, 180, 220],
  ])('knows how long %s waits after failure %i', (name, n, earliest, latest) => {
    const window = familyOf(name).backoff(n)
    expect(window[0]).toBeCloseTo(earliest, 6)
    expect(window[1]).toBeCloseTo(latest, 6)
  })

  it('never expects an MCP client back', () => {
    expect(familyOf('mcp').backoff(1)[0]).toBe(Infinity)
  })

  it('tells the versions of one SDK apart by the advice that they honour', () => {
    const ceilings = ['openai-js', 'openai-js-6', 'openai-js-4', 'openai-py', 'openai-py-2'].map(
      (name) => familyOf(name).adviceCeilingMs,
    )
    expect(ceilings).toEqual([60_000, 2 ** 31 - 1, 59_999, 120_000, 60_000])
  })

  it('says that advice is ignored in one way only', () => {
    const twoMinded = FAMILIES.filter(
      ({ advice, adviceCeilingMs }) => (advice === 'none') !== (adviceCeilingMs === 0),
    )
    expect(twoMinded).toEqual([])
  })
})
