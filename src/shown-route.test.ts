import { describe, expect, it } from 'vitest'
import { shownRoute } from './shown-route.ts'

const hidden = (part: string): string => `~${part.length}`

describe('a route as it is shown', () => {
  it('keeps the words of an API', () => {
    for (const route of [
      '/v1/chat/completions',
      '/v1beta/models/*:generateContent',
      '/',
      '/v1/threads/*/runs',
    ]) {
      expect(shownRoute(route)).toBe(route)
    }
  })

  it('leaves out what might be an id, a name or a key', () => {
    expect(shownRoute('/v1/threads/thread_abc123/x')).toBe('/v1/threads/*/x')
    expect(shownRoute('/v1beta/models/gemini-2.5:generateContent')).toBe('/v1beta/models/*:generateContent')
    expect(shownRoute('/keys/sk-proj-AAAA0BBB')).toBe('/keys/*')
    expect(shownRoute(`/${'a'.repeat(25)}`)).toBe('/*')
    expect(shownRoute('/%73ecret/a b')).toBe('/*/*')
  })
  it('puts what the caller wants in the place of what it leaves out, and keeps what was folded before', () => {
    expect(shownRoute('/v1/threads/thread_abc123/*/runs:cancel9/**', hidden)).toBe(
      '/v1/threads/~13/*/runs:~7/**',
    )
  })
})
