import { describe, expect, it } from 'vitest'
import { policyOf } from '../../../test/kit/policy.ts'
import { StaticLimits, type Keys } from './static-limits.ts'

const SIZES = { upstreams: 2, agents: 4, workflows: 4 }
const KEYS: Keys = { asked: 0, agentSlot: 1, workflowSlot: 2 }

function limitsOf(then: string): { limits: StaticLimits; gates: readonly number[] } {
  const policy = policyOf(`version: 1\nrules:\n  - name: limit\n    mode: enforce\n    then: ${then}\n`)
  const limits = new StaticLimits(policy, SIZES)
  const [rule] = policy.rules
  if (rule === undefined) throw new Error('no rule')
  return { limits, gates: limits.of(rule) }
}

describe('StaticLimits', () => {
  it('lets a burst through, then says when there is room', () => {
    const { limits, gates } = limitsOf('{ limits: [{ per: agent, rate: 10/s, burst: 3 }] }')
    const waits = Array.from({ length: 4 }, () => limits.take(gates, KEYS, 1000)?.waitMs ?? 0)
    expect(waits.slice(0, 3)).toEqual([0, 0, 0])
    expect(waits[3]).toBeCloseTo(100)
    expect(limits.take(gates, { ...KEYS, agentSlot: 2 }, 1000)).toBeUndefined()
  })

  it('gives back what it took when a later limit refuses', () => {
    const { limits, gates } = limitsOf(
      '{ limits: [{ per: upstream, concurrency: 1 }, { per: agent, concurrency: 1 }] }',
    )
    expect(limits.take(gates, KEYS, 0)).toBeUndefined()
    expect(limits.take(gates, { ...KEYS, asked: 1 }, 0)).toMatchObject({
      waitMs: -1,
      reason: 'concurrency-limit',
    })
    expect(limits.take(gates, { ...KEYS, asked: 1, agentSlot: 3 }, 0)).toBeUndefined()
  })

  it('has room again when a call leaves', () => {
    const { limits, gates } = limitsOf('{ limits: [{ per: workflow, concurrency: 2 }] }')
    const take = (): boolean => limits.take(gates, KEYS, 0) === undefined
    expect([take(), take(), take()]).toEqual([true, true, false])
    limits.leave(gates, KEYS)
    expect([take(), take()]).toEqual([true, false])
  })

  it('counts a rule that caps the width of workflows as a limit of each workflow', () => {
    const { limits, gates } = limitsOf('{ fanOut: { width: 1, calls: 100, depth: 5 } }')
    expect(limits.take(gates, KEYS, 0)).toBeUndefined()
    expect(limits.take(gates, KEYS, 0)).toMatchObject({ reason: 'fan-out' })
    expect(limits.take(gates, { ...KEYS, workflowSlot: 3 }, 0)).toBeUndefined()
  })

  it('forgets the rate of an agent whose slot gets another owner', () => {
    const { limits, gates } = limitsOf('{ limits: [{ per: agent, rate: 1/min, burst: 1 }] }')
    expect(limits.take(gates, KEYS, 0)).toBeUndefined()
    limits.forget('agent', KEYS.agentSlot)
    expect(limits.take(gates, KEYS, 0)).toBeUndefined()
  })

  it('tells places of different gates and keys apart', () => {
    const { limits, gates } = limitsOf(
      '{ limits: [{ per: upstream, concurrency: 1 }, { per: agent, concurrency: 1 }] }',
    )
    const places = gates.flatMap((gate) =>
      [0, 1].map((key) => limits.placeOf(gate, { ...KEYS, asked: key, agentSlot: key })),
    )
    expect(new Set(places).size).toBe(4)
  })
})
