import { describe, expect, it } from 'vitest'
import { shownRoute } from './access-line.ts'

describe('the route in the access log', () => {
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
})
