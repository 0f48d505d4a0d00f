/**
 * The five stories of the simulator on real sockets, time-compressed: agents with the retry rules of their SDKs, a
 * scripted upstream, and between them nothing (`direct`), a circuit breaker in each agent (`breaker`, cockatiel with
 * the numbers of its README), haproxy with a connection limit and a queue (`haproxy`), or Weir as a process of its
 * own (`weir`). Scored as the simulator scores; what the upstream saw is taken from its own ledger.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { familyOf } from '../src/core/families.ts'
import type { Millis } from '../src/core/model.ts'
import { seeded } from '../src/core/random.ts'
import { createSandbox, type Sandbox } from '../src/demo/sandbox.ts'
import { holdPolicy } from '../test/kit/policy.ts'
import { startAgents, type LogicalCall, type Submit } from '../test/kit/sim/agent-model.ts'
import type { Run, Scenario } from '../test/kit/sim/scenario.ts'
import { score, type Score } from '../test/kit/sim/score.ts'
import { UpstreamModel } from '../test/kit/sim/upstream-model.ts'
import { World } from '../test/kit/sim/world.ts'
import { SCENARIOS } from '../test/sim/scenarios.ts'
import { breakers } from './storm/breakers.ts'
import { startQueueingHaproxy } from './storm/haproxy.ts'
import { httpSubmit, type Act } from './storm/http-agents.ts'
import { RealClock } from './storm/real-clock.ts'
import { buildWeir, startWeir } from './targets/all.ts'
import { COMPRESSION } from './storm/compression.ts'

const ARMS = ['direct', 'breaker', 'haproxy', 'weir'] as const
type Arm = (typeof ARMS)[number]

const POLICY = holdPolicy(`{
  drift: { warmUp: 5s },
  slots: { max: 22s },
  release: { probeEvery: 500ms, probeMax: 1s, passes: 2, start: 30%, growth: 1.5, window: 250ms } }`)
const HEALTHY_MS = 12_000
const AFTER_MS = 16_000
const TICK_MS = 100

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  buildWeir()
  const figures: Record<string, Record<string, Score>> = {}
  const only = named('STORM_ONLY')
  const arms = named('STORM_ARMS')
  const wanted = SCENARIOS.filter(({ name }) => (only.length === 0 ? true : only.includes(name)))
  for (const full of options.smoke ? wanted.slice(0, 1) : wanted) {
    const scenario = compressed(full, options.smoke ? 0.25 : 1)
    const runs: Partial<Record<Arm, Run>> = {}
    const scores: Record<string, Score> = {}
    for (const arm of ARMS.filter((name) => arms.length === 0 || arms.includes(name))) {
      const played = await playArm(scenario, arm)
      if (played === undefined) continue
      runs[arm] = played
      scores[arm] = score(scenario, played, runs.direct ?? played)
    }
    figures[full.name] = scores
  }
  return figures
}

/** A list in the environment narrows a run by hand; absent = all. */
function named(variable: string): string[] {
  return (process.env[variable] ?? '').split(',').filter((name) => name !== '')
}

/** Trouble begins when the healthy reference is warm; `part` shortens everything for a smoke run. */
function compressed(scenario: Scenario, part: number): Scenario {
  const from = HEALTHY_MS * part
  const scale = COMPRESSION * part
  const until = from + (scenario.trouble.until - scenario.trouble.from) * scale
  const moved = (at: Millis): Millis => from + (at - scenario.trouble.from) * scale
  return {
    ...scenario,
    durationMs: until + AFTER_MS * part,
    trouble: { ...scenario.trouble, from, until },
    upstreams: Object.fromEntries(
      Object.entries(scenario.upstreams).map(([name, shape]) => [
        name,
        {
          ...shape,
          phases: shape.phases.map((phase) => ({
            ...phase,
            from: moved(phase.from),
            until: moved(phase.until),
          })),
        },
      ]),
    ),
    populations: scenario.populations.map((population) => ({
      ...population,
      timeoutMs: population.timeoutMs * COMPRESSION,
      deadlineMs: population.deadlineMs * COMPRESSION,
    })),
  }
}

