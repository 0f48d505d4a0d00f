/** The same agents before one upstream that degrades: through one gateway, or through a sidecar each. */
import { Agent } from 'node:http'
import { familyOf } from '../../src/core/families.ts'
import { seeded } from '../../src/core/random.ts'
import { createSandbox } from '../../src/demo/sandbox.ts'
import type { Ledger } from '../../src/demo/sandbox-ledger.ts'
import { startAgents, type LogicalCall, type Submit } from '../../test/kit/sim/agent-model.ts'
import type { Run, Scenario } from '../../test/kit/sim/scenario.ts'
import { score, type Score } from '../../test/kit/sim/score.ts'
import { UpstreamModel } from '../../test/kit/sim/upstream-model.ts'
import { World } from '../../test/kit/sim/world.ts'
import { httpSubmit } from '../storm/http-agents.ts'
import { RealClock } from '../storm/real-clock.ts'
import { Sidecar, sleep } from './sidecars.ts'

export interface Played {
  readonly score: Score
  /** From the third agent's first retry until the last sidecar told of the storm, in seconds; NaN = not all did. */
  readonly stormKnownSeconds: number
  /** Every 250 ms. */
  readonly loads: readonly LoadSample[]
}

export interface LoadSample {
  readonly at: number
  /** Calls at the upstream, as it counts them itself: through whichever sidecar, limited or not. */
  readonly inFlight: number
  /** What all may have in flight together, by the steward's word; Infinity = any number. */
  readonly total: number
}

const SAMPLE_MS = 250

/** What a play has beside its agents and sidecars. */
export interface Beside {
  /** Runs while there is load, told when it began. */
  readonly meanwhile?: (clock: RealClock) => Promise<void>
  /** The limit on all of them together; without a board there is none. */
  readonly total?: () => Promise<number>
}

/** @param extraOf words of sidecar `n` */
export async function playWith(
  scenario: Scenario,
  sidecars: number,
  extraOf: (n: number) => readonly string[],
  { meanwhile = async () => {}, total = async () => Infinity }: Beside = {},
): Promise<Played> {
  const [shape] = Object.values(scenario.upstreams)
  const sandbox = createSandbox({ behaviour: shape ?? {}, seed: scenario.seed })
  const upstream = await sandbox.listen()
  const weirs: Sidecar[] = []
  for (let n = 0; n < sidecars; n++) weirs.push(await Sidecar.start(upstream, extraOf(n)))
  const agent = new Agent({ keepAlive: true, maxSockets: 4096 })
  try {
    await sleep(1500)
    const origin = sandbox.ledger.age
    sandbox.behave(shape ?? {})
    const clock = new RealClock()
    const wallOrigin = Date.now()
    const retries = new Map<string, number>()
    const homes = new Map<string, Submit>()
    const submit: Submit = (arrival, answer) => {
      let home = homes.get(arrival.agent)
      if (home === undefined) {
        home = httpSubmit(clock, [weirs[homes.size % sidecars]!.base], [], agent)
        homes.set(arrival.agent, home)
      }
      const inTrouble = clock.now >= scenario.trouble.from
      if (inTrouble && arrival.attempt > 1 && !retries.has(arrival.agent))
        retries.set(arrival.agent, clock.now)
      return home(arrival, answer)
    }
    const beside = meanwhile(clock)
    const loads: LoadSample[] = []
    const watching = { over: false }
    const watch = watchLoads({ ledger: sandbox.ledger, total }, clock, loads, watching)
    const calls = await load(scenario, clock, submit)
    watching.over = true
    await watch
    await beside
    const model = new UpstreamModel(new World(), shape!, seeded(scenario.seed))
    for (const [tick, count] of sandbox.ledger.arrivalsPerTick.entries()) {
      for (let one = 0; one < count; one++) model.arrivals.push((tick + 0.5) * 100 - origin)
    }
    const run: Run = { calls, upstreams: [model], events: [], acts: [], timeline: [], end: undefined }
    return { score: score(scenario, run), stormKnownSeconds: stormKnown(weirs, retries, wallOrigin), loads }
  } finally {
    agent.destroy()
    await Promise.all(weirs.map((weir) => weir.stop()))
    await sandbox.close()
  }
}

async function watchLoads(
  { ledger, total }: { ledger: Ledger; total: () => Promise<number> },
  clock: RealClock,
  loads: LoadSample[],
  watching: { readonly over: boolean },
): Promise<void> {
  while (!watching.over) {
    const allowed = await total()
    loads.push({ at: clock.now, inFlight: ledger.inFlight, total: allowed })
    await sleep(SAMPLE_MS)
  }
}

async function load(scenario: Scenario, clock: RealClock, submit: Submit): Promise<LogicalCall[]> {
  const calls: LogicalCall[] = []
  const random = seeded(scenario.seed)
  for (const population of scenario.populations) {
    const own = seeded(Math.floor(random() * 2 ** 32))
    startAgents(clock, population, familyOf(population.family), submit, own, scenario.durationMs, calls)
  }
  await sleep(scenario.durationMs)
  const longest = Math.max(...scenario.populations.map(({ deadlineMs }) => deadlineMs))
  for (const end = clock.now + longest; clock.now < end; await sleep(100)) {
    if (calls.every((call) => call.endedAt !== Infinity)) break
  }
  return calls
}

function stormKnown(
  weirs: readonly Sidecar[],
  retries: ReadonlyMap<string, number>,
  wallOrigin: number,
): number {
  const third = [...retries.values()].toSorted((a, b) => a - b)[2]
  const told = weirs.map((weir) => weir.told.find(({ msg }) => msg === 'storm-started')?.at ?? Number.NaN)
  return third === undefined ? Number.NaN : (Math.max(...told) - wallOrigin - third) / 1000
}
