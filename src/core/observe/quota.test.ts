import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { QuotaKnowledge } from './quota.ts'

describe('QuotaKnowledge', () => {
  it('knows nothing of a credential that nothing was said of', () => {
    const quota = new QuotaKnowledge(4)
    quota.observe(1, undefined, -1, 200, 0)
    expect([quota.blockedUntil(1, 0), quota.allowance(1, 0), quota.known(1, 0), quota.size]).toEqual([
      0,
      0,
      undefined,
      0,
    ])
  })

  it('blocks a refused credential for its Retry-After, and no other, and no longer', () => {
    const quota = new QuotaKnowledge(4)
    quota.observe(1, undefined, 3000, 429, 1000)
    expect(quota.blockedUntil(1, 1000)).toBe(4000)
    expect(quota.blockedUntil(2, 1000)).toBe(0)
    expect(quota.blockedUntil(1, 4000)).toBe(0)
  })

  it('does not let a late success with some left lift an explicit Retry-After', () => {
    const quota = new QuotaKnowledge(4)
    quota.observe(1, undefined, 3000, 429, 0)
    quota.observe(1, { limit: 100, remaining: 5, resetMs: 1000 }, -1, 200, 10)
    expect(quota.blockedUntil(1, 10)).toBe(3000)
  })

  it('ignores a Retry-After on a success, and bounds an absurd one', () => {
    const quota = new QuotaKnowledge(4)
    quota.observe(1, undefined, 3000, 200, 0)
    expect(quota.blockedUntil(1, 0)).toBe(0)
    quota.observe(1, undefined, 1e12, 429, 0)
    expect(quota.blockedUntil(1, 0)).toBe(3_600_000)
  })

  it('blocks a spent credential until its reset, or until an answer says that some is left', () => {
    const quota = new QuotaKnowledge(4)
    quota.observe(1, { limit: 60, remaining: 0, resetMs: 5000 }, -1, 200, 0)
    expect(quota.blockedUntil(1, 100)).toBe(5000)
    quota.observe(1, { limit: 60, remaining: 20, resetMs: 4000 }, -1, 200, 1000)
    expect(quota.blockedUntil(1, 1000)).toBe(0)
  })

  it('does not pace while plenty is left', () => {
    const quota = new QuotaKnowledge(4)
    quota.observe(1, { limit: 100, remaining: 90, resetMs: 10_000 }, -1, 200, 0)
    for (let i = 0; i < 50; i++) quota.spend(1, 0)
    expect(quota.allowance(1, 0)).toBe(0)
  })

  it('spreads the last tenth over the time to the reset, also when all ask in one instant', () => {
    const quota = new QuotaKnowledge(4)
    quota.observe(1, { limit: 100, remaining: 5, resetMs: 10_000 }, -1, 200, 0)
    let went = 0
    for (let at = 0; at < 10_000; at += 10) {
      for (let agent = 0; agent < 20; agent++) {
        if (quota.allowance(1, at) !== 0) continue
        quota.spend(1, at)
        went += 1
      }
    }
    expect(went).toBeGreaterThanOrEqual(4)
    expect(went).toBeLessThanOrEqual(6)
    expect(quota.allowance(1, 10_000)).toBe(0)
  })

  it('learns what a call costs when the quota counts tokens', () => {
    const quota = new QuotaKnowledge(4)
    let remaining = 100_000
    for (let at = 0; at < 2000; at += 50) {
      quota.observe(1, { limit: 100_000, remaining, resetMs: 60_000 }, -1, 200, at)
      quota.spend(1, at)
      remaining -= 2000
    }
    quota.observe(1, { limit: 100_000, remaining: 8000, resetMs: 40_000 }, -1, 200, 2000)
    quota.spend(1, 2000)
    expect(quota.allowance(1, 2000)).toBeGreaterThan(2000 + 5000)
  })

  it('forgets the credential that it has heard of least lately, and never grows past its size', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { maxLength: 300 }), (credentials) => {
        const quota = new QuotaKnowledge(8)
        for (const [at, credential] of credentials.entries())
          quota.observe(credential, undefined, 1e6, 429, at)
        expect(quota.size).toBeLessThanOrEqual(8)
        const latest = [...new Set(credentials.toReversed())].slice(0, 8)
        for (const credential of latest) expect(quota.blockedUntil(credential, 400)).toBeGreaterThan(0)
      }),
    )
  })
})
