import { assert, double, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SCENARIOS } from '../../test/sim/scenarios.ts'
import { carried } from '../../test/kit/carried.ts'
import { arrivalOf } from '../../test/kit/core-driver.ts'
import { workloads, Workload } from '../../test/kit/journal-workload.ts'
import { noted, replay } from '../../test/kit/plain-replay.ts'
import { policyOf, shippedPolicy } from '../../test/kit/policy.ts'
import { play } from '../../test/kit/sim/scenario.ts'
import { createCoordinator, type Coordinator } from '../core/coordinator.ts'
import type { Arrival, Mark } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import { createShownNames } from './hash-ids.ts'
import type { CallLine, JournalLine } from './line.ts'
import { recordCore, type RecordedCore, type RecordOptions } from './record.ts'

const KEY = Buffer.alloc(32, 3)
const SEED = 7

const RULES = `version: 1
upstreams: { '*': { drift: { warmUp: 2s, warmUpSamples: 50 } } }
rules:
  - name: narrow
    mode: enforce
    when: { workflow: [wide, amplified, exploding, looping, over-budget] }
    then: { do: shed }
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold, hold: { max: 5s } }
  - name: few
    mode: enforce
    match: { path: /v1/call }
    then: { do: hold, limits: [{ per: agent, concurrency: 2 }, { per: upstream, rate: 20/s, burst: 10 }] }
`
const WATCHING_RULES = `version: 1
rules:
  - name: would-hold
    mode: shadow
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`
const POLICY = policyOf(RULES)
const WATCHING = policyOf(WATCHING_RULES)

interface Recorded {
  readonly core: RecordedCore
  readonly lines: JournalLine[]
  /** What the core inside was told and said. */
  readonly notes: string[]
}

function recorded(facts: Partial<RecordOptions> = {}, upstreams: readonly string[] = ['api']): Recorded {
  const { policy = POLICY } = facts
  const lines: JournalLine[] = []
  const notes: string[] = []
  const core = recordCore(noted(createCoordinator({ policy, upstreams, seed: SEED }), notes), {
    upstreams,
    policy,
    digest: () => 'other',
    shown: createShownNames({ key: KEY, hashIds: false, paths: false }),
    paths: false,
    sink: (bytes, length) => lines.push(JSON.parse(bytes.toString('utf8', 0, length))),
    ...facts,
  })
  return { core, lines, notes }
}

function replayed(
  lines: readonly JournalLine[],
  policy: Policy,
  upstreams: readonly string[] = ['api'],
): string[] {
  const notes: string[] = []
  const core = noted(createCoordinator({ policy, upstreams, seed: SEED }), notes)
  replay(lines, core, upstreams, new Map([['other', policyOf(WATCHING_RULES, upstreams)]]))
  return notes
}

const calls = (lines: readonly JournalLine[]): CallLine[] => lines.filter((line) => line.kind === 'call')
const gone = { id: 'c', status: 200, bytesIn: 5, bytesOut: 9, verdict: undefined } as const

/** One call from its arrival to its end, `ms` later. */
function through(core: RecordedCore, at: number, ms: number, facts: Partial<Arrival> = {}): void {
  const call = facts.call ?? 0
  core.arrive(arrivalOf({ call, ...facts, at }))
  core.progress({ kind: 'sent', call, at: at + ms / 4 })
  core.progress(headOf(call, at + ms / 2, 200))
  const end = { call, at: at + ms, kind: 'success', status: 200, answered: true } as const
  core.settle({ ...end, bytesIn: 5, bytesOut: 9 })
  core.ended({ slot: call, ...gone }, 'passed', at + ms)
}

function headOf(call: number, at: number, status: number): Mark {
  return { kind: 'head', call, at, status, streaming: false, retryAfterMs: -1, quota: undefined }
}

