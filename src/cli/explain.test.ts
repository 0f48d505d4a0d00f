import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, type Flags } from '../config.ts'
import { explainCommand, explainWith, splitUpstreams } from './explain.ts'
import type { Explanation, Question } from './explanation.ts'
import { explanationText } from './explanation-text.ts'

const POLICIES = join(import.meta.dirname, '../../policies')

const QUESTION: Question = {
  upstream: 'idp',
  agent: 'onboard-7',
  path: '/v1/verify',
  method: 'POST',
  priority: 'normal',
  verified: false,
  condition: 'healthy',
  agentCondition: 'ordinary',
  workflowCondition: 'ordinary',
  slowdown: 1,
  errorShare: 0,
  retryShare: 0,
  retryingAgents: 0,
  inFlight: 0,
}

function ask(policies: readonly string[], question: Partial<Question>): Explanation {
  const flags: Flags = {
    config: join(import.meta.dirname, '../../weir.example.yaml'),
    upstream: ['model=http://127.0.0.1:9'],
    policies: policies.map((name) => join(POLICIES, name)),
  }
  return explainWith(flags, { ...QUESTION, ...question })
}

describe('weir explain', () => {
  it('finds the rule that decides, and the one that only watches', () => {
    const answer = ask(['kyc.yaml', 'default.yaml'], { condition: 'degraded' })
    expect(answer.decides).toBe('kyc/hold-verifications')
    expect(answer.shadow).toBe('default/as-much-as-it-can-bear')
    expect(answer.rules.map((rule) => [rule.id, rule.state, rule.decides])).toEqual([
      ['kyc/no-circles', 'sleeps', false],
      ['kyc/live-verifications', 'other', false],
      ['kyc/hold-verifications', 'acts', true],
      ['default/stop-runaways', 'sleeps', false],
      ['default/as-much-as-it-can-bear', 'acts', false],
    ])
    expect(answer.thresholds.hold.maxCalls).toBe(4096)
  })

  it('says why a rule does not take part, and what would wake it', () => {
    const answer = ask(['kyc.yaml'], {})
    expect(answer.decides).toBeUndefined()
    expect(answer.rules[2]?.misses).toEqual([
      { key: 'when.upstream', wanted: 'drifting, storming, degraded, down, recovering', given: 'healthy' },
    ])
    expect(answer.changes.at(-1)).toBe(
      'with when.upstream drifting, storming, degraded, down, recovering, kyc/hold-verifications would decide: hold',
    )
  })

  it('knows that an exempt call passes whatever happens', () => {
    const answer = ask(['voice.yaml'], { upstream: 'model', priority: 'critical', condition: 'down' })
    expect([answer.decides, answer.outcome]).toEqual([
      'voice/live-call',
      'passes, whatever the condition of the upstream',
    ])
  })

  it('names the limits of a call that nothing else decides', () => {
    const answer = ask(['swarm.yaml'], { upstream: 'model' })
    expect(answer.outcome).toBe(
      'passes, within the limits and caps of the rules above; beyond them it is held',
    )
  })

  it('prints an answer that a person can follow', () => {
    const lines = explanationText(ask(['kyc.yaml'], { condition: 'down' })).split('\n')
    expect(lines.slice(0, 3)).toEqual([
      'POST /v1/verify by onboard-7 (normal) to idp, which is down:',
      '  the call passes while the upstream has room, else is held; what cannot wait gets a slot.',
      '  decided by kyc/hold-verifications',
    ])
    expect(lines).toContain('  hold        30s, 4096 calls, 512 per agent')
  })

  it('refuses an upstream that is not configured, with the nearest one', () => {
    expect(() => ask(['kyc.yaml'], { upstream: 'ipd' })).toThrow(ConfigError)
    expect(() => ask(['kyc.yaml'], { upstream: 'ipd' })).toThrow(/nearest: idp/)
  })

  it('tells the upstream that is asked about from those that are configured on the way', () => {
    expect(splitUpstreams(['a=http://x'])).toEqual({ configured: ['a=http://x'], asked: 'a' })
    expect(splitUpstreams(['a=http://x', 'b'])).toEqual({ configured: ['a=http://x'], asked: 'b' })
  })

  it('has help for every option', () => {
    for (const option of explainCommand().options)
      expect([option.flags, option.description]).not.toEqual([option.flags, ''])
  })
})
