/** Which calls of a journal are first tries: the core's own inference, told what the live core was told. */
import type { Arrival, Millis } from '../../core/model.ts'
import { LineageTracker } from '../../core/observe/lineage.ts'
import type { CallRows } from './call-rows.ts'
import { EventHeap } from './event-heap.ts'
import { BLANK_ARRIVAL } from './blank-arrival.ts'

/** Of the live core (`coordinator.ts`). */
const REMEMBERED = 16_384
/** Below it a retry is counted and not acted on, there as here. */
const BELIEVED = 0.6
/** What the core tells lineage of its own refusals. */
const REFUSED_STATUS = 429
const EXPIRED_STATUS = 503

interface Failed {
  readonly fingerprint: number
  readonly onceKey: number
  readonly family: string
  readonly attempt: number
}

export class FirstTries {
  /** Of the arrival that was seen last; the caller may keep a copy. */
  readonly arrival: Arrival = { ...BLANK_ARRIVAL }
  readonly #rows: CallRows
  readonly #lineage = new LineageTracker({ size: REMEMBERED })
  /** Attempt that each open row is believed to be. */
  readonly #attempts = new Map<number, number>()
  /** Holds that the live core let expire: it tells nobody, and their rows are gone by then. */
  readonly #expiries = new EventHeap()
  readonly #expiring = new Map<number, { readonly call: Failed; readonly adviceMs: Millis }>()
  #expired = 0

  constructor(rows: CallRows) {
    this.#rows = rows
  }

  /** @returns whether it is the first try of what its caller wants */
  arrived(row: number, at: Millis): boolean {
    this.#expire(at)
    const rows = this.#rows
    const { arrival } = this
    rows.fill(row, arrival)
    arrival.at = at
    const { kind, attempt, confidence } = this.#lineage.arrive(arrival, at)
    const call = {
      fingerprint: arrival.fingerprint,
      onceKey: arrival.onceKey,
      family: arrival.family,
      attempt,
    }
    const slotMs = rows.slotMs(row)
    const verdict = rows.verdict(row)
    if (verdict === 'shed' || verdict === 'defer') {
      // Without a slot the refusal was final: nobody was asked back.
      if (slotMs >= 0) this.#lineage.failed(call, REFUSED_STATUS, slotMs, at)
    } else if (rows.isExpired(row)) {
      const id = this.#expired++ & 0x7fffffff
      this.#expiring.set(id, { call, adviceMs: slotMs < 0 ? -1 : Math.max(0, slotMs - rows.holdMs(row)) })
      this.#expiries.push(at + rows.holdMs(row), id)
    } else this.#attempts.set(row, attempt)
    return kind !== 'retry' || confidence < BELIEVED
  }

  /** The core was told of its end. */
  ended(row: number, at: Millis): void {
    this.#expire(at)
    const rows = this.#rows
    const { arrival } = this
    const attempt = this.#attempts.get(row) ?? 1
    this.#attempts.delete(row)
    rows.fill(row, arrival)
    const { fingerprint, onceKey, family } = arrival
    const call = { fingerprint, onceKey, family, attempt }
    const kind = rows.settled(row)
    if (kind === 'success') this.#lineage.settledOk(fingerprint, at)
    else if (kind === 'dropped' || kind === 'failure') {
      const told =
        rows.slotMs(row) < 0 ? rows.retryAfterMs(row) : Math.max(0, rows.slotMs(row) - rows.endMs(row))
      this.#lineage.failed(call, rows.endStatus(row), told, at)
    } else if (kind === 'cancelled' && rows.headMs(row) < 0 && rows.sentMs(row) >= 0) {
      this.#lineage.failed(call, 0, -1, at)
    }
  }

  #expire(until: Millis): void {
    while (this.#expiries.nextAt() <= until && this.#expiries.pop()) {
      const { at, ref } = this.#expiries
      const expired = this.#expiring.get(ref)
      this.#expiring.delete(ref)
      if (expired !== undefined) this.#lineage.failed(expired.call, EXPIRED_STATUS, expired.adviceMs, at)
    }
  }
}
