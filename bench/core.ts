/**
 * What the core costs without any I/O: time and memory of a decision (arrival, sent, head, end) while all is well,
 * by number of agents, and the longest that one tick takes with ten thousand calls open.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createCoordinator, type Coordinator } from '../src/core/coordinator.ts'
import type { Arrival, Mark, Settlement } from '../src/core/model.ts'
import { policyOf } from '../test/kit/policy.ts'

const POLICY = `version: 1
rules:
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`
const ROUNDS = 11
const AGENTS = [10, 1000, 100_000]
const OPEN_CALLS = 10_000

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const calls = options.smoke ? 2000 : 100_000
  const nsPerCall: Record<string, number> = {}
  for (const agents of AGENTS) nsPerCall[`agents${agents}`] = await nanoseconds(agents, calls)
  return {
    nsPerCall,
    bytesPerCall: await allocation(options.smoke ? 2000 : 50_000),
    bytesPerAgent: memoryPerAgent(options.smoke ? 10_000 : 100_000),
    ...worstTick(options.smoke ? 4 : 120),
  }
}

/** Feeds a core with calls of many agents, 100 of them open at a time; records are reused, as the proxy does. */
class Load {
  readonly core: Coordinator
  readonly #agents: readonly string[]
  #at = 0
  #next = 0
  readonly #arrival: Arrival = {
    at: 0,
    call: 0,
    upstream: 0,
    agent: '',
    trust: 'claimed',
    workflow: '',
    parent: '',
    method: 'POST',
    path: '/v1/chat/completions',
    route: '/v1/chat/completions',
    bytes: 2000,
    priority: 'normal',
    family: 'openai-js',
    patienceMs: 600_000,
    attempt: 0,
    onceKey: 0,
    fingerprint: 0,
    credential: 0,
    longLived: false,
    holdable: true,
    deferrable: false,
  }
  readonly #sent: Mark = { kind: 'sent', call: 0, at: 0 }
  readonly #head: Mark = {
    kind: 'head',
    call: 0,
    at: 0,
    status: 200,
    streaming: false,
    retryAfterMs: -1,
    quota: undefined,
  }
  readonly #end: Settlement = {
    call: 0,
    at: 0,
    kind: 'success',
    status: 200,
    answered: true,
    bytesIn: 2000,
    bytesOut: 3000,
  }

  constructor(agents: number) {
    const policy = policyOf(POLICY)
    this.core = createCoordinator({
      policy,
      upstreams: ['api'],
      seed: 1,
      maxAgents: Math.max(10_000, agents),
    })
    this.#agents = Array.from({ length: agents }, (_, index) => `agent-${index}`)
  }

  open(slot: number): void {
    this.#at += 0.05
    const arrival = this.#arrival
    arrival.at = this.#at
    arrival.call = slot
    arrival.agent = this.#agents[this.#next % this.#agents.length] ?? ''
    arrival.fingerprint = this.#next + 1
    this.#next += 1
    this.core.arrive(arrival)
    this.#sent.call = slot
    this.#sent.at = this.#at
    this.core.progress(this.#sent)
  }

  close(slot: number): void {
    this.#head.call = slot
    this.#head.at = this.#at
    this.core.progress(this.#head)
    this.#end.call = slot
    this.#end.at = this.#at
    this.core.settle(this.#end)
  }

  play(calls: number, open = 100): void {
    for (let call = 0; call < calls; call++) {
      const slot = call % open
      if (call >= open) this.close(slot)
      this.open(slot)
      if (this.core.wakeAt() <= this.#at) this.core.tick(this.#at)
    }
    for (let slot = 0; slot < Math.min(open, calls); slot++) this.close(slot)
  }

  tick(): void {
    this.#at = Math.max(this.#at + 1, Math.min(this.core.wakeAt(), this.#at + 250))
    this.core.tick(this.#at)
  }
}

async function nanoseconds(agents: number, calls: number): Promise<number> {
  const load = new Load(agents)
  load.play(Math.max(calls, agents))
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await pause()
    const from = performance.now()
    load.play(calls)
    rounds.push(((performance.now() - from) * 1e6) / calls)
  }
  return Math.round(median(rounds))
}

/** Heap that a call leaves to the collector: the median of rounds in which none ran. */
async function allocation(calls: number): Promise<number> {
  const load = new Load(1000)
  load.play(200_000)
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    collect()
    await pause()
    const before = process.memoryUsage().heapUsed
    load.play(calls)
    const grown = process.memoryUsage().heapUsed - before
    if (grown >= 0) rounds.push(grown / calls)
  }
  return Math.round(median(rounds))
}

function memoryPerAgent(agents: number): number {
  const small = memoryOf(10, agents)
  const large = memoryOf(agents, agents)
  return Math.round(large / agents - small / agents)
}

/** Heap and typed arrays of a core whose tables have room for `room` agents, of which `agents` were seen. */
function memoryOf(agents: number, room: number): number {
  collect()
  const before = memory()
  const load = new Load(agents === 10 ? 10 : room)
  load.play(room)
  collect()
  const after = memory()
  load.tick()
  return after - before
}

function worstTick(seconds: number): { worstTickMs: number; tickP99Ms: number } {
  const load = new Load(1000)
  load.play(300_000)
  for (let slot = 0; slot < OPEN_CALLS; slot++) load.open(slot)
  const ticks: number[] = []
  for (let tick = 0; tick < seconds * 4; tick++) {
    const from = performance.now()
    load.tick()
    ticks.push(performance.now() - from)
  }
  const sorted = ticks.toSorted((a, b) => a - b)
  return {
    worstTickMs: rounded(sorted.at(-1) ?? 0),
    tickP99Ms: rounded(sorted[Math.floor(0.99 * sorted.length)] ?? 0),
  }
}

function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}
