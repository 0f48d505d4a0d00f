/**
 * The truth as the upstream saw it: what a bench or a test compares with what Weir and the agents say. Bounded:
 * ids beyond `maxIds` are counted and not remembered, arrivals beyond the last tick fall into it.
 */
import type { Millis } from '../core/model.ts'

/** Width of one cell of `arrivalsPerTick`. */
export const TICK_MS: Millis = 100
/** One hour of ticks. */
const maxTicks = 36_000
const maxIds = 200_000

/** One logical call, by the id header that the client repeats on every attempt. */
export interface LedgerCall {
  attempts: number
  completions: number
  /** ms since the ledger began. */
  firstAt: Millis
  lastAt: Millis
  lastStatus: number
}

export interface LedgerSummary {
  readonly arrivals: number
  /** Answers below 400 that were delivered whole. */
  readonly completions: number
  /** Clients that left before their answer was whole. */
  readonly abandoned: number
  readonly logicalCalls: number
  /** Attempts per logical call that carried an id; 0 = none did. */
  readonly amplification: number
  readonly inFlight: number
  readonly peakInFlight: number
  readonly statuses: Readonly<Record<string, number>>
}

export class Ledger {
  arrivals = 0
  completions = 0
  abandoned = 0
  inFlight = 0
  peakInFlight = 0
  /** Delivered answers by status. */
  readonly statuses = new Map<number, number>()
  readonly calls = new Map<string, LedgerCall>()
  readonly #clock: () => Millis
  #arrivalsPerTick: number[] = []
  #identified = 0
  #origin: Millis

  constructor(clock: () => Millis) {
    this.#clock = clock
    this.#origin = clock()
  }

  /** Arrivals by tick of 100 ms since the ledger began. */
  get arrivalsPerTick(): readonly number[] {
    return this.#arrivalsPerTick
  }

  /** ms since the ledger began. */
  get age(): Millis {
    return this.#clock() - this.#origin
  }

  arrived(id: string): void {
    const at = this.age
    this.arrivals += 1
    this.inFlight += 1
    this.peakInFlight = Math.max(this.peakInFlight, this.inFlight)
    const tick = Math.min(maxTicks, Math.floor(at / TICK_MS))
    while (this.#arrivalsPerTick.length <= tick) this.#arrivalsPerTick.push(0)
    this.#arrivalsPerTick[tick] = (this.#arrivalsPerTick[tick] ?? 0) + 1
    if (id === '') return
    const call = this.calls.get(id)
    if (call !== undefined) {
      call.attempts += 1
      call.lastAt = at
    } else if (this.calls.size < maxIds) {
      this.calls.set(id, { attempts: 1, completions: 0, firstAt: at, lastAt: at, lastStatus: 0 })
    } else return
    this.#identified += 1
  }

  /** The answer left whole. */
  answered(id: string, status: number): void {
    this.inFlight -= 1
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    const call = this.calls.get(id)
    if (call !== undefined) call.lastStatus = status
    if (status >= 400) return
    this.completions += 1
    if (call !== undefined) call.completions += 1
  }

  /** The connection ended before a whole answer had left. */
  cut(): void {
    this.inFlight -= 1
    this.abandoned += 1
  }

  summary(): LedgerSummary {
    return {
      arrivals: this.arrivals,
      completions: this.completions,
      abandoned: this.abandoned,
      logicalCalls: this.calls.size,
      amplification: this.calls.size === 0 ? 0 : this.#identified / this.calls.size,
      inFlight: this.inFlight,
      peakInFlight: this.peakInFlight,
      statuses: Object.fromEntries([...this.statuses].map(([status, count]) => [String(status), count])),
    }
  }

  /** Begins again from nothing; calls in flight stay in flight. */
  reset(): void {
    this.arrivals = 0
    this.completions = 0
    this.abandoned = 0
    this.peakInFlight = this.inFlight
    this.statuses.clear()
    this.calls.clear()
    this.#arrivalsPerTick = []
    this.#identified = 0
    this.#origin = this.#clock()
  }
}
