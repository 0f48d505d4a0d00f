import { describe, expect, it } from 'vitest'
import type { WorkflowCondition } from '../model.ts'
import type { WorkflowThresholds } from '../policy.ts'
import { seeded } from '../random.ts'
import { Workflows } from './workflows.ts'

const thresholds: WorkflowThresholds = { width: 8, calls: 20, hardCalls: 500, loopCalls: 20, ttlMs: 900_000 }
const make = (size = 100, over: Partial<WorkflowThresholds> = {}): Workflows =>
  new Workflows({ size, thresholds: { ...thresholds, ...over }, upstreams: 1 })

interface Call {
  workflow?: string
  agent?: string
  parent?: string
  route?: number
  bytes?: number
  retry?: boolean
  at: number
}

function arrive(workflows: Workflows, made: Call): number {
  const { workflow = 'w', agent = 'a', parent = '', route = 1, bytes = 100, retry = false, at } = made
  return workflows.arrive(workflow, 0, agent, parent, route, 0, bytes, retry, at)
}

/** One call from arrival to answer; what it was seen as when it came. */
function call(
  workflows: Workflows,
  made: Call & { answer?: number; failed?: boolean; took?: number },
): WorkflowCondition {
  const slot = arrive(workflows, made)
  const seen = workflows.condition(slot)
  workflows.settle(
    slot,
    made.route ?? 1,
    made.bytes ?? 100,
    made.answer ?? 50,
    made.failed ?? false,
    made.at + (made.took ?? 40),
  )
  return seen
}

