/**
 * Ordinary traffic, fed straight into a core in virtual time: many agents over several upstreams and routes, each in
 * runs of 33 calls that share a workflow, with small and large requests; half of the upstreams tell quotas; 2 % of the
 * calls fail, and those are tried again as their SDKs do (openai-js proves its retries by a header, ai-sdk does not).
 *
 * What a proxy has before it asks the core is made by `prepare`, outside of what is measured: names as fresh strings
 * (their hash is not known yet, as with strings out of a header parser), sizes, fingerprints. The agent of each call
 * is drawn anew from all of them: nobody's state is still warm in a cache from the call before. A call is an arrival,
 * its `sent`, its `head` and its settlement, and a look at `wakeAt` after the first and the last, as the proxy's
 * driver has it; what is due is done, so beats are part of the price.
 */
import { createCoordinator, type Coordinator } from '../../src/core/coordinator.ts'
import type { Arrival, Mark, Settlement } from '../../src/core/model.ts'
import type { UpstreamPolicy } from '../../src/core/policy.ts'
import { seeded, type Random } from '../../src/core/random.ts'
import { policyOf } from '../../test/kit/policy.ts'

/** The default of the package: as much as an upstream that is not well can bear, the rest waits. */
const POLICY = `version: 1
rules:
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`
/** Those of the last minute keep their place: at 20,000 calls a second the usual 16,384 are too few. */
const WORKFLOWS = 65_536
/** Out of reach: 2 % of thousands of calls a second, out of nothing, are an alarm; here they are every day's. */
const ERROR_ALARM = 1000
const CALLS_PER_SECOND = 20_000
const WARM_UP_SECONDS = 90
/** Few enough that what was prepared is still in the cache when it is played, as it is in a proxy. */
const BATCH = 500
/** What becomes of a call; a free place. */
const FREE = 0
const SUCCESS = 1
const DROP = 2
const FAILURE = 3
/** The median of real agent sessions (detect/fan-out.ts). */
const CALLS_PER_RUN = 33
const ROUTES = ['/v1/chat/completions', '/v1/embeddings', '/v1/responses'] as const
const SIZES = [700, 1500, 2600, 5000, 11_000, 30_000] as const
/** Of each upstream; agents share them. */
const CREDENTIALS = 100
const QUOTA = { limit: 10_000, remaining: 6000, resetMs: 30_000 }
const FAILED = 0.01
const DROPPED = 0.01
/** What the SDKs wait before they try again: openai-js 375 to 500 ms, ai-sdk 2 s (wire.md 3). */
const BACK_OFF_MS = { 'openai-js': 450, 'ai-sdk': 2000 } as const

const FAMILIES = ['openai-js', 'ai-sdk'] as const
type Family = (typeof FAMILIES)[number]

/** One call of an agent, with its next try if it fails. */
interface Request {
  readonly agent: string
  readonly workflow: string
  readonly upstream: number
  readonly route: string
  readonly bytes: number
  readonly fingerprint: number
  readonly credential: number
  readonly family: Family
  /** As a header proves it; 0 = no proof. */
  attempt: number
  fate: number
  again: number
}

export interface LoadOptions {
  readonly agents: number
  readonly upstreams: number
  /** Mean of the times to answer, which fall off exponentially; 50 when left out, which makes 1,000 open calls. */
  readonly answerMs?: number
  /** Room for so many; when left out for those of the last minute and all agents. */
  readonly workflows?: number
  /** What is asked; a core of its own with room for all agents when left out. */
  readonly core?: Pick<Coordinator, 'arrive' | 'progress' | 'settle' | 'tick' | 'wakeAt'>
}

