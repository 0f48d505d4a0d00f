import { describe, expect, it } from 'vitest'
import { keptHeaders, withCredentials } from './kept-headers.ts'

describe('the headers that are kept with a deferred call', () => {
  it('are those from end to end, in order and case, without what was the connection', () => {
    const raw = [
      'Host',
      'a',
      'X-B',
      '1',
      'x-b',
      '2',
      'Connection',
      'close',
      'Content-Length',
      '3',
      'TE',
      'trailers',
    ]
    expect(keptHeaders(raw, true)).toEqual(['Host', 'a', 'X-B', '1', 'x-b', '2'])
  })

  it('have no credentials where those of the operator are put on', () => {
    const raw = [
      'Authorization',
      'Bearer s',
      'X-API-Key',
      's',
      'api-key',
      's',
      'x-goog-api-key',
      's',
      'Cookie',
      's',
      'a',
      'b',
    ]
    expect(keptHeaders(raw, false)).toEqual(['a', 'b'])
    expect(keptHeaders(raw, true)).toEqual(raw)
    expect(withCredentials(['a', 'b'], { Authorization: 'Bearer own' })).toEqual([
      'a',
      'b',
      'Authorization',
      'Bearer own',
    ])
    expect(withCredentials(['A', 'b'], { a: 'own' })).toEqual(['a', 'own'])
  })

  it('do not repeat upstream a preference that Weir has taken', () => {
    expect(keptHeaders(['Prefer', 'respond-async, wait=10', 'a', 'b'], true)).toEqual(['a', 'b'])
    expect(keptHeaders(['Prefer', 'respond-async, return=minimal'], true)).toEqual([
      'Prefer',
      'return=minimal',
    ])
  })
})
