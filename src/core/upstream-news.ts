/** What changed at one upstream since the last look, as events for people: started, failed, ended. */
import { rootOf } from './detect/storm-root.ts'
import type { CoreEvent, EventName, Millis } from './model.ts'
import type { UpstreamState } from './upstream-state.ts'

type Announce = (event: CoreEvent) => void

/** A limit that moves is told at most so often, and when it moved by a quarter. */
const LIMIT_EVERY_MS = 1000
const LIMIT_CHANGE = 0.25
/** Things that many calls can set off in one second are told once. */
const REPEAT_MS = 1000

export class UpstreamNews {
  readonly #state: UpstreamState
  readonly #announce: Announce
  #drift = 'healthy'
  #storming = false
  #phase: 'open' | 'shut' | 'ramping' = 'open'
  #aborts = 0
  #limit = Infinity
  #limitAt: Millis = -Infinity
  readonly #toldAt = new Map<EventName, Millis>()

  constructor(state: UpstreamState, announce: Announce) {
    this.#state = state
    this.#announce = announce
  }

  /** After a beat. `states` of all upstreams: a storm may have its root elsewhere. */
  look(now: Millis, states: readonly UpstreamState[]): void {
    this.#lookAtDrift(now)
    this.#lookAtStorm(now, states)
    this.#lookAtRelease(now)
    this.#lookAtLimit(now)
  }

  /** Told once a second at most: something that single calls set off. */
  told(
    name: EventName,
    now: Millis,
    readings: Record<string, number>,
    who?: { agent?: string; workflow?: string },
  ): void {
    if (now - (this.#toldAt.get(name) ?? -Infinity) < REPEAT_MS) return
    this.#toldAt.set(name, now)
    this.#announce({ name, at: now, upstream: this.#state.index, ...who, readings })
  }

  #tell(name: EventName, now: Millis, from?: string, to?: string, more?: Record<string, number>): void {
    const readings = { ...this.#state.readings(now), ...more }
    const change = from === undefined || to === undefined ? {} : { from, to }
    this.#announce({ name, at: now, upstream: this.#state.index, ...change, readings })
  }

  #lookAtDrift(now: Millis): void {
    const drift = this.#state.driftState
    const drifts = drift === 'slow' || drift === 'fast'
    const drifted = this.#drift === 'slow' || this.#drift === 'fast'
    if (drifts !== drifted) this.#tell(drifts ? 'drift-started' : 'drift-ended', now, this.#drift, drift)
    this.#drift = drift
  }

  #lookAtStorm(now: Millis, states: readonly UpstreamState[]): void {
    const storming = this.#state.storm.state === 'storm'
    const over = this.#state.storm.state === 'calm'
    if (storming && !this.#storming) {
      const root = rootOf(
        states.map((state) => state.storm),
        this.#state.index,
        now,
      )
      this.#tell('storm-started', now, undefined, undefined, { root: root === -1 ? this.#state.index : root })
      this.#storming = true
    } else if (over && this.#storming) {
      this.#tell('storm-ended', now)
      this.#storming = false
    }
  }

  #lookAtRelease(now: Millis): void {
    const { phase, aborts } = this.#state.release
    const from = this.#phase
    if (phase !== from) {
      const name =
        phase === 'shut' ? 'probe-started' : phase === 'ramping' ? 'release-started' : 'release-ended'
      this.#tell(name, now, from, phase)
    } else if (aborts > this.#aborts) this.#tell('release-aborted', now, undefined, undefined, { aborts })
    this.#phase = phase
    this.#aborts = aborts
  }

  #lookAtLimit(now: Millis): void {
    const limit = this.#state.limit.value
    if (limit === this.#limit || now - this.#limitAt < LIMIT_EVERY_MS) return
    const same = Number.isFinite(limit) && Math.abs(limit - this.#limit) < LIMIT_CHANGE * this.#limit
    if (same) return
    this.#tell('limit-changed', now, String(this.#limit), String(limit))
    this.#limit = limit
    this.#limitAt = now
  }
}
