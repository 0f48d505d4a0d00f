/**
 * Which runaways are seen, after how many calls, and which real agents are wrongly taken for one.
 *
 * A runaway counts as caught at the call that arrives while its workflow (or its agent, when it hammers) is in the
 * named condition; the count starts with the first call of the runaway, not of the workflow. Definitions that make
 * a runaway visible within 25 calls without its content:
 *
 * - circle: one to four calls that repeat with sizes equal within 1 %, after any ordinary beginning;
 * - hammer: the same failing call again without a pause (its retries are given as known: lineage is benched apart);
 * - tree: each call begets b more (seen as exploding, or as wide when it grows past the width at once);
 * - volume: far more calls than the class ever makes, one after the other; the class must be known, and the count
 *   can only tell from twice its p99: 25 calls are enough for classes of at most 12;
 * - swarm: a hundred calls at once.
 *
 * `outside` shows runaways that no size or order gives away: answers that vary by a tenth, and a conversation that
 * goes in circles while it grows. They end at the hard budget.
 */
import { LoopDetector } from '../src/core/detect/loop.ts'
import type { WorkflowCondition } from '../src/core/model.ts'
import { Workflows } from '../src/core/observe/workflows.ts'
import type { WorkflowThresholds } from '../src/core/policy.ts'
import { seeded, type Random } from '../src/core/random.ts'
import { World } from '../test/kit/sim/world.ts'
import { TRACES_AT, healthyTraces, lognormal, type HealthyTrace } from './traces/healthy-traces.ts'

/** The defaults of `policy/schema.ts`. */
const thresholds: WorkflowThresholds = { width: 8, calls: 20, hardCalls: 500, loopCalls: 20, ttlMs: 900_000 }
const SIZE = 16_384
const GOAL_CALLS = 25
const GIVE_UP_CALLS = 600

interface Caught {
  readonly kind: string
  /** Calls of the runaway up to the one that was caught; Infinity = never. */
  readonly calls: number
}

export async function run(options: { smoke: boolean; data?: string }): Promise<Record<string, unknown>> {
  const seeds = options.smoke ? 2 : 50
  const caught: Caught[] = []
  const outside: Caught[] = []
  for (let seed = 1; seed <= seeds; seed++) {
    for (const period of [1, 2, 3, 4]) {
      caught.push({ kind: `circle of ${period}`, calls: circle(period, 0, seed) })
      outside.push({ kind: `circle of ${period}, answers vary by a tenth`, calls: circle(period, 0.1, seed) })
    }
    for (const branching of [2, 3, 5])
      caught.push({ kind: `tree of ${branching}`, calls: tree(branching, seed) })
    for (const ordinary of [3, 8, 12])
      caught.push({ kind: `volume, class of ${ordinary}`, calls: volume(ordinary, seed) })
    outside.push({ kind: 'volume, class of 60', calls: volume(60, seed) })
    caught.push({ kind: 'hammer', calls: hammer(seed) }, { kind: 'swarm', calls: swarm(seed) })
    outside.push({ kind: 'conversation in circles that grows', calls: growing(seed) })
  }
  const most = options.smoke ? 3000 : Infinity
  const healthy = healthyTraces(options.data ?? TRACES_AT, most).map((trace) => watch(trace))
  const within = caught.filter(({ calls }) => calls <= GOAL_CALLS).length
  return {
    runaways: caught.length,
    caughtRatio: within / caught.length,
    callsToCatch: summary(caught),
    byKind: byKind(caught),
    outside: byKind(outside),
    falseLoops: healthy.reduce((sum, trace) => sum + trace.looping + trace.exploding, 0),
    falseBudgets: healthy.reduce((sum, trace) => sum + trace['over-budget'], 0),
    healthy,
  }
}

/** Calls of a workflow, one after the other. */
class Runner {
  readonly workflows = new Workflows({ size: SIZE, thresholds, upstreams: 1 })
  readonly #random: Random
  at = 0