export class Load {
  readonly core: NonNullable<LoadOptions['core']>
  /** Calls that were anything but passed, which ordinary traffic must never be. */
  touched = 0
  /** What each tick took of this process, in ms, as long as somebody asks for it. */
  ticks: number[] | undefined
  retries = 0
  readonly #upstreams: number
  readonly #agents: number
  readonly #random: Random = seeded(7)
  readonly #callsOf: Uint32Array
  /** By open call: its request, and apart from it what its end needs, so that ends do not wait for a cold object. */
  readonly #open: (Request | undefined)[] = []
  readonly #fates: Uint8Array
  readonly #bytes: Uint32Array
  readonly #quotas: Uint8Array
  readonly #again: Record<Family, Request[]> = { 'openai-js': [], 'ai-sdk': [] }
  /** The part of each line that is still to come. */
  readonly #next: Record<Family, number> = { 'openai-js': 0, 'ai-sdk': 0 }
  readonly #victims: Uint32Array
  #script: Request[] = []
  #played = 0
  #calls = 0
  #at = 0.5
  readonly #arrival: Arrival = {
    at: 0.5,
    call: 0,
    upstream: 0,
    agent: '',
    trust: 'claimed',
    workflow: '',
    parent: '',
    method: 'POST',
    path: '',
    route: '',
    bytes: 0,
    priority: 'normal',
    family: '',
    patienceMs: 600_000,
    attempt: 0,
    onceKey: 0,
    fingerprint: 0.5,
    credential: 0,
    longLived: false,
    holdable: true,
    deferrable: false,
  }
  readonly #sent: Mark = { kind: 'sent', call: 0, at: 0.5 }
  readonly #head: Extract<Mark, { kind: 'head' }> = {
    kind: 'head',
    call: 0,
    at: 0.5,
    status: 200,
    streaming: false,
    retryAfterMs: -1,
    quota: undefined,
  }
  readonly #end: Settlement = {
    call: 0,
    at: 0.5,
    kind: 'success',
    status: 200,
    answered: true,
    bytesIn: 0,
    bytesOut: 3000,
  }

  constructor(options: LoadOptions) {
    const { agents, upstreams, answerMs = 50, workflows = WORKFLOWS + agents, core } = options
    // Little's law.
    const open = (answerMs * CALLS_PER_SECOND) / 1000
    this.#fates = new Uint8Array(open)
    this.#bytes = new Uint32Array(open)
    this.#quotas = new Uint8Array(open)
    this.core = core ?? coreFor(agents, upstreams, workflows)
    this.#upstreams = upstreams
    this.#agents = agents
    this.#callsOf = new Uint32Array(agents)
    this.#victims = Uint32Array.from({ length: 1 << 14 }, () => Math.floor(this.#random() * open))
  }

  /** Plays so many calls, and returns what they took of this process: nanoseconds per call of each batch. */
  measure(calls: number): number[] {
    return this.#inBatches(calls, () => {
      const from = process.cpuUsage()
      this.#play(BATCH)
      const { user, system } = process.cpuUsage(from)
      return ((user + system) * 1000) / BATCH
    })
  }

  /** The same for the heap: bytes per call that were allocated, in batches in which none were collected. */
  allocated(calls: number): number[] {
    const grown = this.#inBatches(calls, () => {
      const before = process.memoryUsage().heapUsed
      this.#play(BATCH)
      return (process.memoryUsage().heapUsed - before) / BATCH
    })
    return grown.filter((bytes) => bytes >= 0)
  }

  #inBatches(calls: number, measured: () => number): number[] {
    const figures: number[] = []
    for (let batch = 0; batch < calls; batch += BATCH) {
      this.#prepare(BATCH)
      figures.push(measured())
    }
    return figures
  }

  /** Makes the next `calls` requests. */
  #prepare(calls: number, pick = (random: Random): number => Math.floor(random() * this.#agents)): void {
    this.#script = Array.from({ length: calls }, () => this.#request(pick(this.#random)))
    this.#played = 0
    for (const family of FAMILIES) {
      this.#again[family].splice(0, this.#next[family])
      this.#next[family] = 0
    }
  }

  /** A minute and a half, after which each agent was heard and each upstream has its healthy reference. */
  warmUp(): void {
    let greeted = 0
    for (let second = 0; second < WARM_UP_SECONDS; second++) {
      this.#prepare(CALLS_PER_SECOND, (random) =>
        greeted < this.#agents ? greeted++ : Math.floor(random() * this.#agents),
      )
      this.#play(CALLS_PER_SECOND)
    }
    this.touched = 0
    this.retries = 0
  }

  /** One call of each agent, without a run of calls before. */
  greet(): void {
    let greeted = 0
    while (greeted < this.#agents) {
      const calls = Math.min(BATCH, this.#agents - greeted)
      this.#prepare(calls, () => greeted++)
      this.#play(calls)
    }
  }

  /** Plays what was prepared: each step ends one of the open calls, picked by chance, and begins another. */
  #play(calls: number): void {
    for (let call = 0; call < calls; call++) this.#step()
  }

  #step(): void {
    this.#at += 1000 / CALLS_PER_SECOND
    const slot = this.#victims[this.#calls & ((1 << 14) - 1)]!
    this.#calls += 1
    if (this.#fates[slot] !== FREE) this.#close(slot)
    this.#begin(slot, this.#due() ?? this.#script[this.#played++]!)
  }

  /** The process stands still for so long. */
  stall(ms: number): void {
    this.#at += ms
    this.#look()
  }

  /** Ends all that is open, so that memory can be measured at rest. */
  finish(): void {
    for (const [slot, fate] of this.#fates.entries()) if (fate !== FREE) this.#close(slot)
  }

  #begin(slot: number, request: Request): void {
    const arrival = this.#arrival
    arrival.at = this.#at
    arrival.call = slot
    arrival.upstream = request.upstream
    arrival.agent = request.agent
    arrival.workflow = request.workflow
    arrival.path = request.route
    arrival.route = request.route
    arrival.bytes = request.bytes
    arrival.family = request.family
    arrival.attempt = request.attempt
    arrival.fingerprint = request.fingerprint
    arrival.credential = request.credential
    const verdict = this.core.arrive(arrival)
    this.#look()
    if (verdict.do !== 'pass' || verdict.reason !== 'healthy') this.touched += 1
    this.#open[slot] = request
    this.#fates[slot] = request.fate
    this.#bytes[slot] = request.bytes
    this.#quotas[slot] = request.upstream % 2
    this.#sent.call = slot
    this.#sent.at = this.#at
    this.core.progress(this.#sent)
  }

  #close(slot: number): void {
    const fate = this.#fates[slot]!
    this.#fates[slot] = FREE
    const status = fate === SUCCESS ? 200 : fate === DROP ? 429 : 500
    this.#head.call = slot
    this.#head.at = this.#at
    this.#head.status = status
    this.#head.quota = this.#quotas[slot] === 0 ? QUOTA : undefined
    this.core.progress(this.#head)
    this.#end.call = slot
    this.#end.at = this.#at
    this.#end.kind = fate === SUCCESS ? 'success' : fate === DROP ? 'dropped' : 'failure'
    this.#end.status = status
    this.#end.bytesIn = this.#bytes[slot]!
    this.core.settle(this.#end)
    this.#look()
    if (fate !== SUCCESS) this.#retryLater(this.#open[slot]!)
  }

  #retryLater(request: Request): void {
    request.attempt = request.attempt === 0 ? 0 : request.attempt + 1
    request.fate = SUCCESS
    request.again = this.#at + BACK_OFF_MS[request.family]
    this.#again[request.family].push(request)
  }

  /** A failed call whose time to be tried again has come. */
  #due(): Request | undefined {
    for (const family of FAMILIES) {
      const request = this.#again[family][this.#next[family]]
      if (request === undefined || request.again > this.#at) continue
      this.#next[family] += 1
      this.retries += 1
      return request
    }
    return undefined
  }

  #look(): void {
    if (this.core.wakeAt() > this.#at) return
    const from = this.ticks === undefined ? undefined : process.cpuUsage()
    this.core.tick(this.#at)
    if (from === undefined) return
    const { user, system } = process.cpuUsage(from)
    this.ticks?.push((user + system) / 1000)
  }

  #request(agent: number): Request {
    const random = this.#random
    const calls = this.#callsOf[agent]!++
    const upstream = random() < 0.7 ? agent % this.#upstreams : Math.floor(random() * this.#upstreams)
    const luck = random()
    return {
      agent: fresh(`agent-${agent}`),
      workflow: fresh(`run-${agent}-${Math.floor(calls / CALLS_PER_RUN)}`),
      upstream,
      route: ROUTES[Math.floor(random() * ROUTES.length)]!,
      bytes: SIZES[Math.floor(random() * SIZES.length)]!,
      fingerprint: 1 + Math.floor(random() * 2 ** 32) * 2 ** 20 + Math.floor(random() * 2 ** 20),
      credential: 1e12 * (1 + upstream) + (agent % CREDENTIALS),
      family: agent % 2 === 0 ? 'openai-js' : 'ai-sdk',
      attempt: agent % 2 === 0 ? 1 : 0,
      fate: luck < FAILED ? FAILURE : luck < FAILED + DROPPED ? DROP : SUCCESS,
      again: 0.5,
    }
  }
}

function coreFor(agents: number, upstreams: number, workflows: number): Coordinator {
  const names = Array.from({ length: upstreams }, (_, index) => `api-${index}`)
  const policy = policyOf(POLICY, names)
  return createCoordinator({
    policy: { ...policy, upstreams: policy.upstreams.map(deafToErrors) },
    upstreams: names,
    seed: 1,
    maxAgents: agents,
    maxWorkflows: workflows,
  })
}

function deafToErrors(upstream: UpstreamPolicy): UpstreamPolicy {
  return { ...upstream, drift: { ...upstream.drift, errorAlarm: ERROR_ALARM } }
}

/** A string of its own, whose hash nobody asked for yet. */
function fresh(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
