/**
 * One upstream in virtual time, watched as the coordinator watches it: arrivals go through the real lineage,
 * retries and failures to the real storm detector, results to the real drift detector; both are asked at the
 * coordinator's beat. Clients retry by the ladders of `core/families.ts`. Nothing is refused: what is measured is
 * how soon, and how wrongly, the detector speaks.
 */
import { DriftDetector, type DriftState } from '../../src/core/detect/drift.ts'
import { StormDetector, type StormState } from '../../src/core/detect/storm.ts'
import { familyOf, type Family } from '../../src/core/families.ts'
import type { Arrival, Millis } from '../../src/core/model.ts'
import { LineageTracker } from '../../src/core/observe/lineage.ts'
import { OpenCall } from '../../src/core/observe/open-calls.ts'
import type { StormThresholds } from '../../src/core/policy.ts'
import type { Random } from '../../src/core/random.ts'
import { World } from '../../test/kit/sim/world.ts'
import { usualThresholds } from '../drift/synthetic.ts'

/** The defaults of `policy/schema.ts`. */
export const usualStorm: StormThresholds = {
  windowMs: 5000,
  agents: 3,
  agentShare: 0.2,
  retryShare: 0.25,
  z: 5,
  clearMs: 10_000,
}

const BEAT_MS = 250
const BEATS_PER_DRIFT = 4
const MAX_AGENTS = 20_000
const FAILS_AFTER_MS = 60

export interface ClientCall {
  readonly agent: string
  readonly family: string
  readonly bytes: number
  readonly tookMs: Millis
}

export interface Watch {
  /** Odds that an attempt fails at this instant, 0..1. */
  readonly failing: (at: Millis) => number
  /** Retry-After that failures carry, the same for all; -1 = none. */
  readonly adviceMs: Millis
  readonly random: Random
}

export class WatchedUpstream {
  readonly world = new World()
  readonly storm = new StormDetector(usualStorm, MAX_AGENTS, 0)
  readonly drift = new DriftDetector(usualThresholds, 0)
  attempts = 0
  retries = 0
  /** Retries that the lineage saw, of those that there were; and calls that it took for retries wrongly. */
  seenRetries = 0
  wrongRetries = 0
  readonly #lineage = new LineageTracker({ size: 16_384 })
  readonly #slots = new Map<string, number>()
  readonly #watch: Watch
  readonly #listen: (now: Millis, storm: StormState, drift: DriftState) => void
  readonly #retried: (failedAt: Millis, at: Millis, agent: string) => void

  constructor(
    watch: Watch,
    listen: (now: Millis, storm: StormState, drift: DriftState) => void,
    retried: (failedAt: Millis, at: Millis, agent: string) => void = () => undefined,
  ) {
    this.#watch = watch
    this.#listen = listen
    this.#retried = retried
    this.#beat(0, 'healthy')
  }

  call(at: Millis, call: ClientCall): void {
    this.world.at(at, () => this.#attempt(call, familyOf(call.family), 1, -1))
  }

  #attempt(call: ClientCall, family: Family, n: number, failedAt: Millis): void {
    const at = this.world.now
    const agentSlot = this.#slotOf(call.agent)
    const arrival = arrivalOf(call, family, n, at)
    const lineage = this.#lineage.arrive(arrival, at)
    const isRetry = lineage.kind === 'retry'
    this.attempts += 1
    this.storm.attempt(agentSlot, at)
    if (isRetry) this.storm.retry(agentSlot, lineage.confidence, at)
    if (n > 1) {
      this.retries += 1
      if (isRetry) this.seenRetries += 1
      this.#retried(failedAt, at, call.agent)
    } else if (isRetry) this.wrongRetries += 1
    const open = openCallOf(arrival, agentSlot, isRetry)
    const fails = this.#watch.random() < this.#watch.failing(at)
    const tookMs = fails ? Math.min(FAILS_AFTER_MS, call.tookMs) : call.tookMs
    this.world.after(tookMs, () =>
      fails ? this.#failed(call, family, n, open) : this.#answered(open, tookMs),
    )
  }

  #answered(open: OpenCall, tookMs: Millis): void {
    this.drift.sample(open.stratum, tookMs, this.world.now, false)
    this.drift.outcome(0, this.world.now)
    this.#lineage.settledOk(open.fingerprint, this.world.now)
  }

  #failed(call: ClientCall, family: Family, n: number, open: OpenCall): void {
    const at = this.world.now
    const { adviceMs, random } = this.#watch
    this.storm.failure(open.isRetry, at)
    this.drift.outcome(1, at)
    open.adviceMs = adviceMs
    this.#lineage.failed(open, adviceMs > 0 ? 429 : 500, adviceMs, at)
    if (n >= family.attempts) return
    const [earliest, latest] = family.backoff(n)
    const own = earliest + (latest - earliest) * random()
    const advised = adviceMs > 0 && adviceMs <= family.adviceCeilingMs
    this.world.after(advised ? adviceMs + 10 * random() : own, () => this.#attempt(call, family, n + 1, at))
  }

  #beat(beats: number, drift: DriftState): void {
    this.world.at(beats * BEAT_MS, () => {
      const now = this.world.now
      const storm = this.storm.tick(now)
      const next =
        beats % BEATS_PER_DRIFT === 0 ? this.drift.tick(now, drift === 'healthy' && storm === 'calm') : drift
      this.#listen(now, storm, next)
      this.#beat(beats + 1, next)
    })
  }

  #slotOf(agent: string): number {
    const known = this.#slots.get(agent)
    if (known !== undefined) return known
    const slot = Math.min(MAX_AGENTS - 1, this.#slots.size + 1)
    this.#slots.set(agent, slot)
    return slot
  }
}

function arrivalOf(call: ClientCall, family: Family, n: number, at: Millis): Arrival {
  return {
    at,
    call: 0,
    upstream: 0,
    agent: call.agent,
    trust: 'claimed',
    workflow: '',
    parent: '',
    method: 'POST',
    path: '/v1/messages',
    route: '/v1/messages',
    bytes: call.bytes,
    priority: 'normal',
    family: family.name,
    patienceMs: Infinity,
    attempt: family.countsAttempts === true ? n : 0,
    onceKey: 0,
    fingerprint: hash(`${call.agent} ${family.name} ${call.bytes}`),
    credential: 0,
    longLived: false,
    holdable: true,
    deferrable: false,
  }
}

function openCallOf(arrival: Arrival, agentSlot: number, isRetry: boolean): OpenCall {
  const open = new OpenCall()
  open.agentSlot = agentSlot
  open.family = arrival.family
  open.fingerprint = arrival.fingerprint
  open.arrivedAt = arrival.at
  open.sentAt = arrival.at
  open.requestBytes = arrival.bytes
  open.isRetry = isRetry
  return open
}

function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value >>> 0 || 1
}
