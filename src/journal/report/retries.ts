/**
 * Which calls are retries: the core's own inference over the journal's arrivals and ends, told what the core was
 * told live. There is no second algorithm.
 */
import type { Arrival, Millis } from '../../core/model.ts'
import { LineageTracker } from '../../core/observe/lineage.ts'
import type { CallLine } from '../line.ts'
import { statusAtEnd } from '../status.ts'
import type { OrderedCall } from './call-order.ts'

/** Of the live core (`coordinator.ts`). */
const REMEMBERED = 16_384
/** What the core tells lineage of its own refusals: one of a call that came, one of a call that it had held. */
const REFUSED_STATUS = 429
const EXPIRED_STATUS = 503

export class Retries {
  #lineage = new LineageTracker({ size: REMEMBERED })
  readonly #arrival: Arrival = emptyArrival()

  /** Another run: its hashes are made with another key, and say nothing about those before. */
  begin(): void {
    this.#lineage = new LineageTracker({ size: REMEMBERED })
  }

  arrived(call: OrderedCall, at: Millis): void {
    const { line } = call
    const arrival = this.#arrival
    arrival.at = at
    arrival.agent = line.agent
    arrival.family = line.family
    arrival.bytes = line.bytes
    arrival.attempt = line.attempt ?? 0
    arrival.onceKey = line.onceKey ?? 0
    arrival.fingerprint = line.fingerprint
    arrival.longLived = line.longLived === true
    const lineage = this.#lineage.arrive(arrival, at)
    call.attempt = lineage.attempt
    call.retry = lineage.kind === 'retry' ? lineage.confidence : 0
  }

  ended(call: OrderedCall, at: Millis): void {
    const { line } = call
    const failed = (status: number, adviceMs: Millis): void =>
      this.#lineage.failed(
        {
          fingerprint: line.fingerprint,
          onceKey: line.onceKey ?? 0,
          family: line.family,
          attempt: call.attempt,
        },
        status,
        adviceMs,
        at,
      )
    const slotMs = line.slotMs === undefined ? -1 : Math.max(0, line.at + line.slotMs - at)
    if (line.outcome === 'shed' || line.outcome === 'deferred') {
      // Without a slot the refusal was final: nobody was asked back.
      if (line.slotMs !== undefined) failed(REFUSED_STATUS, slotMs)
      return
    }
    if (line.outcome === 'hold-expired') return failed(EXPIRED_STATUS, slotMs)
    switch (line.settled) {
      case 'success':
        return this.#lineage.settledOk(line.fingerprint, at)
      case 'dropped':
      case 'failure':
        return failed(statusAtEnd(line), adviceOf(line))
      case 'cancelled':
        if (line.headMs === undefined && line.sentMs !== undefined) failed(0, -1)
        return
      case 'ignored':
      case undefined:
        return
    }
  }
}

/** What the client was told, counted from the head that said it. */
function adviceOf(line: CallLine): Millis {
  if (line.slotMs !== undefined) return Math.max(0, line.slotMs - (line.headMs ?? line.endMs))
  return line.retryAfterMs ?? -1
}

function emptyArrival(): Arrival {
  return {
    at: 0,
    call: 0,
    upstream: 0,
    agent: '',
    trust: 'derived',
    workflow: '',
    parent: '',
    method: '',
    path: '',
    route: '',
    bytes: 0,
    priority: 'normal',
    family: '',
    patienceMs: Infinity,
    attempt: 0,
    onceKey: 0,
    fingerprint: 0,
    credential: 0,
    longLived: false,
    holdable: false,
    deferrable: false,
  }
}
