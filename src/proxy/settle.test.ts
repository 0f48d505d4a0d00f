import { expect, test } from 'vitest'
import { kindOfAnswer } from './settle.ts'

test('answers on purpose are samples, overload is a signal, the rest of 5xx and 408 are failures', () => {
  const kinds = [200, 301, 400, 404, 408, 429, 500, 502, 503, 504, 529].map((status) =>
    kindOfAnswer(status, false),
  )
  expect(kinds).toEqual([
    'success',
    'success',
    'success',
    'success',
    'failure',
    'dropped',
    'failure',
    'failure',
    'dropped',
    'failure',
    'dropped',
  ])
})

test('a long-lived call is no sample of speed, but its refusal is still one of congestion', () => {
  expect(kindOfAnswer(200, true)).toBe('ignored')
  expect(kindOfAnswer(429, true)).toBe('dropped')
  expect(kindOfAnswer(502, true)).toBe('failure')
})
