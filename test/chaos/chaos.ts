/** The run itself: traffic, faults, watchers, and the account at the end. */
import { setTimeout as pause } from 'node:timers/promises'
import { seeded } from '../../src/core/random.ts'
import { HAS_REDIS } from '../kit/redis-server.ts'
import { GAP_BOUND_MS, HEAD_BOUND_MS, WeirWorld } from '../kit/faults/weir-world.ts'
import { FAULTS, restart, type ChaosRoom } from './faults.ts'
import { Judge } from './judge.ts'
import { slopeOf } from './slope.ts'
import { Traffic } from './traffic.ts'
import { Windows } from './windows.ts'

export interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  readonly workers: number
  readonly tell?: (line: string) => void
}

export interface ChaosReport {
  readonly minutes: number
  readonly seed: number
  readonly calls: number
  readonly endings: Readonly<Record<string, number>>
  /** Of answers that Weir gave itself. */
  readonly reasons: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  readonly longestHeadMs: number
  readonly longestGapMs: number
  readonly headBoundMs: number
  readonly gapBoundMs: number
  readonly overBoundMs: number
  readonly operatorSlowestMs: number
  readonly mostTimes: number
  readonly memory: {
    readonly fromMiB: number
    readonly toMiB: number
    readonly slopeMiBPerMinute: number
    readonly overMinutes: number
    readonly openFiles: string
  }
  readonly violationCount: number
  readonly violations: readonly string[]
}

const MINUTE_MS = 60_000
/** The operator must be answered within this, even by a Weir that is busy. */
const OPERATOR_BOUND_MS = 2000
const WATCH_EVERY_MS = 1000
/** A run shorter than this says nothing of a slope. */
const SLOPE_FROM_MINUTES = 5
/** promises.md row 84. */
const MOST_SLOPE_MIB = 1
/** For everything to return to zero, and for every upstream to be reached again. */
const RECOVERY_MS = 60_000
/** Kept open by a Weir that has nothing to do. */
const SPARE_FILES = 12

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { minutes, seed, tell = () => {} } = options
  const random = seeded(seed)
  const calm = { serviceMs: 8 }
  const errors: string[] = []
  let half = ''
  const world = await WeirWorld.start({
    upstreams: 3,
    seed,
    weather: calm,
    redis: HAS_REDIS,
    config: 'log: { level: info }',
    process: {
      onOutput(text) {
        const lines = (half + text).split('\n')
        half = lines.pop() ?? ''
        for (const line of lines) if (isFault(line)) errors.push(line.slice(0, 500))
      },
    },
  })
  const windows = new Windows()
  const judge = new Judge(windows, world.upstreams)
  const room: ChaosRoom = { world, windows, random, calm }
  const names = world.upstreams.map(({ name }) => name)
  const traffic = new Traffic({
    origin: () => world.agents,
    upstreams: names,
    random: seeded(seed + 1),
    workers: options.workers,
    pauseMs: 40,
    giveUpMs: 60_000,
    onResult: (result, upstream) => judge.take(result, upstream),
  })
  const faults: Record<string, number> = {}
  try {
    await pause(500)
    const filesBefore = world.openFiles
    const watcher = new Watcher(world, windows, judge)
    traffic.start()
    const startedAt = performance.now()
    const endAt = startedAt + minutes * MINUTE_MS
    const kinds = Object.keys(FAULTS)
    const restarts: { at: number; signal: 'SIGTERM' | 'SIGKILL' }[] = [
      { at: startedAt + 0.1 * minutes * MINUTE_MS, signal: 'SIGTERM' },
      { at: startedAt + 0.2 * minutes * MINUTE_MS, signal: 'SIGKILL' },
    ]
    while (performance.now() < endAt) {
      // Two at a time now and then: faults do not wait for each other.
      const now = [1, 2].slice(0, random() < 0.3 ? 2 : 1)
      await Promise.all(
        now.map(async () => {
          const kind = kinds[Math.floor(random() * kinds.length)]!
          faults[kind] = (faults[kind] ?? 0) + 1
          await FAULTS[kind]!(room, 300 + 3700 * random() ** 2)
        }),
      )
      world.heal()
      await pause(200 + 1500 * random())
      const due = restarts[0]
      if (due !== undefined && performance.now() >= due.at) {
        restarts.shift()
        faults[due.signal] = 1
        await restart(room, due.signal)
        watcher.began()
      }
      tell(
        `${Math.round((performance.now() - startedAt) / 1000)} s: ${judge.calls} calls, ${judge.violationCount} violations`,
      )
    }
    await recovered(room, traffic, judge)
    await traffic.stop()
    await traffic.close()
    const memory = watcher.stop()
    await account(world, judge)
    const filesAfter = world.openFiles
    if (filesAfter > filesBefore + SPARE_FILES)
      judge.violation(`${filesBefore} open files became ${filesAfter}`)
    if (memory.overMinutes >= SLOPE_FROM_MINUTES && memory.slopeMiBPerMinute > MOST_SLOPE_MIB)
      judge.violation(`memory grows by ${memory.slopeMiBPerMinute} MiB a minute`)
    for (const line of errors) judge.violation(`Weir's log: ${line}`)
    const mostTimes = Math.max(...world.upstreams.map(({ echo }) => echo.mostTimes))
    if (mostTimes > 1) judge.violation(`a call was sent ${mostTimes} times`)
    return {
      minutes,
      seed,
      calls: judge.calls,
      endings: judge.endings,
      reasons: Object.fromEntries(judge.reasons),
      faults,
      longestHeadMs: Math.round(judge.longestHeadMs),
      longestGapMs: Math.round(judge.longestGapMs),
      headBoundMs: HEAD_BOUND_MS,
      gapBoundMs: GAP_BOUND_MS,
      overBoundMs: Math.round(judge.overBoundMs),
      operatorSlowestMs: Math.round(watcher.slowestMs),
      mostTimes,
      memory: { ...memory, openFiles: `${filesBefore} to ${filesAfter}` },
      violationCount: judge.violationCount,
      violations: judge.violations,
    }
  } finally {
    await traffic.close()
    await world.close()
  }
}

