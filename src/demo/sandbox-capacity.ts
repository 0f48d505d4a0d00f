/**
 * The capacity of a sandbox upstream in real time: servers behind one FIFO queue, a rate limit with lockout, and a
 * seeded stream of errors. It decides what becomes of a call; `sandbox.ts` says it in HTTP.
 */
import type { Millis } from '../core/model.ts'
import type { Random } from '../core/random.ts'
import { phaseAt, slowness } from './sandbox-script.ts'
import type { SandboxBehaviour, SandboxRateLimit } from './sandbox-script.ts'

export type Fate =
  | { readonly kind: 'serve'; readonly serviceMs: Millis; readonly done: () => void }
  | { readonly kind: 'refuse'; readonly status: number; readonly retryAfterMs: Millis }
  | { readonly kind: 'hang' }
  | { readonly kind: 'reset' }

/** What is left of the quota, as the headers of an answer say it. */
export interface QuotaLeft {
  readonly limit: number
  readonly remaining: number
  readonly resetMs: Millis
}

interface Waiting {
  readonly begin: (fate: Fate) => void
  timer: NodeJS.Timeout | undefined
}

export class Capacity {
  /** Calls in service and waiting. */
  get load(): { readonly busy: number; readonly waiting: number } {
    return { busy: this.#busy, waiting: this.#queue.size }
  }

  readonly #clock: () => Millis
  readonly #random: Random
  /** In order of arrival; a Set, so that one who leaves is found at once. */
  readonly #queue = new Set<Waiting>()
  #behaviour: SandboxBehaviour
  #origin: Millis
  #busy = 0
  #tokens = 0
  #tokensAt: Millis = 0
  #lockedUntil: Millis = 0
  #edge: NodeJS.Timeout | undefined

  constructor(behaviour: SandboxBehaviour, clock: () => Millis, random: Random) {
    this.#clock = clock
    this.#random = random
    this.#behaviour = behaviour
    this.#origin = clock()
    this.behave(behaviour)
  }

  /** Takes another behaviour; its phases count from now. */
  behave(behaviour: SandboxBehaviour): void {
    this.#behaviour = behaviour
    this.#origin = this.#clock()
    this.#tokens = behaviour.quota
    this.#tokensAt = 0
    this.#lockedUntil = 0
    this.#atNextEdge()
    this.#fill()
  }

  get stopped(): boolean {
    return phaseAt(this.#behaviour, this.#now())?.stopped === true
  }

  /** Undefined when the upstream keeps its quota to itself. */
  quota(): QuotaLeft | undefined {
    const now = this.#now()
    const limit = this.#limit(now)
    if (limit === undefined) return undefined
    this.#refill(now, limit.perSecond)
    const remaining = now < this.#lockedUntil ? 0 : Math.floor(this.#tokens)
    const resetMs = Math.max(
      this.#lockedUntil - now,
      ((limit.perSecond - this.#tokens) * 1000) / limit.perSecond,
    )
    return { limit: limit.perSecond, remaining, resetMs }
  }

  /**
   * Decides one call. `begin` runs at once, or when the call reaches a server; a fate of `serve` must call `done`.
   * The answer takes a caller that left out of the queue, or is undefined when it no longer waits.
   */
  enter(begin: (fate: Fate) => void): (() => void) | undefined {
    const fate = this.#fate(this.#now())
    if (fate === undefined) return this.#wait(begin)
    begin(fate)
    return undefined
  }

  close(): void {
    clearTimeout(this.#edge)
    for (const waiting of this.#queue) clearTimeout(waiting.timer)
    this.#queue.clear()
  }

  /** Undefined = it waits. */
  #fate(now: Millis): Fate | undefined {
    const phase = phaseAt(this.#behaviour, now)
    const limited = this.#limited(now)
    if (limited !== undefined) return limited
    if (phase?.errorRatio !== undefined && this.#random() < phase.errorRatio) {
      return { kind: 'refuse', status: phase.errorStatus ?? 500, retryAfterMs: -1 }
    }
    if (this.#busy < (phase?.servers ?? this.#behaviour.servers)) return this.#serve(now)
    return this.#queue.size >= this.#behaviour.queue ? noRoom() : undefined
  }

  #limited(now: Millis): Fate | undefined {
    const phase = phaseAt(this.#behaviour, now)
    if (phase?.stopped === true) return { kind: 'reset' }
    if (phase?.hang === true) return { kind: 'hang' }
    if (now < this.#lockedUntil) return { kind: 'refuse', status: 429, retryAfterMs: this.#lockedUntil - now }
    const limit = this.#limit(now)
    if (limit === undefined) return undefined
    this.#refill(now, limit.perSecond)
    if (this.#tokens >= 1) {
      this.#tokens -= 1
      return undefined
    }
    if (limit.lockoutMs !== undefined) this.#lockedUntil = now + limit.lockoutMs
    return { kind: 'refuse', status: 429, retryAfterMs: limit.retryAfterMs }
  }

  #wait(begin: (fate: Fate) => void): () => void {
    const waiting: Waiting = { begin, timer: undefined }
    const leave = (): void => {
      clearTimeout(waiting.timer)
      this.#queue.delete(waiting)
    }
    if (Number.isFinite(this.#behaviour.queueMs)) {
      waiting.timer = setTimeout(() => {
        leave()
        begin(noRoom())
      }, this.#behaviour.queueMs)
    }
    this.#queue.add(waiting)
    return leave
  }

  #fill(): void {
    const now = this.#now()
    const servers = phaseAt(this.#behaviour, now)?.servers ?? this.#behaviour.servers
    for (const waiting of this.#queue) {
      if (this.#busy >= servers) return
      clearTimeout(waiting.timer)
      this.#queue.delete(waiting)
      waiting.begin(this.#serve(now))
    }
  }

  #serve(now: Millis): Fate {
    this.#busy += 1
    const { serviceMs, sigma } = this.#behaviour
    const spread = sigma === 0 ? 1 : Math.exp(sigma * this.#normal())
    let over = false
    const done = (): void => {
      if (over) return
      over = true
      this.#busy -= 1
      this.#fill()
    }
    return {
      kind: 'serve',
      serviceMs: serviceMs * spread * slowness(phaseAt(this.#behaviour, now), now),
      done,
    }
  }

  #limit(now: Millis): SandboxRateLimit | undefined {
    const scripted = phaseAt(this.#behaviour, now)?.rateLimit
    if (scripted !== undefined) return scripted
    const { quota } = this.#behaviour
    return Number.isFinite(quota) ? { perSecond: quota, retryAfterMs: 1000 } : undefined
  }

  /** Token bucket of one second's depth. */
  #refill(now: Millis, perSecond: number): void {
    this.#tokens = Math.min(perSecond, this.#tokens + ((now - this.#tokensAt) * perSecond) / 1000)
    this.#tokensAt = now
  }

  /** More servers at the edge of a phase must reach those who wait. */
  #atNextEdge(): void {
    clearTimeout(this.#edge)
    const now = this.#now()
    const edges = this.#behaviour.phases.flatMap(({ from, until }) => [from, until])
    const next = Math.min(...edges.filter((edge) => edge > now && Number.isFinite(edge)))
    if (next === Infinity) return
    this.#edge = setTimeout(() => {
      this.#fill()
      this.#atNextEdge()
    }, next - now)
    this.#edge.unref()
  }

  #now(): Millis {
    return this.#clock() - this.#origin
  }

  /** Box-Muller. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
  }
}

function noRoom(): Fate {
  return { kind: 'refuse', status: 503, retryAfterMs: -1 }
}
