import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldIds, OTHER_ROUTE, PathTemplates } from './path-template.ts'

const word = (i: number): string => Array.from(String(i), (digit) => 'abcdefghij'[Number(digit)]).join('')

describe('path templates', () => {
  it.each([
    ['/v1/chat/completions', '/v1/chat/completions'],
    ['/', '/'],
    ['/v1/threads/thread_9fK2mN8qLpX3vB7t/runs/run_abc123DEF456ghi789', '/v1/threads/*/runs/*'],
    ['/v1/responses/resp_68a1f0b2c4d8819c9f3e', '/v1/responses/*'],
    ['/items/12345', '/items/*'],
    ['/items/7', '/items/*'],
    ['/x/3f2504e0-4f89-11d3-9a0c-0305e82c3301', '/x/*'],
    ['/x/deadbeefcafe0123456789ab', '/x/*'],
    ['/tasks/3f2504e0-4f89-11d3-9a0c-0305e82c3301:cancel', '/tasks/*:cancel'],
    ['/v1/models/gemini-2.5-flash:generateContent', '/v1/models/gemini-2.5-flash:generateContent'],
    [
      '/model/anthropic.claude-3-5-haiku-20241022-v1:0/converse',
      '/model/anthropic.claude-3-5-haiku-20241022-v1:0/converse',
    ],
    ['/v1/models/gpt-4o-mini-2024-07-18', '/v1/models/gpt-4o-mini-2024-07-18'],
    [`/x/${'word-'.repeat(14)}`, '/x/*'],
    ['/a/b/c/d/e/f/g/h/i/j', '/a/b/c/d/e/f/g/h/**'],
  ])('folds %s to %s', (path, template) => {
    expect(foldIds(path)).toBe(template)
  })

  it('gives the same template for a path that it remembers', () => {
    const templates = new PathTemplates()
    const path = '/v1/files/file-a1b2c3d4e5f6g7h8'
    expect(templates.of(path)).toBe(templates.of(path))
  })

  it('shares one template between all paths beyond the limit, and keeps the early ones', () => {
    const templates = new PathTemplates()
    const seen = new Set<string>()
    templates.of('/v1/chat/completions')
    for (let i = 0; i < 3000; i++) seen.add(templates.of(`/probe/${word(i)}`))
    expect(seen.size).toBe(256)
    expect(templates.of('/one/more')).toBe(OTHER_ROUTE)
    expect(templates.of('/v1/chat/completions')).toBe('/v1/chat/completions')
  })

  it('is a fixed point: the template of a template is itself', () => {
    const segment = fc.stringMatching(/^[a-z0-9:._-]{1,20}$/)
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
        const template = foldIds(`/${segments.join('/')}`)
        expect(foldIds(template)).toBe(template)
      }),
    )
  })
})
