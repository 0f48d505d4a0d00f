import { describe, expect, it } from 'vitest'
import { fanOutCondition, type WorkflowFacts } from './fan-out.ts'

const thresholds = { width: 8, calls: 20, hardCalls: 500, loopCalls: 20, ttlMs: 900_000 }
const seen = (over: Partial<WorkflowFacts>): string =>
  fanOutCondition(
    {
      calls: 30,
      inFlight: 1,
      generation: 1,
      growths: 0,
      circling: false,
      named: true,
      callsP99: 0,
      widthP99: 0,
      ...over,
    },
    thresholds,
  )

describe('condition of a workflow', () => {
  it('is ordinary in sequence, however many calls there are within the budget', () => {
    expect(seen({ calls: 500 })).toBe('ordinary')
  })

  it('is wide from half above the bound while the class is unknown', () => {
    expect(seen({ inFlight: 11 })).toBe('ordinary')
    expect(seen({ inFlight: 12 })).toBe('wide')
  })

  it('is wide from twice what is ordinary for the class, and never below the bound', () => {
    expect(seen({ inFlight: 8, widthP99: 1 })).toBe('wide')
    expect(seen({ inFlight: 7, widthP99: 1 })).toBe('ordinary')
    expect(seen({ inFlight: 39, widthP99: 20 })).toBe('ordinary')
    expect(seen({ inFlight: 40, widthP99: 20 })).toBe('wide')
  })

  it('is amplified from twice the calls that are ordinary for the class', () => {
    expect(seen({ calls: 19, callsP99: 3 })).toBe('ordinary')
    expect(seen({ calls: 20, callsP99: 3 })).toBe('amplified')
    expect(seen({ calls: 199, callsP99: 100 })).toBe('ordinary')
    expect(seen({ calls: 200, callsP99: 100 })).toBe('amplified')
  })

  it('is exploding after three growing generations of which the last is wider than ordinary', () => {
    expect(seen({ growths: 2, generation: 40 })).toBe('ordinary')
    expect(seen({ growths: 3, generation: 7 })).toBe('ordinary')
    expect(seen({ growths: 3, generation: 8 })).toBe('exploding')
    expect(seen({ growths: 3, generation: 8, calls: 19 })).toBe('ordinary')
    expect(seen({ growths: 3, generation: 39, widthP99: 20 })).toBe('ordinary')
  })

  it('is looping from the bound on calls', () => {
    expect(seen({ circling: true, calls: 19 })).toBe('ordinary')
    expect(seen({ circling: true, calls: 20 })).toBe('looping')
  })

  it('judges a run that only pauses tell apart for circles alone', () => {
    const service = {
      named: false,
      calls: 100_000,
      inFlight: 80,
      growths: 5,
      generation: 99,
      callsP99: 5,
      widthP99: 5,
    }
    expect(seen(service)).toBe('ordinary')
    expect(seen({ ...service, circling: true })).toBe('looping')
  })

  it('says the worst that is true', () => {
    const all = { inFlight: 99, growths: 3, generation: 99, callsP99: 5, widthP99: 5, circling: true }
    expect(seen({ ...all, calls: 501 })).toBe('over-budget')
    expect(seen(all)).toBe('looping')
    expect(seen({ ...all, circling: false })).toBe('exploding')
    expect(seen({ ...all, circling: false, growths: 0 })).toBe('amplified')
  })
})