  constructor(random: Random) {
    this.#random = random
  }

  call(
    workflow: string,
    agent: string,
    route: number,
    requestBytes: number,
    answerBytes: number,
  ): WorkflowCondition {
    this.at += lognormal(this.#random, 2500, 0.8)
    const slot = this.workflows.arrive(workflow, 1, agent, '', route, 0, requestBytes, false, this.at)
    const condition = this.workflows.condition(slot)
    this.at += lognormal(this.#random, 900, 0.5)
    this.workflows.settle(slot, route, requestBytes, answerBytes, false, this.at)
    return condition
  }

  /** An ordinary conversation: the request grows by the answer and by what the tool said. */
  converse(workflow: string, agent: string, turns: number): void {
    let requestBytes = 8000
    for (let turn = 0; turn < turns; turn++) {
      const answerBytes = Math.ceil(lognormal(this.#random, 500, 0.8))
      this.call(workflow, agent, 0, requestBytes, answerBytes)
      requestBytes += answerBytes + Math.ceil(lognormal(this.#random, 900, 1))
    }
  }
}

function circle(period: number, variation: number, seed: number): number {
  const random = seeded(seed * 10 + period)
  const runner = new Runner(random)
  runner.converse('w', 'agent', Math.floor(40 * random()))
  const steps = Array.from({ length: period }, (_, place) => ({
    route: 1 + place,
    request: 300 + 4000 * random(),
    answer: 300 + 4000 * random(),
  }))
  const next = (n: number): WorkflowCondition => {
    const step = steps[n % period] ?? { route: 0, request: 0, answer: 0 }
    const answer = step.answer * (1 + 2 * variation * (random() - 0.5))
    return runner.call('w', 'agent', step.route, digits(random, step.request), digits(random, answer))
  }
  return firstCaught(next, ['looping', 'over-budget'])
}

/** A counter or a time in a body: now and then one byte more or less. */
function digits(random: Random, bytes: number): number {
  const chance = random()
  return Math.round(bytes) + (chance < 0.15 ? 1 : chance > 0.85 ? -1 : 0)
}

function growing(seed: number): number {
  const runner = new Runner(seeded(seed))
  return firstCaught((n) => runner.call('w', 'agent', 0, 20_000 + 300 * n, 120), ['looping', 'over-budget'])
}

function volume(ordinary: number, seed: number): number {
  const random = seeded(seed)
  const runner = new Runner(random)
  for (let past = 0; past < 120; past++) {
    runner.converse(
      `run-${past}`,
      `worker-${past}`,
      Math.max(1, Math.round(ordinary * (0.6 + 0.4 * random()))),
    )
  }
  // What is over teaches its class when its slot is looked at: a newcomer at a time.
  runner.at += 2 * thresholds.ttlMs
  for (let n = 0; n < SIZE; n++) {
    const slot = runner.workflows.arrive(`probe-${n}`, 1, 'prober', '', 9, 0, 10, false, runner.at)
    runner.workflows.settle(slot, 9, 10, 10, false, runner.at)
  }
  let requestBytes = 8000
  return firstCaught(() => {
    requestBytes += Math.ceil(lognormal(random, 700, 1))
    return runner.call('runaway', 'worker-999', 0, requestBytes, Math.ceil(lognormal(random, 500, 0.8)))
  }, ['amplified', 'over-budget'])
}

function tree(branching: number, seed: number): number {
  const random = seeded(seed * 10 + branching)
  const world = new World()
  const workflows = new Workflows({ size: SIZE, thresholds, upstreams: 1 })
  let calls = 0
  let caughtAt = Infinity
  const begin = (): void => {
    if (calls >= GIVE_UP_CALLS || caughtAt < Infinity) return
    calls += 1
    const bytes = Math.ceil(lognormal(random, 2000, 0.6))
    const slot = workflows.arrive('w', 1, 'agent', '', 0, 0, bytes, false, world.now)
    const condition = workflows.condition(slot)
    if (condition === 'exploding' || condition === 'wide') caughtAt = Math.min(caughtAt, calls)
    world.after(lognormal(random, 2000, 0.3), () => {
      workflows.settle(slot, 0, bytes, Math.ceil(lognormal(random, 500, 0.8)), false, world.now)
      for (let child = 0; child < branching; child++) world.after(200 * random(), begin)
    })
  }
  begin()
  world.run(600_000)
  return caughtAt
}

function swarm(seed: number): number {
  const random = seeded(seed)
  const workflows = new Workflows({ size: SIZE, thresholds, upstreams: 1 })
  let at = 0
  return firstCaught(
    (n) => {
      at += 100 * random()
      return workflows.condition(workflows.arrive('w', 1, `sub-${n}`, 'main', 0, 0, 5000, false, at))
    },
    ['wide', 'exploding'],
  )
}

function hammer(seed: number): number {
  const random = seeded(seed)
  const loops = new LoopDetector(4)
  let at = 0
  for (let n = 0; n < 200; n++) {
    loops.attempt(1, false, (at += lognormal(random, 4000, 0.8)))
    loops.ended(1)
  }
  return firstCaught(
    (n) => {
      at += 5 + 45 * random()
      loops.attempt(1, n > 0, at)
      const condition = loops.condition(1, at)
      loops.ended(1)
      return condition === 'looping' ? 'looping' : 'ordinary'
    },
    ['looping'],
  )
}

function firstCaught(call: (n: number) => WorkflowCondition, as: readonly WorkflowCondition[]): number {
  for (let n = 0; n < GIVE_UP_CALLS; n++) if (as.includes(call(n))) return n + 1
  return Infinity
}

type Seen = Record<Exclude<WorkflowCondition, 'ordinary'>, number>

/** Real agents through the same table: how many workflows were ever in each condition. */
function watch(
  trace: HealthyTrace,
): Seen & Record<'calls' | 'workflows', number> & { trace: string; source: string } {
  const world = new World()
  const workflows = new Workflows({ size: SIZE, thresholds, upstreams: 1 })
  const seen = new Map<WorkflowCondition, Set<string>>()
  const names = new Set<string>()
  for (const call of trace.calls) {
    world.at(call.atMs, () => {
      const slot = workflows.arrive(
        call.workflow,
        1,
        call.agent,
        call.parent,
        0,
        0,
        call.requestBytes,
        false,
        world.now,
      )
      const name = call.workflow === '' ? call.agent : call.workflow
      const condition = workflows.condition(slot)
      names.add(name)
      seen.set(condition, (seen.get(condition) ?? new Set<string>()).add(name))
      world.after(call.tookMs, () =>
        workflows.settle(slot, 0, call.requestBytes, call.answerBytes, false, world.now),
      )
    })
  }
  world.run(Infinity)
  const count = (condition: WorkflowCondition): number => seen.get(condition)?.size ?? 0
  return {
    trace: trace.name,
    source: trace.source,
    calls: trace.calls.length,
    workflows: names.size,
    wide: count('wide'),
    amplified: count('amplified'),
    exploding: count('exploding'),
    looping: count('looping'),
    'over-budget': count('over-budget'),
  }
}

function byKind(caught: readonly Caught[]): Record<string, ReturnType<typeof summary>> {
  const kinds = new Set(caught.map(({ kind }) => kind))
  return Object.fromEntries(
    [...kinds].map((kind) => [kind, summary(caught.filter((one) => one.kind === kind))]),
  )
}

function summary(caught: readonly Caught[]): { median: number; worst: number; never: number } {
  const sorted = caught.map(({ calls }) => calls).toSorted((a, b) => a - b)
  return {
    median: sorted[Math.floor(sorted.length / 2)] ?? 0,
    worst: sorted.at(-1) ?? 0,
    never: sorted.filter((calls) => calls === Infinity).length,
  }
}
