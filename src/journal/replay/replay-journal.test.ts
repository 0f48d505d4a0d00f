import { describe, expect, it } from 'vitest'
import type { Policy } from '../../core/policy.ts'
import { policyOf } from '../../../test/kit/policy.ts'
import { callsOf, inBatches, recordedLines } from '../../../test/kit/recorded-lines.ts'
import type { Scenario } from '../../../test/kit/sim/scenario.ts'
import type { CallLine, JournalLine } from '../line.ts'
import { replayJournal, type ReplayResult } from './replay-journal.ts'

/** An upstream that slows down and refuses, under callers who retry: holds, slots, releases, expiries. */
const SCENARIO: Scenario = {
  name: 'brownout',
  seed: 5,
  durationMs: 60_000,
  upstreams: {
    api: {
      servers: 20,
      serviceMs: 150,
      sigma: 0.4,
      queue: 60,
      phases: [
        { from: 25_000, until: 40_000, slow: 6 },
        { from: 46_000, until: 50_000, stopped: true },
      ],
    },
    other: { servers: 20, serviceMs: 80, sigma: 0.4, queue: 60, phases: [] },
  },
  trouble: { from: 25_000, until: 50_000, upstream: 0 },
  populations: [
    population('live', 'critical', 0, 10, 10_000),
    population('jobs', 'batch', 0, 30, 5000),
    population('tools', 'normal', 1, 20, 8000),
  ],
}

function population(
  name: string,
  priority: 'critical' | 'batch' | 'normal',
  upstream: number,
  agents: number,
  timeoutMs: number,
) {
  return {
    name,
    agents,
    upstream,
    perSecond: 2,
    priority,
    timeoutMs,
    deadlineMs: 30_000,
    family: 'openai-js',
    bytes: 500,
  }
}

const UPSTREAMS = ['api', 'other']

function rules(mode: 'enforce' | 'shadow', then = '{ do: hold, hold: { max: 8s } }'): Policy {
  return policyOf(
    `version: 1
upstreams: { '*': { drift: { warmUp: 10s } } }
rules:
  - name: hold
    mode: ${mode}
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: ${then}
`,
    UPSTREAMS,
  )
}

const NOTHING = policyOf(
  `version: 1
rules: [{ name: never, mode: off, then: { do: hold } }]
`,
  UPSTREAMS,
)

const enforced = recordedLines(SCENARIO, rules('enforce'))
const watched = recordedLines(SCENARIO, rules('shadow'))

function replay(lines: readonly JournalLine[], policy: Policy, verify = false): Promise<ReplayResult> {
  return replayJournal(inBatches(lines), { policies: { name: 'test', compile: () => ({ policy }) }, verify })
}

const totals = (result: ReplayResult) => {
  const sum = (read: (rule: (typeof result.policies.rules)[number]) => number): number =>
    result.policies.rules.reduce((total, rule) => total + read(rule), 0)
  return {
    held: sum((rule) => rule.held),
    slotted: sum((rule) => rule.slotted),
    spared: sum((rule) => rule.sparedAttempts),
    estimated: result.policies.upstreams.reduce((total, row) => total + row.estimated, 0),
    attempts: result.policies.upstreams.reduce((total, row) => total + row.attempts, 0),
  }
}

describe('the same policies', () => {
  it('decide the same, call for call and to the instant of every release', async () => {
    const kinds = new Set(callsOf(enforced.lines).map((call) => call.hold?.do ?? call.verdict.do))
    expect(kinds).toEqual(new Set(['pass', 'shed', 'release', 'expire']))
    const result = await replay(enforced.lines, rules('enforce'), true)
    expect(result.journal.exact).toBe(true)
    expect(result.policies).toMatchObject({ same: result.journal.calls, different: 0, first: [] })
    expect(result.policies.rules).toEqual(result.recorded.rules)
  })

  it('foresee the same in shadow mode', async () => {
    const result = await replay(watched.lines, rules('shadow'), true)
    expect(result.policies.different).toBe(0)
    expect(result.policies.rules.some((rule) => rule.mode === 'shadow' && rule.held > 0)).toBe(true)
  })

  it('do so on ticks of their own, where the live run kept time to the microsecond', async () => {
    const result = await replay(enforced.lines, rules('enforce'))
    expect(result.policies.different).toBe(0)
  })
})