/** Errors that nobody caught, and faults of a stage of a call; not what the log says of Redis or of bad policies. */
function isFault(line: string): boolean {
  return line.includes('uncaught error') || line.includes('a stage of the call failed')
}

/** Asks the operator's port all the time, and notes how much memory there is. */
class Watcher {
  readonly #world: WeirWorld
  readonly #windows: Windows
  readonly #judge: Judge
  #samples: { at: number; mib: number }[] = []
  #isStopped = false
  slowestMs = 0

  constructor(world: WeirWorld, windows: Windows, judge: Judge) {
    this.#world = world
    this.#windows = windows
    this.#judge = judge
    void this.#watch()
  }

  /** Another process: its memory begins anew. */
  began(): void {
    this.#samples = []
  }

  stop(): Omit<ChaosReport['memory'], 'openFiles'> {
    this.#isStopped = true
    // Tables fill and code is compiled in the first third.
    const level = this.#samples.slice(Math.floor(this.#samples.length / 3))
    const [first, last] = [level[0], level.at(-1)]
    if (first === undefined || last === undefined)
      return { fromMiB: 0, toMiB: 0, slopeMiBPerMinute: 0, overMinutes: 0 }
    return {
      fromMiB: Math.round(first.mib),
      toMiB: Math.round(last.mib),
      slopeMiBPerMinute: Math.round(100 * slopeOf(level.map(({ at, mib }) => [at / MINUTE_MS, mib]))) / 100,
      overMinutes: Math.round((10 * (last.at - first.at)) / MINUTE_MS) / 10,
    }
  }

  async #watch(): Promise<void> {
    while (!this.#isStopped) {
      const from = performance.now()
      try {
        await this.#world.metrics(OPERATOR_BOUND_MS + 10_000)
        this.#samples.push({ at: from, mib: this.#world.residentBytes / 2 ** 20 })
      } catch (error) {
        if (this.#awayMs(from) === 0) this.#judge.violation(`the operator's port: ${String(error)}`)
      }
      const ms = performance.now() - from - this.#awayMs(from)
      this.slowestMs = Math.max(this.slowestMs, ms)
      if (ms > OPERATOR_BOUND_MS) this.#judge.violation(`the operator waited ${Math.round(ms)} ms`)
      await pause(WATCH_EVERY_MS)
    }
  }

  #awayMs(from: number): number {
    const now = performance.now()
    return this.#windows.overlapMs('stall', from, now) + this.#windows.overlapMs('restart', from, now)
  }
}

/** After the last fault every upstream is reached again, within a minute, without anybody's help. */
async function recovered({ world }: ChaosRoom, traffic: Traffic, judge: Judge): Promise<void> {
  world.heal()
  const by = performance.now() + RECOVERY_MS
  for (const { name } of world.upstreams) {
    let ending = ''
    while (ending !== 'whole' && performance.now() < by) {
      ;({ ending } = await traffic.probe(name))
      await pause(50)
    }
    if (ending !== 'whole') judge.violation(`${name} is not reached again after a minute: ${ending}`)
  }
}

/** Nothing is open any more: what came is what ended, and every gauge is at zero. */
async function account(world: WeirWorld, judge: Judge): Promise<void> {
  const gauges = ['weir_held', 'weir_held_bytes', 'weir_in_flight', 'weir_connections', 'weir_upgrades']
  const by = performance.now() + HEAD_BOUND_MS + 5000
  for (;;) {
    const metrics = await world.metrics(10_000)
    const open = gauges.filter((name) => metrics.sum(name) !== 0)
    const [arrivals, outcomes] = [metrics.sum('weir_arrivals_total'), metrics.sum('weir_calls_total')]
    if (open.length === 0 && arrivals === outcomes) return
    if (performance.now() > by) {
      for (const name of open) judge.violation(`${name} is ${metrics.sum(name)} when all is over`)
      if (arrivals !== outcomes) judge.violation(`${arrivals} arrivals, and ${outcomes} outcomes`)
      return
    }
    await pause(200)
  }
}
