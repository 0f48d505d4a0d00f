import { describe, expect, it } from 'vitest'
import type { Verdict } from '../core/model.ts'
import { NO_HITS, RuleCounter } from './rule-hits.ts'

const verdict = (changes: Partial<Verdict>): Verdict => ({
  do: 'pass',
  reason: 'healthy',
  rule: -1,
  upstream: 0,
  until: 0,
  slotAt: 0,
  shadow: undefined,
  ...changes,
})

describe('hits of a rule', () => {
  it('are calls by what the rule did, and would have done', () => {
    const counter = new RuleCounter()
    counter.ended(verdict({ rule: 1 }), 0)
    counter.ended(verdict({ rule: 1, do: 'hold' }), 0)
    counter.ended(verdict({ rule: 1, do: 'shed' }), 0)
    counter.ended(verdict({ shadow: verdict({ rule: 2, do: 'shed' }) }), 0)
    expect(counter.of(1)).toEqual({ ...NO_HITS, passed: 1, held: 1, shed: 1 })
    expect(counter.of(2)).toEqual({ ...NO_HITS, wouldShed: 1 })
  })

  it('are none for a call that no rule decided, and for one that met none', () => {
    const counter = new RuleCounter()
    counter.ended(verdict({}), 0)
    counter.ended(undefined, 0)
    expect(counter.of(0)).toEqual(NO_HITS)
  })

  it('begin again with another set of rules; a call that came under the old set is not counted', () => {
    const counter = new RuleCounter()
    counter.ended(verdict({ rule: 0 }), 5)
    counter.restart(10)
    expect(counter.of(0)).toEqual(NO_HITS)
    counter.ended(verdict({ rule: 0 }), 9)
    counter.ended(verdict({ rule: 0 }), 10)
    expect(counter.of(0).passed).toBe(1)
  })
})
