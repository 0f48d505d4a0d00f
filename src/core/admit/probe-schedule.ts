/**
 * When a shut gate lets a probe through. After a failure later and later; after a pass at once, and then as many
 * together as passes are still wanted, because what is waited for then is only the proof.
 */
import type { CallSlot, Millis } from '../model.ts'
import type { ReleasePolicy } from '../policy.ts'
import type { Random } from '../random.ts'

/** algorithms.md 3(6): every probe 1.5 times later than the one before, +-20 % (gRPC A6 has the same spread). */
const BACKOFF = 1.5
const SPREAD = 0.2
/** How long a due probe waits for a call that may safely be repeated. */
const PREFERENCE_MS = 250
/**
 * A probe without an answer for twice the healthy q95, or this long, counts as failed: its upstream hangs. The next
 * one is waited for twice as long, or an upstream that has become very slow would never be found alive.
 */
const PATIENCE_MIN_MS = 5000
const PATIENCE_FACTOR = 2
const PATIENCE_MAX_MS = 60_000

export class ProbeSchedule {
  readonly #policy: ReleasePolicy
  readonly #random: Random
  readonly #replicas: number
  #patienceMs: Millis
  /** Probes under way, at most `probePasses`. */
  readonly #out = new Map<CallSlot, Millis>()
  #everyMs: Millis
  #dueAt: Millis
  #passes = 0

  constructor(policy: ReleasePolicy, random: Random, at: Millis, replicas: number, healthyQ95Ms: Millis) {
    this.#policy = policy
    this.#random = random
    this.#replicas = replicas
    this.#patienceMs = Math.max(PATIENCE_MIN_MS, PATIENCE_FACTOR * healthyQ95Ms)
    this.#everyMs = policy.probeEveryMs
    this.#dueAt = at + this.#spread(this.#everyMs)
  }

  due(at: Millis, preferred: boolean): boolean {
    for (const [call, sentAt] of this.#out) {
      if (at - sentAt < this.#patienceMs) continue
      this.#out.delete(call)
      this.#patienceMs = Math.min(Math.max(PATIENCE_MAX_MS, this.#patienceMs), 2 * this.#patienceMs)
      this.#failed(at)
    }
    if (at < this.#dueAt + (preferred ? 0 : PREFERENCE_MS)) return false
    return this.#out.size < this.#together()
  }

  sent(call: CallSlot, at: Millis): void {
    this.#out.set(call, at)
  }

  /** Whether enough probes have passed in a row. Probes not under way, or given up, change nothing. */
  ended(call: CallSlot, passed: boolean | undefined, at: Millis): boolean {
    if (!this.#out.delete(call)) return false
    if (passed === undefined) return false
    if (!passed) {
      this.#failed(at)
      return false
    }
    this.#passes += 1
    this.#dueAt = at
    return this.#passes >= this.#policy.probePasses
  }

  nextAt(): Millis {
    if (this.#out.size < this.#together()) return this.#dueAt
    let first = Infinity
    for (const sentAt of this.#out.values()) first = Math.min(first, sentAt + this.#patienceMs)
    return first
  }

  #together(): number {
    return this.#passes === 0 ? 1 : this.#policy.probePasses - this.#passes
  }

  #failed(at: Millis): void {
    this.#passes = 0
    this.#dueAt = at + this.#spread(this.#everyMs)
    this.#everyMs = Math.min(this.#policy.probeMaxMs, this.#everyMs * BACKOFF)
  }

  #spread(ms: Millis): Millis {
    return ms * this.#replicas * (1 - SPREAD + 2 * SPREAD * this.#random())
  }
}
