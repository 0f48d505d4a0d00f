import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { callTrace } from '../../../test/kit/call-trace.ts'
import type { CallTrace } from './call-trace.ts'
import { TraceQueue } from './trace-queue.ts'
import type { TraceQueueOptions } from './trace-queue.ts'

const SIZES: TraceQueueOptions = { capacity: 100, batch: 10, everyMs: 1000, exports: 2 }

/** A queue whose exports end when the test says so. */
function rig(sizes: Partial<TraceQueueOptions> = {}) {
  const lost: [number, string][] = []
  const exports: { batch: readonly CallTrace[]; done: () => void; fail: () => void }[] = []
  const queue = new TraceQueue(
    {
      lost: (spans, reason) => spans > 0 && lost.push([spans, reason]),
      send: async (batch) =>
        new Promise<void>((resolve, reject) => {
          exports.push({ batch, done: resolve, fail: () => reject(new Error('refused')) })
        }),
    },
    { ...SIZES, ...sizes },
  )
  const add = (count: number): void => {
    for (let at = 0; at < count; at += 1) queue.add(callTrace({ callId: String(at) }))
  }
  return { queue, exports, lost, add, sizes: () => exports.map(({ batch }) => batch.length) }
}

/** Turns of the event loop, which are real; time is not. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
const pass = async (ms: number): Promise<void> => {
  vi.advanceTimersByTime(ms)
  await settle()
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('the queue of traces', () => {
  it('does nothing while nothing comes, and sends what came alone after a moment', async () => {
    const { exports, add, sizes } = rig()
    await pass(60_000)
    expect(vi.getTimerCount()).toBe(0)
    add(3)
    await pass(999)
    expect(exports).toHaveLength(0)
    await pass(1)
    expect(sizes()).toEqual([3])
  })

  it('takes a burst in one instant, in batches and in order, never inside the call that adds', async () => {
    const { exports, add, sizes, lost } = rig({ exports: 20 })
    add(35)
    expect(exports).toHaveLength(0)
    await settle()
    expect(sizes()).toEqual([10, 10, 10])
    await pass(1000)
    expect(sizes()).toEqual([10, 10, 10, 5])
    const ids = exports.flatMap(({ batch }) => batch.map(({ callId }) => Number(callId)))
    expect(ids).toEqual(Array.from({ length: 35 }, (_, at) => at))
    expect(lost).toEqual([])
  })

  it('has no more exports at once than it may, and goes on when one ends', async () => {
    const { exports, add, sizes } = rig()
    add(50)
    await settle()
    expect(sizes()).toEqual([10, 10])
    await pass(10_000)
    expect(exports).toHaveLength(2)
    exports[0]?.done()
    await settle()
    expect(exports).toHaveLength(3)
    exports[1]?.done()
    exports[2]?.done()
    await settle()
    expect(exports).toHaveLength(5)
  })

  it('drops what has no room, and counts spans, not calls', async () => {
    const { queue, add, lost } = rig({ capacity: 15, exports: 1 })
    add(15)
    queue.add(callTrace())
    queue.add(callTrace({ sent: undefined }))
    expect(lost).toEqual([
      [2, 'queue-full'],
      [1, 'queue-full'],
    ])
    await settle()
    // Ten are on their way: there is room again.
    add(10)
    expect(lost).toHaveLength(2)
  })

  it('counts a batch that was not taken, and sends the next one', async () => {
    const { exports, add, lost } = rig({ exports: 1 })
    add(20)
    await settle()
    exports[0]?.fail()
    await settle()
    expect(lost).toEqual([[20, 'export-failed']])
    expect(exports).toHaveLength(2)
  })

  it('ends at once when it is empty', async () => {
    const { queue } = rig()
    await queue.stop(2000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('sends everything at its end, and ends when the last batch is taken', async () => {
    const { queue, exports, add, lost, sizes } = rig({ exports: 2 })
    add(25)
    let isOver = false
    const stopped = queue.stop(2000).then(() => (isOver = true))
    await settle()
    expect(sizes()).toEqual([10, 10])
    exports[0]?.done()
    exports[1]?.fail()
    await settle()
    expect(sizes()).toEqual([10, 10, 5])
    expect(isOver).toBe(false)
    exports[2]?.done()
    await settle()
    expect(isOver).toBe(true)
    await stopped
    expect(lost).toEqual([[20, 'export-failed']])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('gives up on a collector that is silent at its end, counts what is lost once, and takes no more', async () => {
    const { queue, exports, add, lost } = rig()
    add(35)
    let isOver = false
    const stopped = queue.stop(2000).then(() => (isOver = true))
    await pass(1999)
    expect(isOver).toBe(false)
    await pass(1)
    await stopped
    expect(lost).toEqual([[70, 'shutdown']])
    for (const { fail } of exports) fail()
    queue.add(callTrace())
    await pass(10_000)
    expect(lost).toEqual([
      [70, 'shutdown'],
      [2, 'shutdown'],
    ])
    expect(exports).toHaveLength(2)
    expect(vi.getTimerCount()).toBe(0)
  })
})