describe('workflows', () => {
  it('lets a workflow end in an idle hour: its counts start anew', () => {
    const workflows = make()
    for (let n = 0; n < 30; n++) call(workflows, { at: n * 1000, bytes: n * 100 })
    expect(workflows.list(30_000, 9)[0]?.calls).toBe(30)
    expect(workflows.list(3_630_000, 9)).toEqual([])
    const slot = arrive(workflows, { at: 3_630_000 })
    expect(workflows.calls(slot)).toBe(1)
    expect(workflows.reading(slot).firstSeen).toBe(3_630_000)
  })

  it('sees a burst in one instant as wide, and as nothing worse', () => {
    const workflows = make()
    const seen = Array.from({ length: 40 }, () => workflows.condition(arrive(workflows, { at: 5 })))
    expect(seen.slice(0, 11).every((condition) => condition === 'ordinary')).toBe(true)
    expect(seen.slice(11).every((condition) => condition === 'wide')).toBe(true)
  })

  it('tells workflows without an id apart by agent and idle gap', () => {
    const workflows = make()
    const first = arrive(workflows, { workflow: '', agent: 'x', at: 0 })
    expect(arrive(workflows, { workflow: '', agent: 'y', at: 0 })).not.toBe(first)
    workflows.settle(first, 1, 10, 10, false, 100)
    expect(workflows.calls(arrive(workflows, { workflow: '', agent: 'x', at: 29_000 }))).toBe(2)
    workflows.settle(first, 1, 10, 10, false, 30_000)
    expect(workflows.calls(arrive(workflows, { workflow: '', agent: 'x', at: 61_000 }))).toBe(1)
  })

  it('does not take a busy service without ids for a workflow', () => {
    const workflows = make()
    for (let n = 0; n < 2000; n++) {
      const slot = arrive(workflows, { workflow: '', agent: 'service', bytes: n, at: n * 100 })
      expect(workflows.condition(slot)).toBe('ordinary')
      if (n >= 40) workflows.settle(slot, 1, n, n, false, n * 100)
    }
  })

  it('keeps a workflow that waits for a long answer, however long', () => {
    const workflows = make()
    const slot = arrive(workflows, { workflow: '', at: 0 })
    expect(arrive(workflows, { workflow: '', at: 600_000 })).toBe(slot)
    expect(workflows.calls(slot)).toBe(2)
  })

  it('catches a circle A-B-A-B at its 20th call', () => {
    const random = seeded(1)
    const workflows = make()
    let at = 0
    const seen = Array.from({ length: 30 }, (_, n) => {
      at += 500 + 3000 * random()
      return call(workflows, { at, route: 1 + (n % 2), bytes: n % 2 === 0 ? 900 : 120, answer: 70 })
    })
    expect(seen.indexOf('looping')).toBe(19)
  })

  it('takes a conversation that grows for no loop', () => {
    const workflows = make()
    const seen = Array.from({ length: 400 }, (_, n) =>
      call(workflows, { at: n * 4000, bytes: 9000 + 40 * n, answer: 92 }),
    )
    expect(new Set(seen)).toEqual(new Set(['ordinary']))
  })

  it('takes a poller for no loop, and its polls use up no budget', () => {
    const workflows = make()
    const seen = Array.from({ length: 2000 }, (_, n) =>
      call(workflows, { at: n * 1000, bytes: 0, answer: 210 }),
    )
    expect(new Set(seen)).toEqual(new Set(['ordinary']))
  })

  it('takes two pollers in one workflow for no loop', () => {
    const workflows = make()
    const seen = Array.from({ length: 300 }, (_, n) =>
      call(workflows, { at: Math.floor(n / 2) * 1000 + (n % 2) * 300, bytes: 0, answer: 210, took: 20 }),
    )
    expect(new Set(seen)).toEqual(new Set(['ordinary']))
  })

  it('takes MCP status polls, small and of one size, for no loop', () => {
    const random = seeded(2)
    const workflows = make()
    let at = 0
    const seen = Array.from({ length: 300 }, () => {
      at += 2000 * (0.95 + 0.1 * random())
      return call(workflows, { at, bytes: 148, answer: 260 })
    })
    expect(new Set(seen)).toEqual(new Set(['ordinary']))
  })

  it('lets a call through that leaves the circle, and one that tries the circle again after a while', () => {
    const random = seeded(3)
    const workflows = make()
    let at = 0
    for (let n = 0; n < 25; n++) call(workflows, { at: (at += 2000 * random()), bytes: 300 })
    const refused = arrive(workflows, { at, bytes: 300 })
    expect(workflows.condition(refused)).toBe('looping')
    workflows.withdraw(refused)
    const other = arrive(workflows, { at, bytes: 700 })
    expect(workflows.condition(other)).toBe('ordinary')
    workflows.withdraw(other)
    expect(workflows.condition(arrive(workflows, { at: at + 31_000, bytes: 300 }))).toBe('ordinary')
  })

  it('does not take failures for a circle: hammering is another condition', () => {
    const workflows = make()
    const seen = Array.from({ length: 60 }, (_, n) => call(workflows, { at: n * 50, failed: true }))
    expect(new Set(seen)).toEqual(new Set(['ordinary']))
  })

  it('sees a tree that doubles with every level as exploding within 25 calls', () => {
    const workflows = make()
    const open: number[] = [arrive(workflows, { at: 0 })]
    const seen: WorkflowCondition[] = []
    for (let at = 1; seen.length < 60; at++) {
      workflows.settle(open.shift() ?? 0, 1, 100, 40 + at, false, at)
      for (let child = 0; child < 2; child++) {
        open.push(arrive(workflows, { at, bytes: 100 + at }))
        seen.push(workflows.condition(open.at(-1) ?? 0))
      }
    }
    expect(seen.indexOf('exploding')).toBeGreaterThan(0)
    expect(seen.indexOf('exploding')).toBeLessThan(25)
  })

  it('judges volume by the history of the class, and not before it has one', () => {
    const workflows = make(200, { ttlMs: 1000 })
    let at = 0
    for (let run = 0; run < 40; run++) {
      for (let n = 0; n < 10; n++)
        call(workflows, { workflow: `w${run}`, agent: `worker-${run}`, at: (at += 10), bytes: n * 77 })
    }
    const early = Array.from({ length: 60 }, (_, n) =>
      call(workflows, { workflow: 'early', at: at + n, bytes: n * 77 }),
    )
    expect(new Set(early)).toEqual(new Set(['ordinary']))
    at += 5000
    for (let n = 0; n < 400; n++)
      call(workflows, { workflow: 'sweeper', agent: 'other', at: (at += 1), bytes: n })
    const late = Array.from({ length: 60 }, (_, n) =>
      call(workflows, { workflow: 'late', agent: 'worker-99', at: (at += 1), bytes: n * 77 }),
    )
    expect(late.indexOf('amplified')).toBeGreaterThanOrEqual(19)
    expect(late.indexOf('amplified')).toBeLessThan(25)
  })

  it('refuses past the hard budget, and not at it', () => {
    const workflows = make(10, { hardCalls: 50 })
    const seen = Array.from({ length: 52 }, (_, n) => call(workflows, { at: n * 900, bytes: n * n }))
    expect(seen[49]).toBe('ordinary')
    expect(seen[50]).toBe('over-budget')
  })

  it('counts retries apart: neither volume nor width of the plan', () => {
    const workflows = make()
    const slot = arrive(workflows, { at: 0 })
    workflows.settle(slot, 1, 10, 10, true, 1)
    arrive(workflows, { at: 2, retry: true })
    expect(workflows.reading(slot)).toMatchObject({ calls: 1, retries: 1, inFlight: 1, width: 1 })
  })

  it('counts a session that names its parent in the workflow at the root, with its depth', () => {
    const workflows = make()
    const root = arrive(workflows, { workflow: 's0', at: 0 })
    expect(arrive(workflows, { workflow: 's1', parent: 's0', at: 1 })).toBe(root)
    expect(arrive(workflows, { workflow: 's2', parent: 's1', at: 2 })).toBe(root)
    expect(workflows.reading(root)).toMatchObject({ workflow: 's0', calls: 3, width: 3, depth: 2 })
  })

  it('gives agents of one workflow the depth that their parents say', () => {
    const workflows = make()
    arrive(workflows, { agent: 'main', at: 0 })
    arrive(workflows, { agent: 'sub', parent: 'main', at: 1 })
    const slot = arrive(workflows, { agent: 'subsub', parent: 'sub', at: 2 })
    expect(workflows.depth(slot)).toBe(2)
  })

  it('never takes the slot of a workflow with calls in flight, and judges none that found no room', () => {
    const workflows = make(2)
    const busy = [arrive(workflows, { workflow: 'x', at: 0 }), arrive(workflows, { workflow: 'y', at: 0 })]
    for (let n = 0; n < 100; n++) {
      const slot = arrive(workflows, { workflow: `late-${n}`, at: 1e7 + n })
      expect(busy).not.toContain(slot)
      expect(workflows.condition(slot)).toBe('ordinary')
    }
    expect(workflows.reading(busy[0] ?? 0)).toMatchObject({ workflow: 'x', inFlight: 1 })
  })

  it('keeps memory flat through a million invented ids, at less than 300 bytes a slot', () => {
    const workflows = make(1000)
    const { bytes } = workflows
    expect(bytes / 1001).toBeLessThan(300)
    for (let n = 0; n < 1_000_000; n++) {
      const slot = arrive(workflows, { workflow: `invented-${n}`, at: n / 10 })
      workflows.settle(slot, 1, 10, 10, false, n / 10)
    }
    expect(workflows.bytes).toBe(bytes)
    expect(workflows.known).toBeLessThanOrEqual(1000)
  })

  it('returns to zero in flight whatever the mix of ends', () => {
    const random = seeded(9)
    const workflows = make(20)
    const open: number[] = []
    for (let at = 0; at < 5000; at++) {
      if (random() < 0.5) open.push(arrive(workflows, { workflow: `w${Math.floor(random() * 60)}`, at }))
      else if (open.length > 0) {
        const slot = open.splice(Math.floor(random() * open.length), 1)[0] ?? 0
        if (random() < 0.3) workflows.withdraw(slot)
        else workflows.settle(slot, 1, 10, 10, random() < 0.2, at)
      }
    }
    for (const slot of open) workflows.withdraw(slot)
    for (let slot = 0; slot <= 20; slot++) expect(workflows.inFlight(slot)).toBe(0)
  })

  it('lists those with calls in flight first, then the largest', () => {
    const workflows = make()
    for (let n = 0; n < 5; n++) call(workflows, { workflow: 'large', at: n })
    call(workflows, { workflow: 'small', at: 10 })
    arrive(workflows, { workflow: 'open', at: 11 })
    expect(workflows.list(12, 2).map((reading) => reading.workflow)).toEqual(['open', 'large'])
  })
})
