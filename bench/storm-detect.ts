/**
 * How soon a storm is seen, and how often one is seen that is none.
 *
 * `detectSeconds`: seeded incidents, from the first correlated retry (the one that makes it three agents
 * within 5 s that retry calls which failed in the incident) to the beat at which the coordinator acts: `storm`, or `forming` while drift
 * is at `watch` or worse; 0 = it acted before that, on failures alone. `stormSeconds` is to `storm` alone,
 * `firstRetrySeconds` counts from the very first retry of the incident.
 * `falseStorms`: beats at `storm`, and at `forming` with drift, over real traffic to which isolated failures
 * were added that clients retry as their SDKs do; `forming` alone changes nothing for calls and is told apart.
 * It says nothing about how a storm ends: that is the business of the end-to-end scenarios.
 */
import { seeded } from '../src/core/random.ts'
import { WatchedUpstream, usualStorm } from './storm/watched-upstream.ts'
import { TRACES_AT, healthyTraces, lognormal, type HealthyTrace } from './traces/healthy-traces.ts'

/** Fewer are no storm by definition. */
const CORRELATED_AGENTS = 3
const FAULT_AT = 120_000
const WATCHED_MS = 20_000
const FAMILY_MIX = ['openai-py', 'anthropic-js', 'openai-js', 'ai-sdk', 'langchain-js'] as const
const ISOLATED_FAILURES = [0, 0.005, 0.01]
/** More than an ordinary day has: shows the margin, is not part of the goal. */
const STRESSED_FAILURES = 0.03

interface Incident {
  readonly agents: number
  /** Mean pause between calls of one agent. */
  readonly everyMs: number
  /** Share of attempts that fail from `FAULT_AT` on. */
  readonly failing: number
  readonly adviceMs: number
}

interface Detection {
  readonly correlated: boolean
  readonly acted: number
  readonly storm: number
  readonly sinceFirstRetry: number
}

export async function run(options: { smoke: boolean; data?: string }): Promise<Record<string, unknown>> {
  const seeds = options.smoke ? 1 : 5
  const found: (Incident & Detection)[] = []
  for (const incident of incidents(options.smoke)) {
    for (let seed = 1; seed <= seeds; seed++) found.push({ ...incident, ...detect(incident, seed) })
  }
  const storms = found.filter((detection) => detection.correlated)
  const acted = storms.map((detection) => detection.acted)
  const most = options.smoke ? 2000 : Infinity
  const traces = healthyTraces(options.data ?? TRACES_AT, most)
  const healthy = traces.flatMap((trace) => ISOLATED_FAILURES.map((share) => watch(trace, share)))
  const stressed = traces.map((trace) => watch(trace, STRESSED_FAILURES))
  return {
    incidents: found.length,
    neverCorrelated: found.length - storms.length,
    detectSeconds: summary(acted),
    stormSeconds: summary(storms.map((detection) => detection.storm)),
    firstRetrySeconds: summary(storms.map((detection) => detection.sinceFirstRetry)),
    slowest: storms.toSorted((a, b) => b.acted - a.acted).slice(0, 5),
    falseStorms: sum(healthy, 'falseStorms'),
    falseActs: sum(healthy, 'falseActs'),
    formingEpisodes: sum(healthy, 'formingEpisodes'),
    stressedStorms: sum(stressed, 'falseStorms'),
    stressedActs: sum(stressed, 'falseActs'),
    healthy: [...healthy, ...stressed],
  }
}

function incidents(smoke: boolean): Incident[] {
  const all: Incident[] = []
  for (const agents of [5, 20, 100, 500]) {
    for (const everyMs of [2000, 8000]) {
      for (const failing of [1, 0.7, 0.4]) {
        for (const adviceMs of [-1, 5000]) all.push({ agents, everyMs, failing, adviceMs })
      }
    }
  }
  return smoke ? all.filter((incident) => incident.agents === 20 && incident.failing === 1) : all
}

