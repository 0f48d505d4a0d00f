import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { agentReading, coreReading, upstreamReading } from '../../test/kit/readings.ts'
import type { AgentReading, UpstreamReading } from '../core/reading.ts'
import { frameSource } from './frame-source.ts'
import { LiveFeed } from './live-feed.ts'
import type { LiveFrame } from './live-frame.ts'
import type { LiveHistory } from './live-history.ts'

let now: number
let reads: number
let agents: AgentReading[]
let upstream: UpstreamReading
let feed: LiveFeed

beforeEach(() => {
  vi.useFakeTimers()
  now = 0
  reads = 0
  agents = []
  upstream = upstreamReading()
  const build = frameSource({
    core: {
      read: () => {
        reads += 1
        return coreReading({ at: now, upstreams: [upstream], agentsKnown: agents.length })
      },
      agents: (_now, most) => agents.slice(0, most),
      workflows: () => [],
    },
    clock: () => now,
    wall: () => 1_700_000_000_000 + now,
    upstreams: [{ name: 'api', dialect: 'openai' }],
    version: '1',
    control: false,
    state: () => 'ready',
    agentsUrl: () => 'http://127.0.0.1:8080',
    policy: () => ({
      rules: [],
      upstreams: [],
      workflow: { width: 1, calls: 1, hardCalls: 1, loopCalls: 1, ttlMs: 1 },
    }),
    rules: () => [],
  })
  feed = new LiveFeed(build)
})
afterEach(() => vi.useRealTimers())

function pass(seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    now += 1000
    vi.advanceTimersByTime(1000)
  }
}

function watch(): { frames: LiveFrame[]; stop: () => void } {
  const frames: LiveFrame[] = []
  return { frames, stop: feed.watch((text) => frames.push(JSON.parse(text) as LiveFrame)) }
}

describe('the live feed', () => {
  it('reads nothing while nobody watches', () => {
    pass(5)
    expect(reads).toBe(0)
    const { stop } = watch()
    stop()
    const before = reads
    pass(5)
    expect(reads).toBe(before)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('builds one frame a second however many watch, and gives each newcomer one at once', () => {
    const all = Array.from({ length: 20 }, () => watch())
    expect(reads).toBe(1)
    expect(all.map(({ frames }) => frames.length)).toEqual(Array.from({ length: 20 }, () => 1))
    pass(3)
    expect(reads).toBe(4)
    expect(all.every(({ frames }) => frames.length === 4)).toBe(true)
    for (const { stop } of all) stop()
    expect(feed.watchers).toBe(0)
  })

  it('tells rates as the difference to the second before', () => {
    const { frames } = watch()
    upstream = upstreamReading({ arrivals: 30, attempts: 45 })
    pass(1)
    expect(frames[0]?.upstreams[0]).toMatchObject({ name: 'api', callsPerSecond: 0 })
    expect(frames[1]?.upstreams[0]).toMatchObject({ callsPerSecond: 30, attemptsPerSecond: 45 })
  })

  it('does not take for this second what happened while nobody watched', () => {
    agents = [agentReading('a', 1, { retries: 1 })]
    watch().stop()
    now += 60_000
    agents = [agentReading('a', 500, { retries: 400 })]
    upstream = upstreamReading({ arrivals: 500 })
    const { frames } = watch()
    expect(frames[0]?.retries).toEqual([])
    expect(frames[0]?.upstreams[0]?.callsPerSecond).toBe(0)
  })

  it('counts the retries of an agent from its first second, and of a slot that another took over from then', () => {
    const { frames } = watch()
    agents = [agentReading('new', 3, { retries: 2 })]
    pass(1)
    expect(frames[1]?.retries).toEqual([['new', 2]])
    agents = [agentReading('new', 1, { retries: 1 })]
    pass(1)
    expect(frames[2]?.retries).toEqual([])
  })

  it('shows those who retry most first, and no more rows than a screen holds', () => {
    const { frames } = watch()
    agents = Array.from({ length: 300 }, (_, at) => agentReading(`a${at}`, 1, { retries: at }))
    pass(1)
    expect(frames[1]?.agents).toHaveLength(40)
    expect(frames[1]?.agents[0]?.agent).toBe('a299')
    expect(frames[1]?.retries).toHaveLength(40)
    expect(frames[1]?.agentsKnown).toBe(300)
  })
})

describe('the history', () => {
  it('is empty before the first watcher, and holds five minutes at most', () => {
    expect(JSON.parse(feed.history())).toEqual({ times: [], upstreams: [], agents: [], retries: [] })
    watch()
    pass(400)
    const { times, upstreams } = JSON.parse(feed.history()) as LiveHistory
    expect(times).toHaveLength(300)
    expect(times.at(-1)).toBe(1_700_000_400)
    expect(upstreams[0]?.p50).toHaveLength(300)
    expect(upstreams[0]).toMatchObject({ name: 'api', condition: expect.arrayContaining([0]) })
  })

  it('stays small when many agents with long names retry', () => {
    watch()
    for (let second = 0; second < 300; second++) {
      agents = Array.from({ length: 40 }, (_, at) =>
        agentReading(`${'x'.repeat(100)}-${second}-${at}`, second + 1, { retries: 1 }),
      )
      pass(1)
    }
    const text = feed.history()
    expect(text.length).toBeLessThanOrEqual(128 * 1024)
    expect((JSON.parse(text) as LiveHistory).times.length).toBeGreaterThan(10)
  })
})
