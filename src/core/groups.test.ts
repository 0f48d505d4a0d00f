/** Upstreams of equal API: a call that its own cannot bear goes to another, and is there what it would be anyway. */
import { beforeEach, describe, expect, it } from 'vitest'
import { Driver } from '../../test/kit/core-driver.ts'

const PLACES = 5
const POLICY = `version: 1
upstreams:
  '*': { drift: { warmUp: 2s, warmUpSamples: 100 } }
  a: { group: [b] }
rules:
  - { name: places, match: { upstream: a }, mode: enforce, then: { limits: [{ per: upstream, concurrency: ${PLACES} }] } }
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`
const [A, B] = [0, 1]
/** Two classes with speeds of their own. */
const SMALL = { bytes: 1000, ms: 40 }
const BIG = { bytes: 200_000, ms: 400 }
/** Told by `a` to wait for an hour, so that its calls go to `b`. */
const SPENT = 7

let driver: Driver
let calls = 0

/** Where it went; -1 = nowhere. */
function call(upstream: number, { bytes, ms }: typeof BIG, credential = 0): number {
  calls += 1
  const verdict = driver.arrive({
    upstream,
    agent: `agent-${calls % 20}`,
    fingerprint: calls,
    bytes,
    credential,
  })
  if (verdict.do === 'hold') driver.leave(driver.last)
  if (verdict.do !== 'pass') return -1
  const spread = 0.8 + 0.4 * ((calls * 0.618) % 1)
  driver.answer(driver.last, 200, ms * spread)
  return verdict.upstream
}

beforeEach(() => {
  driver = new Driver(POLICY, ['a', 'b'])
  calls = 0
  // In another order at each: neither's numbers for its classes are those of the other.
  for (let round = 0; round < 300; round++) {
    call(A, BIG)
    call(A, SMALL)
    call(B, SMALL)
    call(B, BIG)
    driver.advance(20)
  }
  driver.arrive({ upstream: A, agent: 'first', fingerprint: 0, credential: SPENT })
  driver.head(driver.last, 429, 3_600_000)
  driver.answer(driver.last, 429, 1)
})

describe('a call that goes to another of the group', () => {
  it('is judged there among its own kind, and harms nobody', () => {
    const goneTo = Array.from({ length: 300 }, () => call(A, BIG, SPENT))
    expect(new Set(goneTo)).toEqual(new Set([B]))
    expect(driver.upstream(B)).toMatchObject({ condition: 'healthy' })
    expect(call(B, SMALL)).toBe(B)
  })

  it('gives back the places that it took where it was asked for', () => {
    for (let index = 0; index < 2 * PLACES; index++) expect(call(A, SMALL, SPENT)).toBe(B)
    const verdicts = Array.from({ length: PLACES + 1 }, (_, index) =>
      driver.arrive({ upstream: A, fingerprint: 10_000 + index }),
    )
    expect(verdicts.map(({ do: kind }) => kind).filter((kind) => kind === 'pass')).toHaveLength(PLACES)
    expect(verdicts.at(-1)).toMatchObject({ reason: 'concurrency-limit' })
  })

  it('stays in the books of the one that was asked for', () => {
    for (let index = 0; index < 50; index++) call(A, SMALL, SPENT)
    driver.endAll()
    for (const upstream of [A, B]) {
      const { arrivals, outcomes } = driver.upstream(upstream)
      expect(Object.values(outcomes).reduce((sum, count) => sum + count, 0)).toBe(arrivals)
    }
  })
})
