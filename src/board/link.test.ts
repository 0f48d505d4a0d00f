/** What of a board answers, and what the core is told of the rest. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { FleetView, Outlook } from '../core/fleet.ts'
import { BoardError, type Board, type Exchange, type Exchanged } from './board.ts'
import { BoardLink } from './link.ts'
import { readSummary } from './summary-format.ts'

const EMPTY = readSummary(Uint8Array.of(1, 0))!.summary
const NAMES = Array.from({ length: 12 }, (_, index) => `upstream-${index}`)
/** As long as a command may take on Redis. */
const COMMAND_MS = 250

/** A board some of whose topics may be on a node that is gone. */
class PartialBoard implements Board {
  readonly kind = 'memory'
  readonly traffic = { commands: 0, bytes: 0 }
  readonly gone = new Set<string>()

  async exchange({ topic, replica }: Exchange): Promise<Exchanged> {
    this.traffic.commands += 1
    if (!this.gone.has(topic)) return { words: [], steward: replica, epoch: 1 }
    await new Promise((resolve) => setTimeout(resolve, COMMAND_MS))
    throw new BoardError('timeout', 'Command timed out')
  }

  async leave(): Promise<void> {}
  async close(): Promise<void> {}
}

let board: PartialBoard
let link: BoardLink
/** What the core was told, in order. */
let views: FleetView[]
/** How often the board was said to be back. */
let backs: number[]

beforeEach(() => {
  vi.useFakeTimers()
  board = new PartialBoard()
  views = []
  backs = []
  const outlook: Outlook = { restlessness: 'unwell', claims: true, stamp: 0 }
  link = new BoardLink({
    board,
    core: { summary: () => EMPTY, outlook: () => outlook, learn: (view) => void views.push(view) },
    upstreams: NAMES,
    replica: 'one',
    clock: () => Date.now(),
    seed: 3,
    onLearnt: () => {},
    onTrouble: () => {},
    onBack: (downMs) => void backs.push(downMs),
  })
  link.start()
})

afterEach(async () => {
  await link.stop()
  vi.useRealTimers()
})

async function pass(ms: number): Promise<FleetView[]> {
  const before = views.length
  await vi.advanceTimersByTimeAsync(ms)
  return views.slice(before)
}

/** By upstream, what was said last. */
function linked(): (boolean | undefined)[] {
  return NAMES.map((_, upstream) => views.findLast((view) => view.upstream === upstream)?.linked)
}

describe('a board that answers for some of its topics', () => {
  beforeEach(async () => {
    await pass(2000)
    for (const name of NAMES.slice(0, 5)) board.gone.add(name)
    await pass(2000)
  })

  it('is lost for the others only', async () => {
    expect(linked()).toEqual(NAMES.map((name) => !board.gone.has(name)))
    const said = await pass(60_000)
    expect(said.filter((view) => !view.linked)).toEqual([])
    expect([link.up, backs]).toEqual([true, []])
  })

  it('is heard of the topics that are there as often as ever', async () => {
    const said = await pass(60_000)
    for (let upstream = 5; upstream < NAMES.length; upstream++) {
      const ages = said.filter((view) => view.upstream === upstream).map(({ at }) => at)
      expect(Math.max(...ages.slice(1).map((at, index) => at - ages[index]!))).toBeLessThan(500)
    }
  })

  it('is asked for a topic that is gone once in a second at most, and has it again when it is back', async () => {
    await pass(10_000)
    const before = board.traffic.commands
    const said = await pass(20_000)
    expect(board.traffic.commands - before - said.length).toBeLessThanOrEqual(5 * 20)
    board.gone.clear()
    await pass(2500)
    expect(linked()).toEqual(NAMES.map(() => true))
  })
})

describe('a board that answers nothing', () => {
  beforeEach(async () => {
    await pass(2000)
    for (const name of NAMES) board.gone.add(name)
    await pass(2500)
  })

  it('is lost for every topic, and asked once in a second at most', async () => {
    expect(linked()).toEqual(NAMES.map(() => false))
    expect(link.up).toBe(false)
    const before = board.traffic.commands
    await pass(20_000)
    expect(board.traffic.commands - before).toBeLessThanOrEqual(20)
  })

  it('has all its topics again within 2 s of the first answer', async () => {
    board.gone.clear()
    while (backs.length === 0) await pass(50)
    expect(link.up).toBe(true)
    await pass(2200)
    expect(linked()).toEqual(NAMES.map(() => true))
  })

  it('is heard again although the topic that it is asked for first stays away', async () => {
    board.gone.clear()
    board.gone.add(NAMES[0]!)
    await pass(8000)
    expect(linked()).toEqual(NAMES.map((_, upstream) => upstream > 0))
  })
})
