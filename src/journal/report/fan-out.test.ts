import { describe, expect, test } from 'vitest'
import { call } from '../../../test/kit/report-journal.ts'
import type { CallLine } from '../line.ts'
import { CallOrder } from './call-order.ts'
import { FanOut, type FanOutFindings } from './fan-out.ts'

function found(lines: readonly CallLine[]): FanOutFindings {
  const fanOut = new FanOut()
  const order = new CallOrder({
    arrived: (one, at) => fanOut.arrive(one, at, one.line.at),
    ended: (one, at) => fanOut.ended(one, at, one.line.at + one.line.endMs),
  })
  for (const line of lines) order.add(line)
  order.flush()
  fanOut.end()
  return fanOut.findings()
}

/** Calls at once, in one workflow. */
function step(at: number, count: number): CallLine[] {
  return Array.from({ length: count }, (_, index) => call({ at: at + index, workflow: 'w', endMs: 100 }))
}

describe('fan-out', () => {
  test('without ids is told apart by a pause of half a minute', () => {
    const at = [0, 1000, 20_000, 60_000]
    const { workflows, named, calls } = found(at.map((instant) => call({ at: instant })))
    expect([workflows, named, calls.max]).toEqual([2, 0, 3])
  })

  test('with ids goes on over a pause', () => {
    const { workflows, named } = found([0, 60_000].map((at) => call({ at, workflow: 'w' })))
    expect([workflows, named]).toEqual([1, 1])
  })

  test('counts as width what is open at once', () => {
    const lines = [0, 10, 20, 500].map((at) => call({ at, workflow: 'w', endMs: 100 }))
    expect(found(lines).widest[0]).toMatchObject({ width: 3, calls: 4 })
  })

  test('sorts calls into steps by turnover', () => {
    const { widest } = found([...step(0, 1), ...step(200, 3), ...step(400, 9)])
    expect(widest[0]).toMatchObject({ steps: 3, width: 9, by: 'steps' })
    expect(widest[0]?.tree.map(({ calls }) => calls)).toEqual([1, 3, 9])
  })

  test('makes a tree of the parents that the wire names', () => {
    const lines = [
      call({ agent: 'planner', workflow: 'w', at: 0 }),
      call({ agent: 'lead', parent: 'planner', workflow: 'w', at: 200 }),
      call({ agent: 'hand', parent: 'lead', workflow: 'w', at: 400 }),
      call({ agent: 'other', parent: 'nobody-known', workflow: 'w', at: 500 }),
    ]
    const { widest, depth } = found(lines)
    expect(depth.max).toBe(3)
    expect(widest[0]).toMatchObject({ by: 'agents', agents: 4, depth: 3 })
    expect(widest[0]?.tree).toMatchObject([
      { name: 'planner', children: [{ name: 'lead', children: [{ name: 'hand', children: [] }] }] },
      { name: 'other', children: [] },
    ])
  })

  test('counts a sub-agent with a session of its own in the workflow of its parent', () => {
    const lines = [
      call({ agent: 'main', workflow: 'session-1', at: 0 }),
      call({ agent: 'sub', workflow: 'session-2', parent: 'session-1', at: 200 }),
    ]
    const { workflows, widest } = found(lines)
    expect(workflows).toBe(1)
    expect(widest[0]).toMatchObject({ workflow: 'session-1', calls: 2 })
  })

  test('folds the agents past the most by their parent', () => {
    const lines = [call({ agent: 'main', workflow: 'w', at: 0 })]
    for (let index = 0; index < 300; index++) {
      lines.push(call({ agent: `sub-${index}`, parent: 'main', workflow: 'w', at: 10 + index }))
    }
    const [shape] = found(lines).widest
    expect(shape?.agents).toBe(301)
    const [main] = shape?.tree ?? []
    expect(main?.children.length).toBe(128)
    const folded = main?.children.find(({ name }) => name === '')
    expect(folded).toMatchObject({ agents: 173, calls: 173 })
  })

  test('leaves long polls out', () => {
    expect(found([call({ workflow: 'w', longLived: true })]).workflows).toBe(0)
  })

  test('blames the step that a call belongs to, not the one in which it ends', () => {
    const lines = [
      call({ workflow: 'w', at: 0, endMs: 50 }),
      call({ workflow: 'w', at: 100, endMs: 5000, settled: 'failure', status: 500 }),
      call({ workflow: 'w', at: 110, endMs: 50 }),
      call({ workflow: 'w', at: 300, endMs: 50 }),
    ]
    const tree = found(lines).widest[0]?.tree ?? []
    for (const { calls, forNothing } of tree) expect(forNothing).toBeLessThanOrEqual(calls)
    expect(tree[1]?.forNothing).toBe(1)
  })
})