function detect(incident: Incident, seed: number): Detection {
  const random = seeded(seed)
  let firstRetryAt = Infinity
  let correlatedAt = Infinity
  const retriedAt = new Map<string, number>()
  let actedAt = Infinity
  let stormAt = Infinity
  const upstream = new WatchedUpstream(
    { failing: (at) => (at < FAULT_AT ? 0.005 : incident.failing), adviceMs: incident.adviceMs, random },
    (now, storm, drift) => {
      if (now < firstRetryAt) return
      if (storm === 'storm') stormAt = Math.min(stormAt, now)
      if (storm === 'storm' || (storm === 'forming' && drift !== 'healthy')) actedAt = Math.min(actedAt, now)
    },
    (failedAt, at, agent) => {
      if (failedAt < FAULT_AT) return
      firstRetryAt = Math.min(firstRetryAt, at)
      retriedAt.set(agent, at)
      const together = [...retriedAt.values()].filter((last) => at - last < usualStorm.windowMs).length
      if (together >= CORRELATED_AGENTS) correlatedAt = Math.min(correlatedAt, at)
    },
  )
  for (let agent = 0; agent < incident.agents; agent++) {
    const family = FAMILY_MIX[agent % FAMILY_MIX.length] ?? 'other'
    let bytes = 2000 + Math.floor(4000 * random())
    for (let at = incident.everyMs * random(); at < FAULT_AT + WATCHED_MS;) {
      upstream.call(at, { agent: `agent-${agent}`, family, bytes, tookMs: lognormal(random, 1200, 0.5) })
      at += -Math.log(1 - random()) * incident.everyMs
      bytes += Math.ceil(600 * random())
    }
  }
  upstream.world.run(FAULT_AT + WATCHED_MS)
  return {
    correlated: correlatedAt < Infinity,
    acted: Math.max(0, actedAt - correlatedAt) / 1000,
    storm: Math.max(0, stormAt - correlatedAt) / 1000,
    sinceFirstRetry: (actedAt - firstRetryAt) / 1000,
  }
}

interface Watched {
  readonly trace: string
  readonly source: string
  readonly failing: number
  readonly hours: number
  readonly calls: number
  readonly retries: number
  readonly seenRetries: number
  readonly wrongRetries: number
  readonly falseStorms: number
  readonly falseActs: number
  readonly formingEpisodes: number
}

function watch(trace: HealthyTrace, failing: number): Watched {
  let falseStorms = 0
  let falseActs = 0
  let formingEpisodes = 0
  let before = 'calm'
  let wasActing = false
  const upstream = new WatchedUpstream(
    { failing: () => failing, adviceMs: -1, random: seeded(21) },
    (_, storm, drift) => {
      if (storm === 'storm' && before !== 'storm') falseStorms += 1
      if (storm === 'forming' && before === 'calm') formingEpisodes += 1
      const acting = storm === 'forming' && drift !== 'healthy'
      if (acting && !wasActing) falseActs += 1
      wasActing = acting
      before = storm
    },
  )
  for (const call of trace.calls) {
    const family = FAMILY_MIX[familyIndex(call.agent)] ?? 'other'
    upstream.call(call.atMs, { agent: call.agent, family, bytes: call.requestBytes, tookMs: call.tookMs })
  }
  const lastAt = trace.calls.at(-1)?.atMs ?? 0
  upstream.world.run(lastAt)
  return {
    trace: trace.name,
    source: trace.source,
    failing,
    hours: Math.round(lastAt / 36_000) / 100,
    calls: trace.calls.length,
    retries: upstream.retries,
    seenRetries: upstream.seenRetries,
    wrongRetries: upstream.wrongRetries,
    falseStorms,
    falseActs,
    formingEpisodes,
  }
}

function sum(watched: readonly Watched[], key: 'falseStorms' | 'falseActs' | 'formingEpisodes'): number {
  return watched.reduce((total, trace) => total + trace[key], 0)
}

/** One client of one family each: an agent does not change its SDK. */
function familyIndex(agent: string): number {
  let value = 0
  for (let index = 0; index < agent.length; index++) value = (value * 31 + agent.charCodeAt(index)) >>> 0
  return value % FAMILY_MIX.length
}

function summary(seconds: readonly number[]): Record<string, number> {
  const sorted = seconds.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return {
    median: at(0.5),
    p95: at(0.95),
    worst: at(1),
    missed: sorted.filter((value) => value === Infinity).length,
    within3: sorted.filter((value) => value <= 3).length / sorted.length,
  }
}