describe('a recorded core', () => {
  it('writes nothing for an hour without calls, and then the hour is there', () => {
    const { core, lines } = recorded()
    core.tick(0.5)
    core.tick(3_600_000.25)
    through(core, 3_600_000.5, 10)
    core.finish()
    expect(lines).toEqual([
      { kind: 'ticks', ticks: [0, 0.5, 1, 3_600_000.25] },
      expect.objectContaining({ kind: 'call', at: 3_600_000.5, order: [2, 3, 4, 5] }),
    ])
  })

  it('keeps the order of a thousand inputs of one instant', () => {
    const { core, lines, notes } = recorded()
    for (let n = 0; n < 250; n++) through(core, 1000, 0, { fingerprint: n + 1 })
    core.finish()
    expect(calls(lines).flatMap(({ order }) => order)).toEqual(Array.from({ length: 1000 }, (_, n) => n))
    expect(replayed(lines, POLICY)).toEqual(notes)
  })

  it('says of a plain call what it was and how it went, to the microsecond', () => {
    const { core, lines } = recorded({ policy: WATCHING })
    through(core, 12.345678, 8.0004, { workflow: 'w', parent: 'p', bytes: -1, attempt: 2, credential: 11 })
    expect(lines).toEqual([
      {
        kind: 'call',
        id: 'c',
        at: 12.346,
        order: [0, 1, 2, 3],
        slot: 0,
        upstream: 'api',
        agent: 'agent',
        trust: 'claimed',
        workflow: 'w',
        parent: 'p',
        method: 'POST',
        route: '/v1/call',
        priority: 'normal',
        family: 'openai-js',
        bytes: -1,
        attempt: 2,
        fingerprint: 1,
        credential: 11,
        holdable: true,
        verdict: { do: 'pass', reason: 'healthy' },
        sentMs: 2,
        headMs: 4,
        endMs: 8,
        status: 200,
        settled: 'success',
        answered: true,
        outcome: 'passed',
        bytesIn: 5,
        bytesOut: 9,
      },
    ])
  })

  it('writes the line when both the core and the client are done, whichever is first', () => {
    const { core, lines } = recorded()
    core.arrive(arrivalOf({ at: 1 }))
    core.ended({ slot: 0, ...gone, status: 502 }, 'upstream-error', 5)
    expect(lines).toEqual([])
    const end = { call: 0, at: 6, kind: 'failure', status: 0, answered: false } as const
    core.settle({ ...end, bytesIn: 1, bytesOut: 0 })
    expect(calls(lines)).toMatchObject([{ endMs: 5, status: 502, settled: 'failure', bytesIn: 1 }])
  })

  it('gives a refusal its rule, its slot and no end of an attempt', () => {
    const { core, lines } = recorded()
    for (let call = 0; call < 40; call++) core.arrive(arrivalOf({ at: 10, call, agent: `a${call}` }))
    core.drain(20, 30)
    const expired = core.tick(100).find((directive) => directive.do === 'expire')!
    core.ended({ slot: expired.call, ...gone, status: 504 }, 'hold-expired', 101)
    expect(calls(lines)[0]).toMatchObject({
      verdict: { do: 'hold', reason: 'rate-limit', rule: 'test/few' },
      order: [expect.any(Number)],
      hold: { do: 'expire', reason: 'draining', ms: 90 },
      slotMs: expect.any(Number),
      outcome: 'hold-expired',
    })
    expect(calls(lines)[0]).not.toHaveProperty('settled')
  })

  it('tells what Weir itself refused from what the core did', () => {
    const { core, lines } = recorded()
    const verdict = core.arrive(arrivalOf({ at: 1 }))
    const refused = { ...verdict, do: 'shed', reason: 'hold-memory' } as const
    const end = { call: 0, at: 3, kind: 'cancelled', status: 503, answered: false } as const
    core.settle({ ...end, bytesIn: 0, bytesOut: 0 })
    core.ended({ slot: 0, ...gone, status: 503, verdict: refused }, 'shed', 3)
    expect(calls(lines)).toMatchObject([
      { verdict: { do: 'pass' }, refusal: 'hold-memory', settledStatus: 503 },
    ])
  })

  it('counts a call whose end nobody told, and those still open at the end', () => {
    const { core, lines } = recorded()
    core.arrive(arrivalOf({ at: 1 }))
    const end = { call: 0, at: 2, kind: 'ignored', status: 0, answered: false } as const
    core.settle({ ...end, bytesIn: 0, bytesOut: 0 })
    core.arrive(arrivalOf({ at: 3 }))
    core.finish()
    expect(lines).toEqual([
      { kind: 'gap', at: 3, dropped: 1 },
      { kind: 'gap', at: 3, dropped: 1 },
    ])
  })

  it('writes the marks of an endless stream as they come, in bounded memory', () => {
    const { core, lines, notes } = recorded()
    core.arrive(arrivalOf({ at: 1 }))
    core.progress({ kind: 'sent', call: 0, at: 1 })
    core.progress({ ...headOf(0, 2, 200), streaming: true } as Mark)
    for (let n = 0; n < 5000; n++) core.progress({ kind: 'chunk', call: 0, at: 3 + n * 1.001 })
    expect(lines.map(({ kind }) => kind)).toEqual(['marks', 'marks'])
    const end = { call: 0, at: 6000, kind: 'success', status: 200, answered: true } as const
    core.settle({ ...end, bytesIn: 1, bytesOut: 2 })
    core.ended({ slot: 0, ...gone }, 'passed', 6000)
    expect(calls(lines)[0]?.chunks).toHaveLength(2 * (5000 - 2 * 2048))
    expect(replayed(lines, POLICY)).toEqual(notes)
  })

  it('names the rules of the policy that decided, not of the one in force when the call ends', () => {
    const { core, lines } = recorded({ policy: WATCHING })
    core.adopt(POLICY, 1)
    for (let call = 0; call < 40; call++) core.arrive(arrivalOf({ at: 10, call, agent: `a${call}` }))
    core.adopt(WATCHING, 11)
    const slot = 39
    const end = { call: slot, at: 12, kind: 'cancelled', status: 0, answered: false } as const
    core.settle({ ...end, bytesIn: 0, bytesOut: 0 })
    core.ended({ slot, ...gone, status: 0 }, 'client-gone', 12)
    expect(calls(lines)).toMatchObject([{ verdict: { do: 'hold', rule: 'test/few' }, heldMs: 2 }])
  })

  it('wakes on the grid of the journal, never before the core does', () => {
    assert(
      property(double({ min: 0, max: 1e9, noNaN: true }), (due) => {
        const core = recordCore(
          { ...createCoordinator({ policy: POLICY, upstreams: ['api'], seed: 1 }), wakeAt: () => due },
          { ...plain, sink: () => {} },
        )
        const at = core.wakeAt()
        expect(at).toBeGreaterThanOrEqual(due)
        expect(at - due).toBeLessThan(0.0021)
        expect(Math.round(at * 1000) / 1000).toBe(at)
      }),
    )
  })
})

