/** One agent to a sidecar, all before one upstream: what befalls it shows only across them. */
import type { Phase } from '../kit/sim/upstream-model.ts'
import type { Scenario } from '../kit/sim/scenario.ts'

const FROM = 60_000

/** @param agents one to a sidecar, 64 calls a second together; the upstream bears 100 */
function sidecars(name: string, seed: number, lastsMs: number, phase: Partial<Phase>, agents = 8): Scenario {
  const until = FROM + lastsMs
  return {
    name,
    seed,
    durationMs: until + 50_000,
    upstreams: {
      api: { servers: 20, serviceMs: 200, sigma: 0.3, queue: 400, phases: [{ from: FROM, until, ...phase }] },
    },
    trouble: { from: FROM, until, upstream: 0 },
    populations: [
      {
        name: 'live',
        agents: Math.round(agents / 4),
        upstream: 0,
        perSecond: 64 / agents,
        priority: 'critical',
        timeoutMs: 15_000,
        deadlineMs: 15_000,
        family: 'openai-js',
        bytes: 900,
      },
      {
        name: 'work',
        agents: agents - Math.round(agents / 4),
        upstream: 0,
        perSecond: 64 / agents,
        priority: 'normal',
        timeoutMs: 20_000,
        deadlineMs: 45_000,
        family: 'openai-js',
        bytes: 3000,
      },
    ],
  }
}

/** A fifth of its speed for half a minute. */
export const brownout = sidecars('brownout', 31, 30_000, { slow: 5 })
/** The same at an upstream that nobody knows for longer than 14 s, when none of the sidecars has made 200 calls. */
export const strangers = earlier(brownout, 14_000)

/** A quarter of its servers, and a queue that runs over. */
export const shrunk = sidecars('shrunk', 32, 25_000, { servers: 5 })
/** Four of ten calls fail, and are tried again. */
export const failing = sidecars('failing', 33, 15_000, { errorRatio: 0.4, errorStatus: 500 })
/** It answers nobody. */
export const dead = sidecars('dead', 34, 10_000, { stopped: true })
/** It counts calls, and locks out whoever insists. */
export const quota = sidecars('quota', 35, 25_000, {
  rateLimit: { perSecond: 25, retryAfterMs: 2000, lockoutMs: 500 },
})

function earlier(scenario: Scenario, from: number): Scenario {
  const { trouble, durationMs, upstreams } = scenario
  const [api] = Object.values(upstreams)
  const until = trouble.until - trouble.from + from
  return {
    ...scenario,
    name: 'strangers',
    durationMs: durationMs - trouble.from + from,
    trouble: { ...trouble, from, until },
    upstreams: { api: { ...api!, phases: api!.phases.map((phase) => ({ ...phase, from, until })) } },
  }
}

export const FLEET_SCENARIOS: readonly Scenario[] = [brownout, shrunk, failing, dead, quota]

/** One agent asks for ten times as much as each of the others, of an upstream that cannot even bear those. */
export const rogue: Scenario = oneRogue(sidecars('rogue', 36, 30_000, { slow: 5 }))

function oneRogue(scenario: Scenario): Scenario {
  const work = scenario.populations[1]!
  return {
    ...scenario,
    populations: [
      { ...work, name: 'rogue', agents: 1, perSecond: 40 },
      { ...work, name: 'polite', agents: 7, perSecond: 4 },
    ],
  }
}

/**
 * More replicas than the upstream has servers, 20, which are as much faster as there are more agents: each makes four calls
 * a second, so that all of them know the upstream by the time that it slows down.
 */
export function wide(agents: number): Scenario {
  const narrow = sidecars(`fleet-${agents}`, 38, 30_000, { slow: 5 }, agents)
  const [api] = Object.values(narrow.upstreams)
  const perSecond = 4
  return {
    ...narrow,
    upstreams: { api: { ...api!, serviceMs: (64 / (perSecond * agents)) * api!.serviceMs } },
    populations: narrow.populations.map((population) => ({ ...population, perSecond })),
  }
}
