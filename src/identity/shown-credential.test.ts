import { expect, it } from 'vitest'
import { ShownCredential } from './shown-credential.ts'

const shown = new ShownCredential()

function read(headers: readonly (readonly [string, string])[], mayBorrow = true): string {
  shown.read(headers.flat(), mayBorrow)
  return shown.isAmbiguous ? 'ambiguous' : shown.text
}

it('reads weir-key in any spelling and any place, before all else', () => {
  expect(read([['Weir-Key', 'a.b']])).toBe('a.b')
  expect(
    read([
      ['authorization', 'Bearer x'],
      ['x-api-key', 'y'],
      ['weir-key', ' a.b '],
    ]),
  ).toBe('a.b')
  expect(
    read([
      ['weir-key', 'a.b'],
      ['authorization', 'Bearer x'],
    ]),
  ).toBe('a.b')
  expect(read([['weir-key', 'a.b']], false)).toBe('a.b')
})

it('is sure of nothing when weir-key stands there twice, even the same', () => {
  expect(
    read([
      ['weir-key', 'a.b'],
      ['weir-key', 'a.b'],
    ]),
  ).toBe('ambiguous')
  expect(read([['weir-key', 'a.b']])).toBe('a.b')
})

it('borrows the places of SDKs only where they are free, in one order', () => {
  const all = [
    ['sec-websocket-protocol', 'realtime, openai-insecure-api-key.p'],
    ['x-goog-api-key', 'g'],
    ['api-key', 'z'],
    ['x-api-key', 'x'],
    ['authorization', 'Bearer a'],
  ] as const
  expect([0, 1, 2, 3, 4].map((n) => read(all.slice(0, n + 1)))).toEqual(['p', 'g', 'z', 'x', 'a'])
  expect([0, 1, 2, 3, 4].map((n) => read(all.toReversed().slice(n)))).toEqual(['a', 'x', 'z', 'g', 'p'])
  expect(read(all, false)).toBe('')
})

it('borrows of authorization a Bearer alone', () => {
  expect(read([['authorization', 'bearer  t']])).toBe('t')
  for (const value of ['Basic YTpi', 'AWS4-HMAC-SHA256 Credential=a/b', 'Bearer', 'x', '']) {
    expect(read([['authorization', value]])).toBe('')
  }
})

it('reads nothing from a query, a cookie or the underscore twin', () => {
  expect(
    read([
      ['cookie', 'weir-key=a.b'],
      ['weir_key', 'a.b'],
      ['x-weir-key', 'a.b'],
    ]),
  ).toBe('')
})

it('reads what a proxy says of its client, once', () => {
  read([['x-forwarded-client-cert', 'URI=spiffe://a/b']])
  expect(shown.forwarded).toBe('URI=spiffe://a/b')
  for (const times of [2, 3]) {
    read(Array.from({ length: times }, () => ['x-forwarded-client-cert', 'URI=spiffe://a/b'] as const))
    expect(shown.forwarded).toBe('')
  }
})
