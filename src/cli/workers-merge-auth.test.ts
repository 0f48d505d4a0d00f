import { expect, it } from 'vitest'
import type { AuthMetrics } from '../telemetry/metrics.ts'
import { mergeAuth } from './workers-merge-auth.ts'

const one = (n: number): AuthMetrics => ({
  checks: { key: { accepted: n, refused: 1 }, token: { accepted: 0 } },
  denied: { path: n },
  capped: n,
  keys: 3,
  rememberedTokens: n,
  failing: n - 1,
  issuers: { a: n, b: Infinity },
})

it('adds counts, those of workers that are gone too, and tells the worst of what is now', () => {
  expect(mergeAuth([one(1), one(2), one(5)], [one(1), one(2)])).toEqual({
    checks: { key: { accepted: 8, refused: 3 }, token: { accepted: 0 } },
    denied: { path: 8 },
    capped: 8,
    keys: 3,
    rememberedTokens: 3,
    failing: 1,
    issuers: { a: 2, b: Infinity },
  })
})

it('is nothing where nobody has to show anything', () => {
  expect(mergeAuth([undefined], [])).toBeUndefined()
})
