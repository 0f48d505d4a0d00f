import { expect, test } from 'vitest'
import { isHint, readHints } from './quota-headers.ts'

const NOW = Date.parse('2026-11-20T12:00:00Z')

test.each([
  ['whole seconds', ['Retry-After', '7'], 7000],
  ['fractions', ['retry-after', '2.5'], 2500],
  [
    'a date, by the clock of the answer',
    ['Date', 'Fri, 20 Nov 2026 11:00:00 GMT', 'Retry-After', 'Fri, 20 Nov 2026 11:00:30 GMT'],
    30_000,
  ],
  ['a date without a clock', ['Retry-After', 'Fri, 20 Nov 2026 12:00:30 GMT'], 30_000],
  ['a date that is over', ['Retry-After', 'Fri, 20 Nov 2026 11:00:00 GMT'], 0],
  ['ms beside seconds: the later', ['retry-after', '1', 'retry-after-ms', '1500'], 1500],
  ['nonsense', ['retry-after', 'soon'], -1],
  ['a number without end', ['retry-after', '9'.repeat(400)], -1],
  ['nothing', ['content-type', 'text/plain'], -1],
])('Retry-After as %s', (_what, headers, expected) => {
  expect(readHints(headers, NOW).retryAfterMs).toBe(expected)
})

test('the scarcest of what OpenAI says is the quota', () => {
  const { quota } = readHints(
    [
      'x-ratelimit-limit-requests',
      '5000',
      'x-ratelimit-remaining-requests',
      '4999',
      'x-ratelimit-reset-requests',
      '12ms',
      'x-ratelimit-limit-tokens',
      '160000',
      'x-ratelimit-remaining-tokens',
      '1600',
      'x-ratelimit-reset-tokens',
      '6m0s',
    ],
    NOW,
  )
  expect(quota).toEqual({ limit: 160_000, remaining: 1600, resetMs: 360_000 })
})

test("Anthropic's resets are instants", () => {
  const { quota } = readHints(
    [
      'anthropic-ratelimit-input-tokens-limit',
      '1000',
      'anthropic-ratelimit-input-tokens-remaining',
      '0',
      'anthropic-ratelimit-input-tokens-reset',
      '2026-11-20T12:00:42Z',
      'anthropic-ratelimit-requests-limit',
      '50',
      'anthropic-ratelimit-requests-remaining',
      '49',
    ],
    NOW,
  )
  expect(quota).toEqual({ limit: 1000, remaining: 0, resetMs: 42_000 })
})

test.each([
  ['60', 60_000],
  ['1.5', 1500],
  [String(NOW / 1000 + 90), 90_000],
  ['1h2m3s', 3_723_000],
  ['1d', 86_400_000],
  ['250ms', 250],
  ['1s500ms', 1500],
  ['never', 0],
])('a plain reset of %s', (text, resetMs) => {
  const headers = ['x-ratelimit-limit', '10', 'x-ratelimit-remaining', '1', 'x-ratelimit-reset', text]
  expect(readHints(headers, NOW).quota).toEqual({ limit: 10, remaining: 1, resetMs })
})

test('a quota without what remains is none', () => {
  expect(readHints(['x-ratelimit-limit-requests', '10'], NOW).quota).toBeUndefined()
  expect(readHints(['x-ratelimit-remaining-requests', 'many'], NOW).quota).toBeUndefined()
})

test('an answer with endless kinds of quota costs no more than some', () => {
  const headers = Array.from({ length: 5000 }, (_, n) => [
    `x-ratelimit-remaining-k${n}`,
    String(5000 - n),
  ]).flat()
  expect(readHints(headers, NOW).quota).toBeDefined()
})

test('the quick look knows every name that the long one reads', () => {
  const known = [
    'retry-after',
    'retry-after-ms',
    'x-amz-retry-after',
    'x-ratelimit-limit-tokens',
    'ratelimit-reset',
  ]
  for (const name of [...known, 'anthropic-ratelimit-tokens-limit']) expect(isHint(name)).toBe(true)
  for (const name of ['content-type', 'x-request-id', 'age', 'retry']) expect(isHint(name)).toBe(false)
})
