/**
 * What is noted of one call while it is open: one record per slot, made once and reused. Instants in whole
 * microseconds; -1 = did not happen.
 */
import type {
  Arrival,
  Millis,
  Outcome,
  Priority,
  Quota,
  Reason,
  SettlementKind,
  Trust,
  Verdict,
} from '../core/model.ts'
import type { Rule } from '../core/policy.ts'
import { microsOf } from './instant.ts'

export class CallRecord {
  /** The core may still be told of it, or end it. */
  isOpen = false
  /** Whoever carries the call has not said yet how it ended for the client. */
  isCarried = false

  atMicros = 0
  arriveOrder = 0
  slot = 0
  upstream = 0
  agent = ''
  trust: Trust = 'derived'
  workflow = ''
  parent = ''
  method = ''
  path = ''
  route = ''
  bytes = 0
  priority: Priority = 'normal'
  family = ''
  patienceMs: Millis = Infinity
  attempt = 0
  onceKey = 0
  fingerprint = 0
  credential = 0
  longLived = false
  holdable = false
  deferrable = false

  verdict: Verdict | undefined
  /** Those of the policy that decided: by the time of the line another may be in force. */
  rules: readonly Rule[] = []
  holdEnd: '' | 'release' | 'expire' = ''
  holdReason: Reason = 'healthy'
  holdMicros = -1
  /** Where it was sent, when a hold ended in another member of the group. */
  member = 0
  slotMicros = -1

  sentOrder = 0
  sentMicros = -1
  /** Flat: [order, micros, ...]. */
  readonly resent: number[] = []
  headOrder = 0
  headMicros = -1
  headStatus = 0
  streaming = false
  retryAfterMs: Millis = -1
  quota: Quota | undefined
  readonly chunks: number[] = []
  endOrder = 0
  endMicros = -1
  settled: SettlementKind | undefined
  settledStatus = 0
  answered = false
  settledIn = 0
  settledOut = 0

  id = ''
  status = 0
  outcome: Outcome = 'passed'
  refusal: Reason | undefined
  bytesIn = 0
  bytesOut = 0

  begin(arrival: Arrival, order: number): void {
    this.isOpen = true
    this.isCarried = true
    this.atMicros = microsOf(arrival.at)
    this.arriveOrder = order
    this.slot = arrival.call
    this.upstream = arrival.upstream
    this.agent = arrival.agent
    this.trust = arrival.trust
    this.workflow = arrival.workflow
    this.parent = arrival.parent
    this.method = arrival.method
    this.path = arrival.path
    this.route = arrival.route
    this.bytes = arrival.bytes
    this.priority = arrival.priority
    this.family = arrival.family
    this.patienceMs = arrival.patienceMs
    this.attempt = arrival.attempt
    this.onceKey = arrival.onceKey
    this.fingerprint = arrival.fingerprint
    this.credential = arrival.credential
    this.longLived = arrival.longLived
    this.holdable = arrival.holdable
    this.deferrable = arrival.deferrable
    this.verdict = undefined
    this.holdEnd = ''
    this.holdMicros = -1
    this.slotMicros = -1
    this.sentMicros = -1
    this.headMicros = -1
    this.streaming = false
    this.retryAfterMs = -1
    this.quota = undefined
    this.endMicros = -1
    this.settled = undefined
    this.answered = false
    this.refusal = undefined
    if (this.resent.length > 0) this.resent.length = 0
    if (this.chunks.length > 0) this.chunks.length = 0
  }
}