const plain: Omit<RecordOptions, 'sink'> = {
  upstreams: ['api'],
  policy: POLICY,
  digest: () => '',
  shown: createShownNames({ key: KEY, hashIds: false, paths: false }),
  paths: false,
}

describe('a journal told to a fresh core', () => {
  it.each(SCENARIOS.map(({ name }) => name))(
    'gives the verdicts, releases and slots of the scenario %s again, whoever looked on',
    (name) => {
      const scenario = SCENARIOS.find((one) => one.name === name)!
      const upstreams = Object.keys(scenario.upstreams)
      const policy = shippedPolicy(name, upstreams)
      const lines: JournalLine[] = []
      const notes: string[] = []
      let looks = 0
      play(scenario, policy, (bare) => {
        const shown = createShownNames({ key: KEY, hashIds: true, paths: false })
        const options = { ...plain, upstreams, policy, shown }
        const core = recordCore(noted(bare, notes), {
          ...options,
          sink: (bytes, length) => lines.push(JSON.parse(bytes.toString('utf8', 0, length))),
        })
        return watched(carried(core), () => looks++ % 50 === 0)
      })
      const again: string[] = []
      const fresh = noted(createCoordinator({ policy, upstreams, seed: scenario.seed }), again)
      replay(lines, fresh, upstreams)
      // The tail of the run ends after the last call, with ticks that are not written yet.
      expect(withoutNames(again)).toEqual(withoutNames(notes.slice(0, again.length)))
      expect(again.length).toBeGreaterThan(notes.length * 0.99)
      expect(notes.some((note) => note.includes('"do":"release"'))).toBe(true)
    },
    60_000,
  )

  it('gives the same verdicts after any workload at all', () => {
    const upstreams = ['api', 'tools']
    const both = policyOf(RULES, upstreams)
    const watching = policyOf(WATCHING_RULES, upstreams)
    assert(
      property(workloads, (workload) => {
        const { core, lines, notes } = recorded({ policy: both }, upstreams)
        new Workload(core, watching).run(workload)
        expect(replayed(lines, both, upstreams)).toEqual(notes)
      }),
      { numRuns: 150 },
    )
  })
})

/** Events name agents and workflows: hashed in the journal, as they were in the run. */
function withoutNames(notes: readonly string[]): string[] {
  return notes.map((note) => note.replaceAll(/"(agent|workflow)":"[^"]*"/g, ''))
}

/** Readers must leave no trace: they look between the inputs, whenever `isDue`. */
function watched(core: Coordinator, isDue: () => boolean): Coordinator {
  const look = (at: number): void => {
    if (!isDue()) return
    core.read(at)
    core.agents(at, 10)
    core.workflows(at, 10)
    core.wakeAt()
  }
  return {
    ...core,
    arrive(arrival) {
      look(arrival.at)
      return core.arrive(arrival)
    },
    tick(now) {
      look(now)
      return core.tick(now)
    },
  }
}
