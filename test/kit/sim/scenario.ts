/** A scenario = upstreams with a script + agents + policy + seed; played in virtual time, with or without Weir. */
import { familyOf } from '../../../src/core/families.ts'
import type { Coordinator, FleetCore } from '../../../src/core/coordinator.ts'
import type { CoreEvent, Millis } from '../../../src/core/model.ts'
import type { Policy } from '../../../src/core/policy.ts'
import type { CoreReading } from '../../../src/core/reading.ts'
import { seeded } from '../../../src/core/random.ts'
import { startAgents, type LogicalCall, type Population, type Submit } from './agent-model.ts'
import { UpstreamModel, type UpstreamShape } from './upstream-model.ts'
import { WeirModel, type Answer } from './weir-model.ts'
import { World } from './world.ts'

export interface Scenario {
  readonly name: string
  readonly seed: number
  readonly durationMs: Millis
  readonly upstreams: Readonly<Record<string, UpstreamShape>>
  readonly populations: readonly Population[]
  /** The stretch in which an upstream is not well; before it everything must be left alone. */
  readonly trouble: { readonly from: Millis; readonly until: Millis; readonly upstream: number }
}

export interface Run {
  readonly calls: readonly LogicalCall[]
  readonly upstreams: readonly UpstreamModel[]
  readonly events: readonly CoreEvent[]
  readonly acts: readonly { at: Millis; do: string; reason: string }[]
  readonly timeline: readonly string[]
  /** Weir's own view when everything should be over; undefined = played without Weir. */
  readonly end: CoreReading | undefined
}

/** Calls of after the end may still end: this much longer is played, without new ones. */
export const TAIL_MS = 90_000

/** @param wrap what stands before the core, such as a recorder */
export function play(
  scenario: Scenario,
  policy: Policy | undefined,
  wrap?: (core: Coordinator & FleetCore) => Coordinator,
): Run {
  const world = new World()
  const random = seeded(scenario.seed)
  const names = Object.keys(scenario.upstreams)
  const upstreams = Object.values(scenario.upstreams).map(
    (shape) => new UpstreamModel(world, shape, seeded(Math.floor(random() * 2 ** 32))),
  )
  const calls: LogicalCall[] = []
  const timeline: string[] = []
  const weir =
    policy === undefined
      ? undefined
      : new WeirModel(world, names, upstreams, policy, scenario.seed, (line) => timeline.push(line), wrap)
  const submit: Submit =
    weir === undefined ? direct(upstreams) : (arrival, answer) => weir.submit(arrival, answer)
  for (const population of scenario.populations) {
    const family = familyOf(population.family)
    const own = seeded(Math.floor(random() * 2 ** 32))
    startAgents(world, population, family, submit, own, scenario.durationMs, calls)
  }
  world.run(scenario.durationMs + TAIL_MS)
  return {
    calls,
    upstreams,
    events: weir?.events ?? [],
    acts: weir?.acts ?? [],
    timeline,
    end: weir?.core.read(world.now),
  }
}

function direct(upstreams: readonly UpstreamModel[]): Submit {
  return (arrival, answer: (answer: Answer) => void) => {
    let gone = false
    upstreams[arrival.upstream]?.call((reply) => {
      if (!gone) answer({ status: reply.status, retryAfterMs: reply.retryAfterMs, by: 'upstream' })
    })
    return { abandon: () => (gone = true) }
  }
}
