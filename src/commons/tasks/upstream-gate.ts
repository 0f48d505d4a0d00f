/**
 * Whether the upstreams of a task can bear it now. On the ramp of a recovering upstream tasks go at the rate at which
 * the core lets calls through; a task makes at least one.
 */
import type { Millis } from '../../core/model.ts'

/** What is known of an upstream, from the core's reading. `ramp`: calls per second. */
export type Bearing =
  | { readonly is: 'open' }
  | { readonly is: 'shut'; readonly condition: string }
  | { readonly is: 'ramp'; readonly rate: number }

/** Undefined = there is no such upstream. */
export type CanBear = (upstream: string) => Bearing | undefined

/** Tasks that may go at once on a ramp, in seconds of its rate. */
const BURST_S = 1

interface Ramp {
  at: Millis
  tokens: number
}

export class UpstreamGate {
  readonly #canBear: CanBear
  /** By upstream; only configured ones get here. */
  readonly #ramps = new Map<string, Ramp>()

  constructor(canBear: CanBear) {
    this.#canBear = canBear
  }

  isKnown(upstream: string): boolean {
    return this.#canBear(upstream) !== undefined
  }

  /** Takes a place at each, or none: then says which one has none. */
  admit(upstreams: readonly string[], now: Millis): string | undefined {
    const refusing = upstreams.find((upstream) => this.room(upstream, now) < 1)
    if (refusing !== undefined) return refusing
    for (const upstream of upstreams) {
      const ramp = this.#ramps.get(upstream)
      if (ramp !== undefined) ramp.tokens -= 1
    }
    return undefined
  }

  /** Tasks that it can bear now; Infinity when it is well. An upstream that is no longer configured is no hindrance. */
  room(upstream: string, now: Millis): number {
    const bearing = this.#canBear(upstream)
    if (bearing?.is === 'ramp') {
      const rate = Math.max(0, bearing.rate)
      const before = this.#ramps.get(upstream) ?? { at: now, tokens: 1 }
      const tokens = before.tokens + (rate * Math.max(0, now - before.at)) / 1000
      this.#ramps.set(upstream, { at: now, tokens: Math.min(Math.max(1, rate * BURST_S), tokens) })
      return Math.floor(this.#ramps.get(upstream)!.tokens)
    }
    this.#ramps.delete(upstream)
    return bearing?.is === 'shut' ? 0 : Infinity
  }

  /** In words; '' = it can bear it. */
  why(upstream: string): string {
    const bearing = this.#canBear(upstream)
    if (bearing?.is === 'shut') return `${upstream} is ${bearing.condition}`
    return bearing?.is === 'ramp'
      ? `${upstream} is recovering: ${bearing.rate.toFixed(1)} tasks per second`
      : ''
  }
}
