/** One rule for every scenario: hold whenever an upstream is not well. No operator's limits that could help. */
import type { Policy } from '../../src/core/policy.ts'
import { holdPolicy, policyOf } from '../kit/policy.ts'
import type { Scenario } from '../kit/sim/scenario.ts'

const TEXT = holdPolicy(`{
  drift: { warmUp: 30s },
  hold: { max: 30s, calls: 1024 },
  release: { probeEvery: 500ms, probeMax: 1s, passes: 2, start: 30%, growth: 1.5, window: 250ms } }`)

export function simPolicy(scenario: Scenario): Policy {
  return policyOf(TEXT, Object.keys(scenario.upstreams), 'sim')
}
