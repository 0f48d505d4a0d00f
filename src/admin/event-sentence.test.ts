import { describe, expect, it } from 'vitest'
import { EVENTS, type CoreEvent, type EventName } from '../core/model.ts'
import { parsePolicy } from '../policy/load.ts'
import { compilePolicy } from '../policy/compile.ts'
import { described, type Background } from './event-sentence.ts'
import { eventView } from './views.ts'

const read = parsePolicy(
  'kyc.yaml',
  `version: 1
upstreams: { '*': { drift: { slowAlarm: 8 } } }
rules:
  - { name: hold, mode: enforce, match: { upstream: idp }, when: { upstream: [drifting, recovering] }, then: { do: hold } }
  - { name: sleeps, mode: 'off', when: { upstream: [drifting, recovering] }, then: { do: hold } }
`,
)
const compiled = compilePolicy(read.file === undefined ? [] : [read.file], {
  upstreams: ['idp', 'model'],
  deferral: false,
})
if (!compiled.ok) throw new Error(JSON.stringify([read.problems, compiled.problems]))
const behind: Background = {
  policy: compiled.policy,
  latency: { p50: 412, p90: 700, p99: 1500 },
  baseline: { p50: 180, p90: 240, p99: 300 },
  upstreams: ['idp', 'model'],
}

function told(name: EventName, readings: Record<string, number>, more: Partial<CoreEvent> = {}) {
  const event: CoreEvent = { name, at: 0, upstream: 0, readings, ...more }
  return described(eventView(event, behind.upstreams, 0, 0), event, behind)
}

describe('an event in words', () => {
  it('says which score crossed which threshold', () => {
    expect(told('drift-started', { driftSlow: 9.3, driftFast: 1, driftErrors: 0.2 }).text).toBe(
      'drift started: slower, score 9.3 over 8, p50 412 ms against 180 ms',
    )
  })

  it('says the share of errors where their test has begun anew', () => {
    expect(told('drift-started', { driftSlow: 1, driftErrors: 0, errorShare: 0.31 }).text).toBe(
      'drift started: 31 % errors, p50 412 ms against 180 ms',
    )
  })

  it('names the rules that act in a condition, with their modes, but not one that sleeps or is about others', () => {
    const readings = {
      errorShare: 0.04,
      retryShare: 0.2,
      retryingAgents: 7,
      inFlight: 12,
      held: 3,
      overdue: 5,
    }
    const event = told('condition-changed', readings, { from: 'healthy', to: 'drifting' })
    expect(event.text).toBe(
      'healthy → drifting: p50 412 ms against 180 ms, 4 % errors, 20 % retries by 7 agents, 12 in flight (5 overdue), 3 held; acts: kyc/hold (enforce)',
    )
    expect(event.rules).toEqual([{ id: 'kyc/hold', mode: 'enforce' }])
    expect(told('condition-changed', readings, { from: 'healthy', to: 'drifting', upstream: 1 }).rules).toBe(
      undefined,
    )
    expect(told('condition-changed', readings, { from: 'drifting', to: 'healthy' }).rules).toBe(undefined)
  })

  it('names the upstream at which a storm began, when that is another', () => {
    const readings = { retryingAgents: 7, activeAgents: 20, retryShare: 0.41, root: 1 }
    expect(told('storm-started', readings).text).toMatch(
      /^storm started: 7 of 20 agents .*41 % .*, root model$/,
    )
    expect(told('storm-started', { ...readings, root: 0 }).text).not.toContain('root')
  })

  it('is one sentence without gaps for every event that there is, even with no figure at all', () => {
    for (const name of EVENTS) {
      const { text } = told(name, {}, { from: 'Infinity', to: '12', agent: 'a', workflow: 'w' })
      expect([name, text]).toEqual([name, expect.not.stringMatching(/undefined|NaN|Infinity ms|\n/)])
      expect(text?.length).toBeGreaterThan(10)
    }
  })
})
