import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { check } from '../../src/cli/check.ts'
import { loadPolicies } from '../../src/policy/load.ts'

const ROOT = join(import.meta.dirname, '../..')
const POLICIES = join(ROOT, 'policies')
const FILES = readdirSync(POLICIES).filter((name) => name.endsWith('.yaml'))
const UPSTREAMS = ['idp', 'realtime', 'model', 'tts', 'model-a', 'model-b', 'vectors']

function load(...names: string[]) {
  const paths = names.map((name) => join(POLICIES, name))
  const set = loadPolicies(paths, { upstreams: UPSTREAMS, deferral: false })
  if (!set.ok) throw new Error(JSON.stringify(set.problems))
  return set
}

describe('the shipped policies', () => {
  it('are the default and one for each scenario', () => {
    expect(FILES).toEqual([
      'default.yaml',
      'kyc.yaml',
      'multi-model.yaml',
      'rag.yaml',
      'swarm.yaml',
      'voice.yaml',
    ])
  })

  it.each(FILES)('%s compiles without a warning', (name) => {
    expect(load(name).problems).toEqual([])
  })

  it('go together in one folder, the default last', () => {
    const set = loadPolicies([POLICIES], { upstreams: UPSTREAMS, deferral: false })
    expect(set.problems).toEqual([])
    expect(set.ok && set.policy.rules.at(-1)?.id).toBe('default/as-much-as-it-can-bear')
  })

  it('touch no call by default', () => {
    expect(load('default.yaml').policy.rules.map((rule) => rule.mode)).toEqual(['shadow', 'shadow'])
  })

  it('act in every scenario, and hold through recovery', () => {
    for (const name of FILES.filter((file) => file !== 'default.yaml')) {
      const { rules } = load(name).policy
      expect(rules.every((rule) => rule.mode === 'enforce')).toBe(true)
      const holds = rules.filter((rule) => rule.then.do === 'hold')
      expect(holds.length).toBeGreaterThan(0)
      for (const rule of holds) expect(rule.when?.upstream ?? ['recovering']).toContain('recovering')
    }
  })

  it('let equal models stand in for each other', () => {
    const { policy } = load('multi-model.yaml')
    const [a, b] = [UPSTREAMS.indexOf('model-a'), UPSTREAMS.indexOf('model-b')]
    expect(policy.upstreams[a]?.group).toEqual([a, b])
    expect(policy.upstreams[b]?.group).toEqual([a, b])
  })

  it('are in order together with the example of a config', () => {
    const result = check({ flags: { config: join(ROOT, 'weir.example.yaml') }, env: {} })
    expect(result.problems).toEqual([])
    expect(result.rules).toBe(5)
  })
})
