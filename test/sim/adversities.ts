/** Upstreams that misbehave in ways that trap controllers; none has a policy of its own. */
import type { Scenario } from '../kit/sim/scenario.ts'
import type { Population } from '../kit/sim/agent-model.ts'
import type { Phase } from '../kit/sim/upstream-model.ts'

const CROWD: readonly Population[] = [
  {
    name: 'live',
    agents: 10,
    upstream: 0,
    perSecond: 1,
    priority: 'critical',
    timeoutMs: 20_000,
    deadlineMs: 20_000,
    family: 'openai-js',
    bytes: 900,
  },
  {
    name: 'work',
    agents: 50,
    upstream: 0,
    perSecond: 1,
    priority: 'normal',
    timeoutMs: 30_000,
    deadlineMs: 60_000,
    family: 'ai-sdk',
    bytes: 4_000,
  },
]

function adversity(
  name: string,
  seed: number,
  from: number,
  until: number,
  phases: readonly Phase[],
): Scenario {
  return {
    name,
    seed,
    durationMs: until + 60_000,
    upstreams: { api: { servers: 30, serviceMs: 300, sigma: 0.3, queue: 500, phases } },
    populations: CROWD,
    trouble: { from, until, upstream: 0 },
  }
}

/** Three seconds down, three seconds up, ten times. */
const flap = adversity(
  'flap',
  21,
  60_000,
  117_000,
  Array.from({ length: 10 }, (_, n) => ({
    from: 60_000 + 6000 * n,
    until: 63_000 + 6000 * n,
    stopped: true,
  })),
)

const hardStop = adversity('hard-stop', 22, 60_000, 90_000, [{ from: 60_000, until: 90_000, stopped: true }])

/** A quota of half the demand, and a lock-out of five seconds for whoever goes on asking. */
const lockout = adversity('lock-out', 23, 60_000, 100_000, [
  { from: 60_000, until: 100_000, rateLimit: { perSecond: 30, retryAfterMs: 5000, lockoutMs: 5000 } },
])

/** Twice as slow within four minutes: too slow for any step to show. */
const creep = adversity('creep', 24, 60_000, 300_000, [
  { from: 60_000, until: 300_000, slow: 1, slowEnd: 2.5 },
])

/** Takes calls, and never answers them. */
const hang = adversity('hang', 25, 60_000, 80_000, [{ from: 60_000, until: 80_000, hang: true }])

/** Five seconds away, then cold: four times as slow for ten seconds, with half of the servers. */
const restart = adversity('restart', 26, 60_000, 75_000, [
  { from: 60_000, until: 65_000, stopped: true },
  { from: 65_000, until: 75_000, servers: 15, slow: 3, slowEnd: 1 },
])

export const ADVERSITIES: readonly Scenario[] = [flap, hardStop, lockout, creep, hang, restart]
