import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FAMILIES } from '../families.ts'
import type { Arrival } from '../model.ts'
import { LineageTracker } from './lineage.ts'

const tracker = (): LineageTracker => new LineageTracker({ size: 64 })

describe('lineage', () => {
  it('knows nothing of a failure after an idle gap', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'other' }), 0)
    lineage.failed(failure({ family: 'other' }), 503, 300_000, 10)
    expect(lineage.arrive(arrival({ family: 'other' }), 130_011).kind).toBe('first')
    expect(lineage.outstanding).toBe(0)
  })

  it('takes equal calls of a burst in one instant for a fan-out', () => {
    const lineage = tracker()
    const kinds = Array.from({ length: 12 }, () => lineage.arrive(arrival({}), 0).kind)
    expect(kinds).toEqual(['first', ...Array.from({ length: 11 }, () => 'hedge')])
  })

  it('never finds more retries than there were failures, for every family', () => {
    const step = fc.record({
      fingerprint: fc.integer({ min: 1, max: 3 }),
      wait: fc.integer({ min: 0, max: 3000 }),
      what: fc.constantFrom('arrive', 'arrive', 'fail', 'ok'),
    })
    const family = fc.constantFrom(...FAMILIES.map(({ name }) => name))
    fc.assert(
      fc.property(family, fc.array(step, { maxLength: 100 }), (name, steps) => {
        const lineage = tracker()
        let at = 0
        const failures = new Map<number, number>()
        for (const { fingerprint, wait, what } of steps) {
          at += wait
          const left = failures.get(fingerprint) ?? 0
          if (what === 'fail') {
            lineage.failed(failure({ fingerprint, family: name }), 429, -1, at)
            failures.set(fingerprint, left + 1)
          } else if (what === 'ok') lineage.settledOk(fingerprint, at)
          else {
            const isRetry = lineage.arrive(arrival({ fingerprint, family: name }), at).kind === 'retry'
            failures.set(fingerprint, isRetry ? left - 1 : left)
          }
          expect(failures.get(fingerprint) ?? 0).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })

  it('takes a number above 1 for proof and spends the failure before it', () => {
    const lineage = tracker()
    lineage.arrive(arrival({}), 0)
    lineage.failed(failure({}), 500, -1, 10)
    expect(lineage.arrive(arrival({ attempt: 2 }), 450)).toEqual({ attempt: 2, confidence: 1, kind: 'retry' })
    expect(lineage.outstanding).toBe(0)
  })

  it('believes a number above 1 without any failure seen', () => {
    expect(tracker().arrive(arrival({ attempt: 3 }), 0)).toEqual({ attempt: 3, confidence: 1, kind: 'retry' })
  })

  it('does not take a proven first try for a retry', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'aws-js', attempt: 1 }), 0)
    lineage.failed(failure({ family: 'aws-js' }), 503, -1, 10)
    expect(lineage.arrive(arrival({ family: 'aws-js', attempt: 1 }), 30).kind).not.toBe('retry')
  })

  it.each([
    ['langchain-js', 1, -1, 1500, true],
    ['langchain-js', 1, -1, 400, false],
    ['langchain-js', 1, -1, 2400, false],
    ['langchain-js', 1, 10_000, 1500, false],
    ['langchain-js', 1, 10_000, 10_010, true],
    ['langchain-js', 5, 3000, 20_000, true],
    ['ai-sdk', 1, -1, 2005, true],
    ['ai-sdk', 1, -1, 1900, false],
    ['ai-sdk', 2, -1, 4010, true],
    ['ai-sdk', 1, 1234.5, 1240, true],
    ['ai-sdk', 1, 70_000, 2010, true],
    ['got', 1, 2500, 3010, true],
    ['got', 1, 2500, 2510, false],
    ['axios', 1, -1, 5, true],
    ['axios', 1, 3000, 3590, true],
    ['undici', 3, -1, 2010, true],
    ['genai-js', 2, 500, 3000, true],
    ['codex', 1, -1, 205, true],
    ['claude-code', 1, -1, 550, true],
    ['mcp', 1, -1, 1000, false],
    ['other', 1, -1, 3000, true],
    ['python-requests', 1, 20_000, 20_100, true],
  ])(
    'expects %s after failure %i with advice %d at +%d ms: %s',
    (family, attempt, adviceMs, gap, isRetry) => {
      const lineage = tracker()
      lineage.arrive(arrival({ family }), 0)
      lineage.failed({ ...failure({ family }), attempt }, 429, adviceMs, 100)
      const found = lineage.arrive(arrival({ family }), 100 + gap)
      expect(found.kind === 'retry').toBe(isRetry)
      expect(found.attempt).toBe(isRetry ? attempt + 1 : 1)
    },
  )

  it('ignores advice on a 503 where LangChain does', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'langchain-js' }), 0)
    lineage.failed(failure({ family: 'langchain-js' }), 503, 10_000, 0)
    expect(lineage.arrive(arrival({ family: 'langchain-js' }), 1500).kind).toBe('retry')
  })

  it('counts a chain of outer retries up', () => {
    const lineage = tracker()
    const family = 'ai-sdk'
    lineage.arrive(arrival({ family }), 0)
    lineage.failed(failure({ family }), 500, -1, 10)
    expect(lineage.arrive(arrival({ family }), 2015).attempt).toBe(2)
    lineage.failed(failure({ family }), 500, -1, 2100)
    expect(lineage.arrive(arrival({ family }), 6110).attempt).toBe(3)
  })

  it('takes an SDK call without proof for a retry of an outer layer only, and does not trust it to act on', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'openai-js' }), 0)
    lineage.failed(failure({ family: 'openai-js' }), 429, -1, 0)
    expect(lineage.arrive(arrival({ family: 'openai-js' }), 450).kind).not.toBe('retry')
    const outer = lineage.arrive(arrival({ family: 'openai-js' }), 3000)
    expect(outer.kind).toBe('retry')
    expect(outer.confidence).toBeLessThan(0.6)
  })

  it('sees a zero-wait loop around an SDK', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'openai-py-2' }), 0)
    lineage.failed(failure({ family: 'openai-py-2' }), 429, -1, 50)
    expect(lineage.arrive(arrival({ family: 'openai-py-2' }), 53).kind).toBe('retry')
  })

  it('takes an id whose last try failed for proof, and one whose last try did not for none', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ fingerprint: 1, onceKey: 99 }), 0)
    lineage.failed(failure({ fingerprint: 1, onceKey: 99 }), 502, -1, 10)
    expect(lineage.arrive(arrival({ fingerprint: 2, onceKey: 99 }), 20)).toEqual({
      attempt: 2,
      confidence: 1,
      kind: 'retry',
    })
    lineage.settledOk(2, 30)
    expect(lineage.arrive(arrival({ fingerprint: 2, onceKey: 99 }), 40).kind).toBe('poll')
  })

  it('counts a failure once when both its id and its fingerprint come back', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'other', onceKey: 99 }), 0)
    lineage.failed(failure({ family: 'other', onceKey: 99 }), 502, -1, 10)
    expect(lineage.arrive(arrival({ family: 'other', onceKey: 99 }), 20).kind).toBe('retry')
    expect(lineage.arrive(arrival({ family: 'other' }), 30).kind).not.toBe('retry')
  })

  it('takes the same call after a success for a poll: repeated MCP calls are no retries', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'other' }), 0)
    lineage.settledOk(1, 10)
    expect(lineage.arrive(arrival({ family: 'other' }), 20).kind).toBe('poll')
  })

  it.each([400, 401, 403, 404, 422])('expects nobody back after a final %i', (status) => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'other' }), 0)
    lineage.failed(failure({ family: 'other' }), status, -1, 10)
    expect(lineage.arrive(arrival({ family: 'other' }), 500).kind).toBe('first')
  })

  it.each(['node-fetch', 'openai-js'])('lets a poller of %s whose poll failed keep its rhythm', (family) => {
    const lineage = tracker()
    for (let at = 0; at < 5000; at += 1000) {
      lineage.arrive(arrival({ family, bytes: 0 }), at)
      lineage.settledOk(1, at + 20)
    }
    lineage.arrive(arrival({ family, bytes: 0 }), 5000)
    lineage.failed(failure({ family }), 503, -1, 5020)
    expect(lineage.arrive(arrival({ family, bytes: 0 }), 6003).kind).not.toBe('retry')
  })

  it('takes the return of a stream that was cut for a resume', () => {
    const lineage = tracker()
    lineage.arrive(arrival({ family: 'mcp', longLived: true }), 0)
    lineage.settledOk(1, 5000)
    expect(lineage.arrive(arrival({ family: 'mcp', longLived: true }), 6000).kind).toBe('resume')
  })

  it('is less sure of wide windows and of calls without a length', () => {
    const narrow = confidence('ai-sdk', 16_010, 9)
    const wide = confidence('langchain-js', 16_010, 9)
    expect(narrow).toBeGreaterThan(wide)
    expect(wide).toBeGreaterThanOrEqual(0.7)
    expect(confidence('langchain-js', 16_010, -1)).toBeLessThan(0.6)
  })

  it('does not trust a guess at loops around a client that never retries', () => {
    for (const family of ['go', 'node-fetch', 'other']) expect(confidence(family, 2000, 9)).toBe(0.5)
  })

  it('stays within its size under a flood of fingerprints and failures', () => {
    const lineage = tracker()
    for (let i = 1; i < 5000; i++) {
      lineage.arrive(arrival({ fingerprint: i * 7919, family: 'other' }), i)
      lineage.failed(failure({ fingerprint: i * 7919, family: 'other' }), 429, -1, i)
      expect(lineage.outstanding).toBeLessThanOrEqual(64)
    }
  })
})

/** How sure it is of a return after the fourth failure. */
function confidence(family: string, gap: number, bytes: number): number {
  const lineage = tracker()
  lineage.arrive(arrival({ family, bytes }), 0)
  lineage.failed({ ...failure({ family }), attempt: 4 }, 500, -1, 0)
  return lineage.arrive(arrival({ family, bytes }), gap).confidence
}

function failure(facts: { fingerprint?: number; onceKey?: number; family?: string }): {
  fingerprint: number
  onceKey: number
  family: string
} {
  return { fingerprint: 1, onceKey: 0, family: 'other', ...facts }
}

function arrival(facts: Partial<Arrival>): Arrival {
  return {
    at: 0,
    call: 0,
    upstream: 0,
    agent: 'a',
    trust: 'claimed',
    workflow: '',
    parent: '',
    method: 'POST',
    path: '/v1/x',
    route: '/v1/x',
    bytes: 100,
    priority: 'normal',
    family: 'openai-js',
    patienceMs: Infinity,
    attempt: 0,
    onceKey: 0,
    fingerprint: 1,
    credential: 0,
    longLived: false,
    holdable: true,
    deferrable: false,
    ...facts,
  }
}
