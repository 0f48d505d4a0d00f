/** A short look with a fixed seed at each start of the suite; long runs are `npm run fuzz`. */
import { expect, test } from 'vitest'
import { fuzzHead } from './head.ts'
import { fuzzJournal } from './journal.ts'
import { fuzzPolicy } from './policy.ts'
import { fuzzResponse } from './response.ts'

test(
  'what llhttp refuses never reaches an upstream, and what reaches it is what was sent',
  { timeout: 60_000 },
  async () => {
    const { findings, cases, figures } = await fuzzHead({ cases: 2048, seed: 11 })
    expect(findings).toEqual([])
    expect(cases).toBe(2048)
    // Both kinds of case were there.
    expect(figures['passedUpstream']).toBeGreaterThan(100)
    expect(figures['refusedByBoth']).toBeGreaterThan(100)
  },
)

test(
  'what Weir takes for a whole answer is one for llhttp, and its connection stays in step',
  { timeout: 60_000 },
  async () => {
    const { findings, figures } = await fuzzResponse({ cases: 8192, seed: 11 })
    expect(findings).toEqual([])
    expect(figures['whole']).toBeGreaterThan(500)
    expect(figures['refusedByBoth']).toBeGreaterThan(500)
    expect(figures['keptInStep']).toBeGreaterThan(10)
  },
)

test('a policy file of any bytes is a policy, or problems with a place', { timeout: 60_000 }, async () => {
  const { findings, figures } = await fuzzPolicy({ cases: 512, seed: 11 })
  expect(findings).toEqual([])
  expect(figures['blocks']).toBeGreaterThan(500)
})

test('a journal of any bytes gives its good lines and no others', { timeout: 60_000 }, async () => {
  const { findings, figures } = await fuzzJournal({ cases: 512, seed: 11 })
  expect(findings).toEqual([])
  expect(figures['blocks']).toBeGreaterThan(100)
})