describe('other policies', () => {
  it('that touch nothing let every call pass, and estimate the answers that the journal has not', async () => {
    const result = await replay(enforced.lines, NOTHING)
    const never = callsOf(enforced.lines).filter((call) => call.sentMs === undefined && isRefused(call))
    expect(never.length).toBeGreaterThan(10)
    expect(totals(result)).toMatchObject({ held: 0, slotted: 0, spared: 0, estimated: never.length })
    expect(result.policies.upstreams.every((row) => row.passed === row.calls)).toBe(true)
  })

  it('are told apart from what was recorded in numbers', async () => {
    const result = await replay(watched.lines, rules('enforce'))
    const { held, slotted, spared, attempts } = totals(result)
    expect(held + slotted).toBeGreaterThan(100)
    expect(spared).toBeGreaterThan(0)
    const made = result.recorded.upstreams.reduce((total, row) => total + row.attempts, 0)
    expect(attempts).toBe(made - spared)
    const pass = result.policies.changes.find(({ from, to }) => from === 'pass' && to === 'hold')
    expect(pass?.calls).toBe(held)
  })

  it('with two sets give each its own column', async () => {
    const result = await replayJournal(inBatches(watched.lines), {
      policies: { name: 'hold', compile: () => ({ policy: rules('enforce') }) },
      against: { name: 'refuse', compile: () => ({ policy: rules('enforce', '{ do: shed }') }) },
    })
    expect(heldBy(result.policies.rules)).toBeGreaterThan(5 * heldBy(result.against?.rules))
    const alone = await replay(watched.lines, rules('enforce'))
    expect(result.policies.rules).toEqual(alone.policies.rules)
  })
})

describe('a journal that is not whole', () => {
  it('without its first part is replayed from where it starts, and says so', async () => {
    const half = watched.lines.slice(Math.floor(watched.lines.length / 2))
    const result = await replay([{ ...watched.header, part: 2 }, ...half], NOTHING)
    expect(result.journal.exact).toBe(false)
    expect(result.journal.calls + result.journal.late).toBe(callsOf(half).length)
    expect(result.journal.calls).toBeGreaterThan(1000)
  })

  it('with lost lines plays the rest', async () => {
    const lines = watched.lines.filter((line, index) => line.kind !== 'call' || index % 50 !== 0)
    const result = await replay(lines, rules('enforce'))
    expect(result.journal.exact).toBe(false)
    expect(result.journal.missing).toBeGreaterThan(0)
    expect(result.journal.calls).toBe(callsOf(lines).length)
  })

  it('with lost lines needs no more room than it is given', async () => {
    const lines = watched.lines.filter((line, index) => line.kind !== 'call' || index % 50 !== 0)
    const result = await replayJournal(inBatches(lines, 16), {
      policies: { name: 'test', compile: () => ({ policy: rules('enforce') }) },
      limits: { calls: 200, numbers: 1 << 12 },
    })
    expect(result.journal.windowCalls).toBeLessThan(300)
    expect(result.journal.calls + result.journal.late).toBe(callsOf(lines).length)
  })

  it('without any header is refused', async () => {
    await expect(replay([], NOTHING)).rejects.toThrow('no header')
  })
})

describe('an imported journal', () => {
  const { core: _core, ...bare } = watched.header
  const imported: JournalLine[] = [
    { ...bare, source: 'import:har' },
    ...callsOf(watched.lines).map((call) => ({ ...call, order: call.order.map(() => 0) })),
  ]

  it('is played by its times, with ticks of its own', async () => {
    const result = await replay(imported, rules('enforce'))
    expect(result.journal.imported).toBe(true)
    expect(result.journal.exact).toBe(false)
    const own = await replay(watched.lines, rules('enforce'))
    const ratio = totals(result).held / totals(own).held
    expect(ratio).toBeGreaterThan(0.8)
    expect(ratio).toBeLessThan(1.25)
  })

  it('decides the same for the same seed', async () => {
    const [one, other] = await Promise.all([
      replay(imported, rules('enforce')),
      replay(imported, rules('enforce')),
    ])
    expect(one.policies).toEqual(other.policies)
  })
})

function heldBy(results: readonly { readonly held: number }[] = []): number {
  return results.reduce((sum, { held }) => sum + held, 0)
}

function isRefused(call: CallLine): boolean {
  return call.verdict.do === 'shed' || (call.verdict.do === 'hold' && call.hold?.do !== 'release')
}
