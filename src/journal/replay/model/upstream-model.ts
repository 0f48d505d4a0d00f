/**
 * An upstream in virtual time: servers behind one FIFO queue whose strength follows a script. It works on calls
 * whose client has left, as most real servers do: that is what makes a retry storm outlive its cause.
 */
import type { Family } from '../../../core/families.ts'
import type { Millis } from '../../../core/model.ts'
import type { Random } from '../../../core/random.ts'
import type { World } from './world.ts'

/** One stretch of the script; what is not named keeps its healthy value. The last matching phase wins. */
export interface Phase {
  readonly from: Millis
  readonly until: Millis
  readonly servers?: number
  /** Multiplies service times; `slowEnd` makes it a ramp over the phase. */
  readonly slow?: number
  readonly slowEnd?: number
  readonly errorRatio?: number
  readonly errorStatus?: number
  /** Calls per second before a 429; with `lockoutMs`, every call until then is refused too. */
  readonly rateLimit?: {
    readonly perSecond: number
    readonly retryAfterMs: Millis
    readonly lockoutMs?: Millis
  }
  /** Takes calls and never answers. */
  readonly hang?: boolean
  /** Refuses connections. */
  readonly stopped?: boolean
}

export interface UpstreamShape {
  readonly servers: number
  readonly serviceMs: Millis
  /** Sigma of the log-normal spread of service times; 0 = constant. */
  readonly sigma: number
  /** Calls that may wait; beyond it 503 at once. */
  readonly queue: number
  readonly phases: readonly Phase[]
}

export interface Reply {
  readonly status: number
  /** -1 = none. */
  readonly retryAfterMs: Millis
}

interface Waiting {
  readonly reply: (reply: Reply) => void
  readonly arrivedAt: Millis
}

export class UpstreamModel {
  readonly arrivals: Millis[] = []
  readonly #world: World
  readonly #shape: UpstreamShape
  readonly #random: Random
  readonly #queue: Waiting[] = []
  #busy = 0
  #tokens = 0
  #tokensAt: Millis = 0
  #lockedUntil: Millis = 0

  constructor(world: World, shape: UpstreamShape, random: Random) {
    this.#world = world
    this.#shape = shape
    this.#random = random
    for (const phase of shape.phases) {
      for (const edge of [phase.from, phase.until]) world.at(edge, () => this.#fill())
    }
  }

  /** Calls in service or waiting. */
  get load(): number {
    return this.#busy + this.#queue.length
  }

  call(reply: (reply: Reply) => void): void {
    const now = this.#world.now
    this.arrivals.push(now)
    const phase = this.#phase(now)
    if (phase?.hang === true) return
    if (phase?.stopped === true) return this.#soon(reply, { status: 0, retryAfterMs: -1 })
    const limit = phase?.rateLimit
    if (limit !== undefined && !this.#token(now, limit.perSecond)) {
      if (limit.lockoutMs !== undefined) this.#lockedUntil = now + limit.lockoutMs
      return this.#soon(reply, { status: 429, retryAfterMs: limit.retryAfterMs })
    }
    if (now < this.#lockedUntil)
      return this.#soon(reply, { status: 429, retryAfterMs: this.#lockedUntil - now })
    if (phase?.errorRatio !== undefined && this.#random() < phase.errorRatio) {
      return this.#soon(reply, { status: phase.errorStatus ?? 500, retryAfterMs: -1 })
    }
    if (this.#queue.length >= this.#shape.queue) return this.#soon(reply, { status: 503, retryAfterMs: -1 })
    this.#queue.push({ reply, arrivedAt: now })
    this.#fill()
  }

  /** Calls per second that it can serve at `at`, by its own script. */
  capacity(at: Millis): number {
    const phase = this.#phase(at)
    if (phase?.hang === true || phase?.stopped === true) return 0
    const mean = this.#shape.serviceMs * Math.exp(this.#shape.sigma ** 2 / 2) * slowness(phase, at)
    const served = ((phase?.servers ?? this.#shape.servers) * 1000) / mean
    const allowed = phase?.rateLimit?.perSecond ?? Infinity
    return Math.min(served, allowed) * (1 - (phase?.errorRatio ?? 0))
  }

  /** One call's time in service, if it begins at `at`. */
  serviceMs(at: Millis, random: Random): Millis {
    const { serviceMs, sigma } = this.#shape
    return serviceMs * (sigma === 0 ? 1 : Math.exp(sigma * normal(random))) * slowness(this.#phase(at), at)
  }

  /** The same with what a client loses that has to try again because the script says: an error. */
  answerMs(at: Millis, family: Family, random: Random): Millis {
    let waited = 0
    for (let n = 1; n < family.attempts && random() < (this.#phase(at + waited)?.errorRatio ?? 0); n++) {
      const [low, high] = family.backoff(n)
      waited += low + (high - low) * random()
    }
    return waited + this.serviceMs(at + waited, random)
  }

  #fill(): void {
    const now = this.#world.now
    const phase = this.#phase(now)
    const servers = phase?.servers ?? this.#shape.servers
    while (this.#busy < servers) {
      const next = this.#queue.shift()
      if (next === undefined) return
      this.#busy += 1
      this.#world.after(this.serviceMs(now, this.#random), () => {
        this.#busy -= 1
        next.reply({ status: 200, retryAfterMs: -1 })
        this.#fill()
      })
    }
  }

  #phase(at: Millis): Phase | undefined {
    return this.#shape.phases.findLast((phase) => at >= phase.from && at < phase.until)
  }

  #soon(reply: (reply: Reply) => void, answer: Reply): void {
    this.#world.after(2, () => reply(answer))
  }

  #token(now: Millis, perSecond: number): boolean {
    this.#tokens = Math.min(perSecond, this.#tokens + ((now - this.#tokensAt) * perSecond) / 1000)
    this.#tokensAt = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

/** Box-Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

function slowness(phase: Phase | undefined, at: Millis): number {
  const from = phase?.slow ?? 1
  if (phase?.slowEnd === undefined) return from
  return from + ((phase.slowEnd - from) * (at - phase.from)) / (phase.until - phase.from)
}
