/**
 * What coordination is worth as agents get more, in virtual time: an upstream loses four fifths of its capacity for
 * 20 s, with the load of its healthy two thirds, from 2 to 10,000 agents. `shared`: all sizes share one load, so that
 * only the number of agents differs. `grown`: each agent brings its own calls, and the upstream is as much larger.
 * Wasted calls (attempts beyond one per logical call, and answers to clients that had left) and work that was late or
 * lost, with Weir and without.
 */
import { play, type Run, type Scenario } from '../test/kit/sim/scenario.ts'
import { score } from '../test/kit/sim/score.ts'
import { simPolicy } from '../test/sim/sim-policy.ts'

export const AGENTS = [2, 10, 100, 1000, 10_000]
/** Calls per second of all agents together; one agent's in the grown world. */
const SHARED_RATE = 60
const GROWN_RATE = 0.1
/** Of an upstream that 60 calls/s load to two thirds. */
const SERVERS = 27
const SERVICE_MS = 300

export interface Worth {
  readonly attemptsPerCall: number
  readonly onTimeRatio: number
  readonly wastedCalls: number
  readonly lostOnTime: number
  readonly calls: number
}
export type Sizes = Record<string, { readonly direct: Worth; readonly weir: Worth }>

export async function run(options: { smoke: boolean }): Promise<{ shared: Sizes; grown: Sizes }> {
  const shared: Sizes = {}
  const grown: Sizes = {}
  for (const agents of options.smoke ? AGENTS.slice(0, 2) : AGENTS) {
    shared[`agents${agents}`] = both(troubled(agents, SHARED_RATE))
    grown[`agents${agents}`] = both(troubled(agents, GROWN_RATE * agents))
  }
  return { shared, grown }
}

function both(scenario: Scenario): { direct: Worth; weir: Worth } {
  const direct = play(scenario, undefined)
  const weir = play(scenario, simPolicy(scenario))
  return { direct: worth(scenario, direct, direct), weir: worth(scenario, weir, direct) }
}

function troubled(agents: number, callsPerSecond: number): Scenario {
  const servers = Math.max(1, Math.round((SERVERS * callsPerSecond) / SHARED_RATE))
  return {
    name: `scale-${agents}`,
    seed: agents,
    durationMs: 130_000,
    upstreams: {
      api: {
        servers,
        serviceMs: SERVICE_MS,
        sigma: 0.3,
        queue: Math.ceil((1000 * callsPerSecond) / SHARED_RATE),
        phases: [{ from: 60_000, until: 80_000, slow: 5 }],
      },
    },
    populations: [
      {
        name: 'agent',
        agents,
        upstream: 0,
        perSecond: callsPerSecond / agents,
        priority: 'normal',
        timeoutMs: 10_000,
        deadlineMs: 45_000,
        family: 'openai-js',
        bytes: 2000,
      },
    ],
    trouble: { from: 60_000, until: 80_000, upstream: 0 },
  }
}

function worth(scenario: Scenario, played: Run, direct: Run): Worth {
  const { attemptsPerCall, onTimeRatio } = score(scenario, played, direct)
  const served = played.calls.filter((call) => call.ok).length
  const arrivals = played.upstreams[0]?.arrivals.length ?? 0
  const late = played.calls.filter(
    (call) => !call.ok || call.endedAt - call.bornAt > call.population.deadlineMs,
  )
  return {
    attemptsPerCall,
    onTimeRatio,
    wastedCalls: arrivals - served,
    lostOnTime: late.length,
    calls: played.calls.length,
  }
}