async function playArm(scenario: Scenario, arm: Arm): Promise<Run | undefined> {
  const shapes = Object.values(scenario.upstreams)
  const sandboxes: Sandbox[] = []
  for (const shape of shapes) {
    const sandbox = createSandbox({ behaviour: shape, seed: scenario.seed })
    await sandbox.listen()
    sandboxes.push(sandbox)
  }
  const acts: Act[] = []
  const between = await start(arm, scenario, sandboxes)
  const agent = new Agent({ keepAlive: true, maxSockets: 4096 })
  try {
    if (between === undefined) return undefined
    const origins = sandboxes.map((sandbox) => sandbox.ledger.age)
    for (const [index, sandbox] of sandboxes.entries()) sandbox.behave(shapes[index] ?? {})
    const clock = new RealClock()
    const submit = between.wrap(httpSubmit(clock, between.bases, acts, agent), clock, acts)
    const calls = await load(scenario, clock, submit)
    const world = new World()
    const upstreams = shapes.map((shape, index) => {
      const model = new UpstreamModel(world, shape, seeded(scenario.seed))
      for (const [tick, count] of (sandboxes[index]?.ledger.arrivalsPerTick ?? []).entries()) {
        const at = (tick + 0.5) * TICK_MS - (origins[index] ?? 0)
        for (let arrival = 0; arrival < count; arrival++) model.arrivals.push(at)
      }
      return model
    })
    acts.sort((a, b) => a.at - b.at)
    return { calls, upstreams, events: [], acts, timeline: [], end: undefined }
  } finally {
    agent.destroy()
    await between?.stop()
    for (const sandbox of sandboxes) await sandbox.close()
  }
}

async function load(scenario: Scenario, clock: RealClock, submit: Submit): Promise<LogicalCall[]> {
  const calls: LogicalCall[] = []
  const random = seeded(scenario.seed)
  for (const population of scenario.populations) {
    const family = familyOf(population.family)
    const own = seeded(Math.floor(random() * 2 ** 32))
    startAgents(clock, population, family, submit, own, scenario.durationMs, calls)
  }
  await sleep(scenario.durationMs)
  const longest = Math.max(...scenario.populations.map((population) => population.deadlineMs))
  for (const end = clock.now + longest; clock.now < end; await sleep(100)) {
    if (calls.every((call) => call.endedAt !== Infinity)) break
  }
  return calls
}

interface Between {
  readonly bases: readonly string[]
  wrap(submit: Submit, clock: RealClock, acts: Act[]): Submit
  stop(): Promise<void>
}

async function start(
  arm: Arm,
  scenario: Scenario,
  sandboxes: readonly Sandbox[],
): Promise<Between | undefined> {
  const urls = sandboxes.map((sandbox) => sandbox.url)
  const plain = { bases: urls, wrap: (submit: Submit) => submit, stop: async () => {} }
  if (arm === 'direct') return plain
  if (arm === 'breaker') return { ...plain, wrap: breakers }
  if (arm === 'haproxy') {
    const servers = Object.values(scenario.upstreams).map((shape) => shape.servers)
    const haproxy = await startQueueingHaproxy(urls, servers)
    return haproxy === undefined ? undefined : { ...plain, ...haproxy }
  }
  const directory = mkdtempSync(join(tmpdir(), 'weir-storm-'))
  writeFileSync(join(directory, 'storm.yaml'), POLICY)
  const others = urls.slice(1).map((url, index) => `--upstream=other-${index + 1}=${url}`)
  const port = Number(new URL(urls[0] ?? '').port)
  const weir = await startWeir(port, [...others, `--policies=${directory}`])
  const base = `http://127.0.0.1:${weir.port}`
  return {
    ...plain,
    bases: urls.map((_, index) => `${base}/${index === 0 ? 'api' : `other-${index}`}`),
    stop: async () => {
      await weir.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function sleep(ms: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
