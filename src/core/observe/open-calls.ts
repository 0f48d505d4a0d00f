/**
 * What the core remembers of a call between its arrival and its end: one record per call slot, made once and
 * reused, so that a steady load allocates nothing.
 */
import type { CallSlot, Millis, Priority, UpstreamIndex } from '../model.ts'

/** What a held call waits for; each kind has one owner that may end the wait. */
export type Waiting = 'nothing' | 'room' | 'instant' | 'limit'

/** One for all, so that a look at the reference tells. */
export const NO_GATES: readonly number[] = Object.freeze([])

/** More than any count, and a small integer: V8 keeps others in a box of their own, which each call would touch. */
const NO_CAP = 2 ** 31 - 1

/** What every call's end looks at stands first, side by side. */
export class OpenCall {
  open = false
  /** Where it goes: the one asked for, or another of its group. */
  upstream: UpstreamIndex = 0
  /** The one asked for: books and limits of the operator are kept under it. */
  asked: UpstreamIndex = 0
  waiting: Waiting = 'nothing'
  inFlight = false
  agentSlot = 0
  workflowSlot = 0
  route = 0
  stratum = 0
  longLived = false
  streaming = false
  /** Scored as slow while still open; the settlement corrects it. */
  prepaid = false
  probe = false
  isRetry = false
  /** An enforced rule may act on this call: an answer's Retry-After may be rewritten. */
  governed = false
  wasHeld = false
  gatesTaken = false
  shadowGatesTaken = false
  status = 0
  adviceMs: Millis = -1
  arrivedAt: Millis = 0
  sentAt: Millis = 0
  headAt: Millis = 0
  fingerprint = 0
  credential = 0
  lastChunkAt: Millis = 0
  /** Which try of its logical call it is believed to be. */
  attempt = 1
  priority: Priority = 'normal'
  family = ''
  onceKey = 0
  requestBytes = 0
  patienceMs: Millis = Infinity
  /** End of the wait, read while there is one. */
  until: Millis = 0
  holdable = false
  /** Its client understands an answer that comes later. */
  deferrable = false
  /** Index of the enforced rule that decides, and of the shadow rule before it; -1 = none. */
  decider = -1
  shadow = -1
  /** It comes because it was asked back, and with a place on the timetable. */
  invited = false
  promised = false
  /** The instant promised, read when there is one. */
  promisedAt: Millis = 0
  /** Written for each call by the rulebook. */
  maxHoldMs: Millis = 0
  /** Static limits that apply; taken all at once when the call goes upstream, given back when it ends. */
  gates: readonly number[] = NO_GATES
  shadowGates: readonly number[] = NO_GATES
  /** Hard caps of the workflow, enforced and in shadow. */
  callsCap = NO_CAP
  depthCap = NO_CAP
  shadowCallsCap = NO_CAP
  shadowDepthCap = NO_CAP

  /** Back to the state of a call that has just been seen; identity and facts are filled in by the coordinator. */
  reset(): void {
    this.sentAt = 0
    this.headAt = 0
    this.lastChunkAt = 0
    this.status = 0
    this.adviceMs = -1
    this.inFlight = false
    this.waiting = 'nothing'
    this.wasHeld = false
    this.probe = false
    this.streaming = false
    this.prepaid = false
    this.decider = -1
    this.shadow = -1
    this.governed = false
    this.invited = false
    this.promised = false
    this.gates = NO_GATES
    this.shadowGates = NO_GATES
    this.gatesTaken = false
    this.shadowGatesTaken = false
    this.callsCap = NO_CAP
    this.depthCap = NO_CAP
    this.shadowCallsCap = NO_CAP
    this.shadowDepthCap = NO_CAP
  }
}

export class OpenCalls {
  readonly #calls: OpenCall[] = []
  #open = 0

  /** Calls that have no outcome yet. */
  get size(): number {
    return this.#open
  }

  /** One past the highest slot ever used. */
  get capacity(): number {
    return this.#calls.length
  }

  /** @throws when the slot is still open: a caller that hands out a slot twice would corrupt every counter. */
  begin(slot: CallSlot): OpenCall {
    while (this.#calls.length <= slot) this.#calls.push(new OpenCall())
    const call = (this.#calls[slot] ??= new OpenCall())
    if (call.open) throw new Error(`call slot ${slot} is still open`)
    call.open = true
    call.reset()
    this.#open += 1
    return call
  }

  get(slot: CallSlot): OpenCall | undefined {
    const call = this.#calls[slot]
    return call?.open === true ? call : undefined
  }

  end(slot: CallSlot): void {
    const call = this.#calls[slot]
    if (call?.open !== true) return
    call.open = false
    this.#open -= 1
  }
}
