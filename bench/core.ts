/**
 * What the core costs without any I/O: time and memory of a decision (arrival, sent, head, end, and the beats that fall
 * due) while all is well, by number of agents, and the longest that one tick takes with 64 upstreams, 16,000 agents and
 * 10,000 open calls. `bench/traffic/load.ts` tells the traffic.
 *
 * Time is CPU time of the process, so that what else runs on the machine does not count, in batches of 500 calls that
 * alternate between the numbers of agents: `nsPerCall` is the median, `nsPerCallQuiet` the 20th of a hundred, which the
 * neighbours of a shared machine disturb less (they slow down its memory, and with a hundred thousand agents memory is
 * what a call waits for). `harnessNs` is what handing over takes by itself; it is in all of them.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Load, type LoadOptions } from './traffic/load.ts'
import type { Verdict } from '../src/core/model.ts'

const AGENTS = [10, 1000, 100_000]
const UPSTREAMS = 8
const TURN = 20_000
const TICKING: LoadOptions = { agents: 16_000, upstreams: 64, answerMs: 500 }
/** The same ticks again: the shortest of each is what it takes, the rest is the machine. */
const REPEATS = 3

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const { smoke } = options
  const timed = smoke ? AGENTS.slice(0, 2) : AGENTS
  const times = time(timed, smoke ? 1 : 15)
  return {
    nsPerCall: byAgents(timed, times, 0.5),
    nsPerCallQuiet: byAgents(timed, times, 0.2),
    harnessNs: Math.round(quantile(times.get(0) ?? [], 0.5)),
    bytesPerCall: allocation(smoke ? 4000 : 200_000),
    bytesPerAgent: await memoryPerAgent(smoke ? 2000 : 100_000),
    ...worstTick(smoke ? 1 : 65, smoke ? 1 : REPEATS),
  }
}

/** Nanoseconds of each batch by number of agents; 0 = nobody is asked. */
function time(agents: readonly number[], turns: number): Map<number, number[]> {
  const loads = new Map(agents.map((count) => [count, new Load({ agents: count, upstreams: UPSTREAMS })]))
  loads.set(0, new Load({ agents: 1000, upstreams: UPSTREAMS, core: nobody() }))
  const times = new Map([...loads.keys()].map((count) => [count, [] as number[]]))
  for (const load of loads.values()) load.warmUp()
  for (let turn = 0; turn < turns; turn++) {
    for (const [count, load] of loads) times.get(count)?.push(...load.measure(TURN))
  }
  for (const [count, load] of loads) {
    if (load.touched > 0) throw new Error(`with ${count} agents ${load.touched} calls were not just passed`)
  }
  return times
}

function byAgents(
  agents: readonly number[],
  times: ReadonlyMap<number, readonly number[]>,
  p: number,
): Record<string, number> {
  return Object.fromEntries(
    agents.map((count) => [`agents${count}`, Math.round(quantile(times.get(count) ?? [], p))]),
  )
}

/** Heap that a call leaves to the collector: batches in which the collector did not run. */
function allocation(calls: number): number {
  const load = new Load({ agents: 1000, upstreams: UPSTREAMS })
  load.warmUp()
  return Math.round(quantile(load.allocated(calls), 0.5))
}

/** Heap and typed arrays that a hundred thousand agents take more than half as many, at eight upstreams. */
async function memoryPerAgent(agents: number): Promise<number> {
  const few = await memoryOf(agents / 2)
  const many = await memoryOf(agents)
  return Math.round((many - few) / (agents / 2))
}

/** Of a core that has room for so many agents and has seen all of them; workflows are the same in number. */
async function memoryOf(agents: number): Promise<number> {
  const before = await memory()
  const load = new Load({ agents, upstreams: UPSTREAMS, workflows: 1000 })
  load.greet()
  const after = await memory()
  load.finish()
  return after - before
}

function worstTick(seconds: number, repeats: number): { worstTickMs: number; tickP99Ms: number } {
  let shortest: number[] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    const load = new Load(TICKING)
    load.warmUp()
    load.ticks = []
    for (let second = 0; second < seconds; second++) load.measure(TURN)
    load.stall(2000)
    load.measure(TURN)
    const ticks = load.ticks
    shortest = repeat === 0 ? ticks : shortest.map((ms, index) => Math.min(ms, ticks[index] ?? ms))
  }
  return {
    worstTickMs: rounded(Math.max(...shortest.slice(-100_000))),
    tickP99Ms: rounded(quantile(shortest, 0.99)),
  }
}

/** Stands where the core stands and does nothing. */
function nobody(): NonNullable<LoadOptions['core']> {
  const verdict: Verdict = {
    do: 'pass',
    reason: 'healthy',
    rule: -1,
    upstream: 0,
    until: 0,
    slotAt: 0,
    shadow: undefined,
  }
  const advice = { slotAt: 0 }
  return {
    arrive: () => verdict,
    progress: () => advice,
    settle: () => undefined,
    tick: () => [],
    wakeAt: () => Infinity,
  }
}

/** At rest: collected twice, as buffers go after the objects that own them. */
async function memory(): Promise<number> {
  for (let pass = 0; pass < 2; pass++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function quantile(values: readonly number[], p: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(p * values.length)] ?? 0
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
