import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePolicy } from './load.ts'
import { distance, formatProblem, nearest } from './problems.ts'

describe('reading a document', () => {
  it('refuses a file above 1 MiB without parsing it', () => {
    const { problems } = parsePolicy('big.yaml', `version: 1\n#${'x'.repeat(1024 * 1024)}`)
    expect(problems.map(formatProblem)).toEqual([
      'big.yaml:1:1: a file of 1048588 bytes; allowed: at most 1MiB; fix: split it into several files',
    ])
  })

  it('refuses nesting of every kind before the parser sees it', () => {
    const deep = 20_000
    const blocks = Array.from({ length: 60 }, (_, level) => `${' '.repeat(level)}a:`).join('\n')
    for (const text of [
      '['.repeat(deep),
      '{a: '.repeat(deep),
      '- '.repeat(deep),
      blocks,
      `? `.repeat(deep),
    ]) {
      const start = performance.now()
      const { file, problems } = parsePolicy('deep.yaml', text)
      expect(file).toBeUndefined()
      expect(problems[0]?.found).toBe('nesting deeper than 32 levels')
      expect(performance.now() - start).toBeLessThan(50)
    }
  })

  it('counts depth, not length: a long flat file is fine', () => {
    const rules = Array.from(
      { length: 200 },
      (_, index) => `  - name: r${index}\n    then: { do: hold }`,
    ).join('\n')
    expect(parsePolicy('long.yaml', `version: 1\nrules:\n${rules}\n`).problems).toEqual([])
  })

  it('resolves anchors, and points at the alias', () => {
    const text =
      'version: 1\nupstreams:\n  a: { hold: &h { max: 5s } }\n  b: { hold: *h }\n  c: { hold: { max: 5x } }\n'
    expect(parsePolicy('a.yaml', text).problems.map((problem) => [problem.line, problem.column])).toEqual([
      [5, 21],
    ])
    expect(parsePolicy('a.yaml', text.replace('5x', '5s')).file?.value.upstreams?.['b']?.hold?.max).toBe(5000)
  })

  it('refuses tags, second documents and merge keys', () => {
    for (const text of [
      'version: !!js/function x',
      'version: 1\n---\nversion: 1',
      'version: 1\n<<: { rules: [] }',
    ]) {
      expect([text, parsePolicy('a.yaml', text).file]).toEqual([text, undefined])
    }
  })

  it('never throws, and a refused file always has a problem with a place', () => {
    const alphabet = fc.constantFrom(
      'version: 1\n',
      'rules:',
      ' ',
      '\n',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a ',
      ': ',
      '"',
      "'",
      '|',
      '\t',
      '#',
      '?',
      '!x ',
      'x',
      '~',
      '%',
    )
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 40 }), (parts) => {
        const { file, problems } = parsePolicy('f.yaml', parts.join(''))
        expect(file !== undefined || problems.length > 0).toBe(true)
        for (const problem of problems) {
          expect(problem.line).toBeGreaterThan(0)
          expect(problem.column).toBeGreaterThan(0)
          expect(problem.found).not.toBe('')
        }
      }),
      { numRuns: 1500 },
    )
  })
})

describe('the nearest name', () => {
  it('counts a swap of neighbours as one slip', () => {
    expect(distance('hodl', 'hold')).toBe(1)
    expect(distance('kitten', 'sitting')).toBe(3)
    expect(distance('', 'abc')).toBe(3)
  })

  it('is not offered when nothing is near', () => {
    expect(nearest('enforced', ['enforce', 'shadow', 'off'])).toBe('enforce')
    expect(nearest('quota', ['enforce', 'shadow', 'off'])).toBeUndefined()
    expect(nearest('x'.repeat(100_000), ['shadow'])).toBeUndefined()
  })

  it('is a metric: the same both ways, and zero only for the same', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(distance(a, b)).toBe(distance(b, a))
        expect(distance(a, b) === 0).toBe(a === b)
      }),
    )
  })
})
