/**
 * What coordination is worth as agents get more, in virtual time: an upstream loses four fifths of its capacity for
 * 20 s, with the load of its healthy two thirds, shared by 2 to 10,000 agents. Wasted calls (attempts beyond one per
 * logical call, and answers to clients that had left) and work that was late, with Weir and without.
 */
import { play, type Run, type Scenario } from '../test/kit/sim/scenario.ts'
import { score } from '../test/kit/sim/score.ts'
import { simPolicy } from '../test/sim/sim-policy.ts'

const AGENTS = [2, 10, 100, 1000, 10_000]
const CALLS_PER_SECOND = 60
const SERVERS = 27
const SERVICE_MS = 300

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const figures: Record<string, unknown> = {}
  for (const agents of options.smoke ? AGENTS.slice(0, 2) : AGENTS) {
    const scenario = troubled(agents)
    const direct = play(scenario, undefined)
    const weir = play(scenario, simPolicy(scenario))
    figures[`agents${agents}`] = {
      direct: worth(scenario, direct, direct),
      weir: worth(scenario, weir, direct),
    }
  }
  return figures
}

function troubled(agents: number): Scenario {
  return {
    name: `scale-${agents}`,
    seed: agents,
    durationMs: 130_000,
    upstreams: {
      api: {
        servers: SERVERS,
        serviceMs: SERVICE_MS,
        sigma: 0.3,
        queue: 1000,
        phases: [{ from: 60_000, until: 80_000, slow: 5 }],
      },
    },
    populations: [
      {
        name: 'agent',
        agents,
        upstream: 0,
        perSecond: CALLS_PER_SECOND / agents,
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

function worth(scenario: Scenario, played: Run, direct: Run): Record<string, number> {
  const { attemptsPerCall, onTimeRatio } = score(scenario, played, direct)
  const served = played.calls.filter((call) => call.ok).length
  const arrivals = played.upstreams[0]?.arrivals.length ?? 0
  const late = played.calls.filter(
    (call) => !call.ok || call.endedAt - call.bornAt > call.population.deadlineMs,
  )
  return { attemptsPerCall, onTimeRatio, wastedCalls: arrivals - served, lostOnTime: late.length }
}
