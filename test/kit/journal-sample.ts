/**
 * A journal as a busy day would leave it, made in virtual time: four upstreams that drift, refuse and break in
 * turns of five minutes, agents of real client families that retry, and workflows that fan out. The real core and
 * the real recorder; the same seed writes the same bytes.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { familyOf } from '../../src/core/families.ts'
import type { Arrival, Millis } from '../../src/core/model.ts'
import { seeded, type Random } from '../../src/core/random.ts'
import { createShownNames } from '../../src/journal/hash-ids.ts'
import { headerLine } from '../../src/journal/header.ts'
import { recordCore, type RecordedCore } from '../../src/journal/record.ts'
import { KeyedHash } from '../../src/proxy/keyed-hash.ts'
import { carried } from './carried.ts'
import { policyOf } from './policy.ts'
import { startAgents, type Population } from './sim/agent-model.ts'
import { UpstreamModel, type Phase, type UpstreamShape } from './sim/upstream-model.ts'
import { WeirModel } from './sim/weir-model.ts'
import { World } from './sim/world.ts'

export interface SampleOptions {
  /** Lines of calls at least; a little more are written, as calls end together. */
  readonly calls: number
  readonly seed?: number
  /** Rules in shadow mode: what Weir would have done. */
  readonly mode?: 'enforce' | 'shadow'
  readonly hashIds?: boolean
  /** Bytes of one file; a new part begins then. */
  readonly maxFileBytes?: number
}

export interface Sample {
  /** In order. */
  readonly files: readonly string[]
  readonly calls: number
  readonly events: number
  /** Text of the policy that the core had; `sample.yaml`. */
  readonly policy: string
}

const CYCLE_MS: Millis = 300_000
/** Some 100 calls a second: with retries a little more. */
const CALLS_PER_SECOND = 90
const SEED = 7
const STARTED_AT = Date.UTC(2026, 0, 15, 9, 0, 0)

const ROUTES: Readonly<Record<string, readonly string[]>> = {
  openai: ['/v1/chat/completions', '/v1/chat/completions', '/v1/responses', '/v1/embeddings'],
  anthropic: ['/v1/messages', '/v1/messages', '/v1/messages/count_tokens'],
  tools: ['/search', '/fetch', '/documents/*', '/mcp'],
  idp: ['/verify', '/sessions/*'],
}
const UPSTREAMS = Object.keys(ROUTES)

export function samplePolicy(mode: 'enforce' | 'shadow' = 'enforce'): string {
  return `version: 1
upstreams: { '*': { drift: { warmUp: 20s } } }
rules:
  - name: hold-when-unwell
    mode: ${mode}
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold, hold: { max: 20s } }
  - name: narrow-explosions
    mode: ${mode}
    when: { workflow: [exploding, over-budget] }
    then: { do: shed }
`
}

/** Writes the parts of one run into `dir`, which is made if it is not there. */
export function writeSampleJournal(dir: string, options: SampleOptions): Sample {
  const { calls, mode = 'enforce', seed = SEED } = options
  mkdirSync(dir, { recursive: true })
  const policyText = samplePolicy(mode)
  const policy = policyOf(policyText, UPSTREAMS, 'sample')
  const parts = new Parts(dir, seed, options.maxFileBytes ?? Infinity, options.hashIds === true)
  const world = new World()
  const random = seeded(seed)
  const durationMs = Math.max(60_000, (calls / CALLS_PER_SECOND) * 1000)
  const upstreams = shapes(durationMs).map(
    (shape) => new UpstreamModel(world, shape, seeded(Math.floor(random() * 2 ** 32))),
  )
  const shown = createShownNames({
    key: Buffer.alloc(32, 5),
    hashIds: options.hashIds === true,
    paths: false,
  })
  let recorded: RecordedCore | undefined
  const weir = new WeirModel(world, UPSTREAMS, upstreams, policy, seed, undefined, (core) => {
    recorded = recordCore(core, {
      upstreams: UPSTREAMS,
      policy,
      digest: () => 'sample',
      shown,
      paths: false,
      sink: (bytes, length) => parts.write(bytes.toString('latin1', 0, length)),
    })
    return carried(recorded)
  })
  const submit = (arrival: Omit<Arrival, 'at' | 'call'>, answer: Parameters<typeof weir.submit>[1]) =>
    weir.submit(dressed(arrival, world.now), answer)
  for (const population of populations()) {
    const own = seeded(Math.floor(random() * 2 ** 32))
    startAgents(world, population, familyOf(population.family), submit, own, durationMs, [])
  }
  startPlanners(world, weir, seeded(Math.floor(random() * 2 ** 32)), durationMs)
  // In steps, so that nothing more is played than is asked for.
  for (let at = 5000; parts.calls < calls && at < durationMs * 3; at += 5000) world.run(at)
  world.run(world.now + 30_000)
  recorded?.finish()
  parts.close()
  return { files: parts.files, calls: parts.calls, events: parts.events, policy: policyText }
}

