import { expect, it } from 'vitest'
import { keptOf, putOn } from './injected-credentials.ts'

const INJECTED = { headers: ['authorization', 'Bearer own'], stripped: new Set<string>() }

it('puts the credential behind all that the agent said', () => {
  const head = ['a', 'b']
  putOn(head, INJECTED, false)
  expect(head).toEqual(['a', 'b', 'authorization', 'Bearer own'])
})

it.each([
  ['realtime, openai-insecure-api-key.k, openai-beta.realtime-v1', ['realtime, openai-beta.realtime-v1']],
  ['openai-insecure-api-key.k', []],
  ['openai-insecure-api-key.k,openai-insecure-api-key.j', []],
  ['realtime', ['realtime']],
])('takes the key of a browser out of %s', (protocols, left) => {
  const head = ['x', 'y', 'Sec-WebSocket-Protocol', protocols, 'sec-websocket-protocol', 'other']
  putOn(head, INJECTED, true)
  const kept = [...left, 'other'].flatMap((value, index) =>
    index < left.length ? ['Sec-WebSocket-Protocol', value] : ['sec-websocket-protocol', value],
  )
  expect(head).toEqual(['x', 'y', ...kept, 'authorization', 'Bearer own'])
})

it('keeps for later nothing that was shown to Weir, and no credential that Weir replaces', () => {
  const raw = ['Weir-Key', 'k', 'Authorization', 'Bearer a', 'X-Api-Key', 'x', 'cookie', 'c', 'a', 'b']
  expect(keptOf(raw, undefined)).toEqual([
    'Authorization',
    'Bearer a',
    'X-Api-Key',
    'x',
    'cookie',
    'c',
    'a',
    'b',
  ])
  expect(keptOf(raw, INJECTED)).toEqual(['cookie', 'c', 'a', 'b'])
})
