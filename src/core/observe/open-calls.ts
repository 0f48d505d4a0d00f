/**
 * What the core remembers of a call between its arrival and its end: one record per call slot, made once and
 * reused, so that a steady load allocates nothing.
 */
import type { CallSlot, Millis, Priority, UpstreamIndex } from '../model.ts'

/** What a held call waits for; each kind has one owner that may end the wait. */
export type Waiting = 'nothing' | 'room' | 'instant' | 'limit'

export class OpenCall {
  open = false
  upstream: UpstreamIndex = 0
  agentSlot = 0
  workflowSlot = 0
  route = 0
  stratum = 0
  priority: Priority = 'normal'
  family = ''
  fingerprint = 0
  onceKey = 0
  credential = 0
  /** Key of the promise in the timetable, 0 when none was claimed. */
  slotKey = 0
  requestBytes = 0
  arrivedAt: Millis = 0
  patienceMs: Millis = Infinity
  sentAt: Millis = 0
  headAt: Millis = 0
  lastChunkAt: Millis = 0
  status = 0
  adviceMs: Millis = -1
  isRetry = false
  /** Which try of its logical call it is believed to be. */
  attempt = 1
  inFlight = false
  waiting: Waiting = 'nothing'
  wasHeld = false
  heldMs: Millis = 0
  until: Millis = 0
  probe = false
  longLived = false
  streaming = false
  holdable = false
  /** Scored as slow while still open; the settlement corrects it. */
  prepaid = false
  /** Index of the enforced rule that decides, and of the shadow rule before it; -1 = none. */
  decider = -1
  shadow = -1
  /** An enforced rule may act on this call: an answer's Retry-After may be rewritten. */
  governed = false
  /** It comes because it was asked back, and with a place on the timetable. */
  invited = false
  promised = false
  promisedAt: Millis = 0
  maxHoldMs: Millis = 0
  /** Static limits that apply; taken all at once when the call goes upstream, given back when it ends. */
  readonly gates: number[] = []
  readonly shadowGates: number[] = []
  gatesTaken = false
  shadowGatesTaken = false
  /** Hard caps of the workflow, enforced and in shadow. */
  callsCap = Infinity
  depthCap = Infinity
  shadowCallsCap = Infinity
  shadowDepthCap = Infinity

  /** Back to the state of a call that has just been seen; identity and facts are filled in by the coordinator. */
  reset(): void {
    this.slotKey = 0
    this.sentAt = 0
    this.headAt = 0
    this.lastChunkAt = 0
    this.status = 0
    this.adviceMs = -1
    this.inFlight = false
    this.waiting = 'nothing'
    this.wasHeld = false
    this.heldMs = 0
    this.until = 0
    this.probe = false
    this.streaming = false
    this.prepaid = false
    this.decider = -1
    this.shadow = -1
    this.governed = false
    this.invited = false
    this.promised = false
    this.promisedAt = 0
    this.maxHoldMs = 0
    this.gates.length = 0
    this.shadowGates.length = 0
    this.gatesTaken = false
    this.shadowGatesTaken = false
    this.callsCap = Infinity
    this.depthCap = Infinity
    this.shadowCallsCap = Infinity
    this.shadowDepthCap = Infinity
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
