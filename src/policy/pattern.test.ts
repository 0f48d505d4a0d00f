import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  agentPatternFault,
  anyOf,
  compileIdPattern,
  compilePathPattern,
  pathPatternFault,
  upstreamPatternFault,
} from './pattern.ts'

/** The obvious matcher, by recursion over both texts: slow, and easy to believe. */
function naive(pattern: string, text: string): boolean {
  if (pattern === '') return text === ''
  if (pattern[0] !== '*')
    return pattern[0] === text[0] && text !== '' && naive(pattern.slice(1), text.slice(1))
  return naive(pattern.slice(1), text) || (text !== '' && text[0] !== '/' && naive(pattern, text.slice(1)))
}

describe('patterns', () => {
  it('of ids take * for any run, also none', () => {
    const matches = compileIdPattern('onboard-*')
    expect(['onboard-', 'onboard-7', 'onboard-7.a'].every(matches)).toBe(true)
    expect(['onboard', 'x-onboard-7', ''].some(matches)).toBe(false)
  })

  it('of paths keep * inside a segment', () => {
    const matches = compilePathPattern('/v1/*/runs')
    expect(matches('/v1/abc/runs')).toBe(true)
    expect(['/v1/runs', '/v1/a/b/runs', '/v1//runs', '/v1/abc/runs/', '/v1/abc'].some(matches)).toBe(false)
  })

  it('of paths take /** for the rest, also for nothing, but not for half a segment', () => {
    const matches = compilePathPattern('/v1/**')
    expect(['/v1', '/v1/', '/v1/a/b'].every(matches)).toBe(true)
    expect(['/v10', '/', '/v2/a'].some(matches)).toBe(false)
    expect(compilePathPattern('/*/chat/**')('/v1/chat/completions')).toBe(true)
    expect(compilePathPattern('/*/chat/**')('/v1/chats')).toBe(false)
  })

  it('without a wildcard are literals', () => {
    expect(compilePathPattern('/a.b')('/axb')).toBe(false)
    expect(anyOf([compileIdPattern('a'), compileIdPattern('b')])('b')).toBe(true)
  })

  it('agree with a naive matcher', () => {
    const letters = fc.constantFrom('a', 'b', '*')
    const pattern = fc.array(letters, { maxLength: 8 }).map((parts) => parts.join('').replaceAll(/\*+/g, '*'))
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 })
    fc.assert(
      fc.property(pattern, text, (p, t) => {
        expect(compileIdPattern(p)(t)).toBe(naive(p, t))
      }),
      { numRuns: 2000 },
    )
  })

  it('of paths agree with a naive matcher where no segment is empty', () => {
    const part = fc.constantFrom('a', 'b', 'ab', 'a*', '*b', 'a*b')
    const pattern = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`)
    const text = fc
      .array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 }), {
        minLength: 1,
        maxLength: 4,
      })
      .map((parts) => `/${parts.join('/')}`)
    fc.assert(
      fc.property(pattern, text, (p, t) => {
        expect(compilePathPattern(p)(t)).toBe(naive(p, t))
      }),
      { numRuns: 2000 },
    )
  })

  it('never go back: the worst pattern on the longest path takes a few passes', () => {
    const matches = compilePathPattern(`/${'*a'.repeat(8)}*b`)
    const path = `/${'a'.repeat(8192)}`
    const start = performance.now()
    for (let round = 0; round < 100; round++) expect(matches(path)).toBe(false)
    expect((performance.now() - start) / 100).toBeLessThan(1)
  })

  it('that look like regular expressions are refused', () => {
    for (const text of ['^/v1/(a+)+$', '/v1/.*', '/a|b', '/v[12]', '/a{2}', '/a?', '/x$', String.raw`/\d`]) {
      expect([text, pathPatternFault(text)?.what]).toEqual([text, 'looks like a regular expression'])
    }
    for (const text of ['.*', 'a(b)', '^a'])
      expect([text, agentPatternFault(text)?.what]).toEqual([text, 'looks like a regular expression'])
  })

  it('that are ordinary are not', () => {
    for (const text of [
      '/',
      '/**',
      '/v1/models/*:generateContent',
      '/a.b/c-d_e~f',
      '/v1.2/*',
      '/$metadata/x',
    ]) {
      expect([text, pathPatternFault(text)]).toEqual([text, undefined])
    }
    for (const text of ['*', 'team.*', 'a:b-c_d'])
      expect([text, agentPatternFault(text)]).toEqual([text, undefined])
    expect(upstreamPatternFault('model-*')).toBeUndefined()
  })

  it('say what else is wrong with them', () => {
    expect(pathPatternFault('v1')?.what).toBe('does not begin with /')
    expect(pathPatternFault('/**/x')?.what).toBe('has ** before its end')
    expect(pathPatternFault('/a**')?.what).toBe('has ** before its end')
    expect(agentPatternFault('a**')?.what).toBe('has ** in a name')
    expect(agentPatternFault('')?.what).toBe('is empty')
    expect(agentPatternFault('a'.repeat(300))?.what).toBe('has 300 characters')
    expect(agentPatternFault('a*'.repeat(9))?.what).toBe('has 9 wildcards')
    expect(agentPatternFault('a b')?.what).toBe('has characters that no agent id has')
    expect(upstreamPatternFault('Model')?.what).toBe('has characters that no upstream name has')
  })
})