/** Text by its lines into files of a bounded length. */
class Parts {
  readonly files: string[] = []
  calls = 0
  events = 0
  readonly #dir: string
  readonly #run: string
  readonly #seed: number
  readonly #most: number
  readonly #hashedIds: boolean
  #fd = -1
  #bytes = 0
  #pending = ''

  constructor(dir: string, seed: number, most: number, hashedIds: boolean) {
    this.#dir = dir
    this.#seed = seed
    this.#run = seed.toString(16).padStart(16, '0')
    this.#most = most
    this.#hashedIds = hashedIds
    this.#next()
  }

  write(line: string): void {
    if (line.startsWith('{"kind":"call"')) this.calls += 1
    else if (line.startsWith('{"kind":"event"')) this.events += 1
    this.#pending += `${line}\n`
    if (this.#pending.length >= 1 << 18) this.#flush()
    if (this.#bytes > this.#most) this.#next()
  }

  close(): void {
    this.#flush()
    closeSync(this.#fd)
  }

  #flush(): void {
    writeSync(this.#fd, this.#pending)
    this.#bytes += this.#pending.length
    this.#pending = ''
  }

  #next(): void {
    if (this.#fd !== -1) this.close()
    const part = this.files.length + 1
    const file = join(this.#dir, `sample-${String(part).padStart(5, '0')}.ndjson`)
    this.files.push(file)
    this.#fd = openSync(file, 'w')
    this.#bytes = 0
    const header = headerLine(
      {
        source: 'weir sample',
        upstreams: UPSTREAMS,
        part,
        run: this.#run,
        core: { seed: this.#seed, agents: 10_000, workflows: 16_384 },
        policies: 'sample',
        hashedIds: this.#hashedIds,
      },
      STARTED_AT,
    )
    this.#pending = `${JSON.stringify(header)}\n`
  }
}

const hash = new KeyedHash(Buffer.alloc(32, 6))

/** The simulator's plain arrival in the clothes of a real one: routes, sessions, credentials. */
function dressed(arrival: Omit<Arrival, 'at' | 'call'>, now: Millis): Omit<Arrival, 'at' | 'call'> {
  const routes = ROUTES[UPSTREAMS[arrival.upstream] ?? ''] ?? ['/v1/call']
  const route = routes[arrival.fingerprint % routes.length] ?? '/v1/call'
  return {
    ...arrival,
    route,
    path: route.replace('*', '9f3a'),
    workflow: `${arrival.agent}.${Math.floor(now / 45_000)}`,
    fingerprint: hash.begin().number(arrival.fingerprint).end(),
    credential: 1000 + (arrival.agent.length % 3),
    bytes: arrival.bytes + ((arrival.fingerprint * 37) % 900),
  }
}

function populations(): Population[] {
  const base = { timeoutMs: 30_000, deadlineMs: 60_000, bytes: 2000 }
  return [
    {
      ...base,
      name: 'chat',
      agents: 40,
      upstream: 0,
      perSecond: 0.5,
      priority: 'interactive',
      family: 'openai-js',
      timeoutMs: 20_000,
    },
    {
      ...base,
      name: 'summary',
      agents: 20,
      upstream: 0,
      perSecond: 0.4,
      priority: 'batch',
      family: 'ai-sdk',
    },
    {
      ...base,
      name: 'writer',
      agents: 25,
      upstream: 1,
      perSecond: 0.6,
      priority: 'normal',
      family: 'anthropic-js',
    },
    {
      ...base,
      name: 'crawler',
      agents: 30,
      upstream: 2,
      perSecond: 1,
      priority: 'batch',
      family: 'openai-js',
      bytes: 300,
    },
    {
      ...base,
      name: 'kyc',
      agents: 15,
      upstream: 3,
      perSecond: 0.6,
      priority: 'critical',
      family: 'openai-js',
      timeoutMs: 10_000,
      bytes: 500,
    },
  ]
}

/** Every five minutes: one drifts, one refuses, one breaks, one dies. */
function shapes(durationMs: Millis): UpstreamShape[] {
  const cycles = Math.ceil((durationMs * 3) / CYCLE_MS)
  const phases = (make: (start: Millis) => Phase): Phase[] =>
    Array.from({ length: cycles }, (_, cycle) => make(cycle * CYCLE_MS))
  return [
    {
      servers: 70,
      serviceMs: 600,
      sigma: 0.5,
      queue: 400,
      phases: phases((t) => ({ from: t + 45_000, until: t + 75_000, slow: 1, slowEnd: 3 })),
    },
    {
      servers: 60,
      serviceMs: 900,
      sigma: 0.5,
      queue: 400,
      phases: phases((t) => ({
        from: t + 110_000,
        until: t + 130_000,
        rateLimit: { perSecond: 5, retryAfterMs: 2000, lockoutMs: 500 },
      })),
    },
    {
      servers: 40,
      serviceMs: 120,
      sigma: 0.8,
      queue: 300,
      phases: phases((t) => ({ from: t + 170_000, until: t + 190_000, errorRatio: 0.5, errorStatus: 500 })),
    },
    {
      servers: 20,
      serviceMs: 150,
      sigma: 0.3,
      queue: 100,
      phases: phases((t) => ({ from: t + 230_000, until: t + 240_000, stopped: true })),
    },
  ]
}

/** Planners that split work: one model call, then sub-agents with tools, some of which split again. */
function startPlanners(world: World, weir: WeirModel, random: Random, durationMs: Millis): void {
  let runs = 0
  const begin = (planner: number): void => {
    const at = world.now + 15_000 + 20_000 * random()
    if (at > durationMs * 3) return
    world.at(at, () => {
      const isExplosion = runs++ % 25 === 24
      const workflow = `run-${runs.toString(16).padStart(6, '0')}`
      branch(
        `planner-${planner}`,
        '',
        workflow,
        isExplosion ? 3 : 1,
        isExplosion ? 9 : 3 + Math.floor(random() * 4),
      )
      begin(planner)
    })
  }
  const branch = (agent: string, parent: string, workflow: string, depth: number, width: number): void => {
    call(agent, parent, workflow, 1, (ok) => {
      if (!ok) return
      for (let child = 0; child < width; child++) {
        const name = `${depth > 1 ? 'lead' : 'researcher'}-${Math.floor(random() * 40)}`
        if (depth > 1) branch(name, agent, workflow, depth - 1, width)
        else call(name, agent, workflow, 2, () => call(name, agent, workflow, 0, () => {}))
      }
    })
  }
  const call = (
    agent: string,
    parent: string,
    workflow: string,
    upstream: number,
    then: (ok: boolean) => void,
  ): void => {
    const routes = ROUTES[UPSTREAMS[upstream]!]!
    const route = routes[Math.floor(random() * routes.length)]!
    weir.submit(
      {
        upstream,
        agent,
        trust: 'claimed',
        workflow,
        parent,
        method: upstream === 2 ? 'GET' : 'POST',
        path: route.replace('*', '9f3a'),
        route,
        bytes: 200 + Math.floor(random() * 20_000),
        priority: 'normal',
        family: 'anthropic-js',
        patienceMs: 60_000,
        attempt: 0,
        onceKey: 0,
        fingerprint: 1 + Math.floor(random() * 2 ** 52),
        credential: 1001,
        longLived: false,
        holdable: true,
        deferrable: false,
      },
      ({ status }) => then(status >= 200 && status < 300),
    )
  }
  for (let planner = 0; planner < 12; planner++) begin(planner)
}
