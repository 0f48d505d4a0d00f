/**
 * The core with a pen: hands every input on, and notes it. What the core is told is numbered in one global order and
 * rounded to the microsecond first, so that a fresh core that is told the same from the journal decides the same.
 *
 * A call's line is written when both the core and whoever carried the call are done with it. Nothing here waits, and
 * a line costs about 1 us; see `writer.ts` for where it goes.
 */
import type { Coordinator, FleetCore } from '../core/coordinator.ts'
import type { CallersSummary, CallersView, FleetView, Outlook, UpstreamSummary } from '../core/fleet.ts'
import type {
  Advice,
  Arrival,
  CallSlot,
  Directive,
  Mark,
  Millis,
  Outcome,
  Settlement,
  UpstreamIndex,
  Verdict,
} from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import { CallRecord } from './call-record.ts'
import { HeardWriter } from './heard-words.ts'
import { microsOf, toMicrosecond } from './instant.ts'
import type { InputLine } from './line.ts'
import { RecordLines, type RecordLinesOptions } from './record-lines.ts'

/** Marks of one stream that are kept until it ends: 32 KB. A stream of hours has a line for every so many. */
const MARKS_PER_LINE = 2048

export interface RecordOptions extends RecordLinesOptions {
  /** The policy that the core has. */
  readonly policy: Policy
  /** Digest of the policy that is adopted at this moment. */
  readonly digest: () => string
  /** Names are shown as keyed hashes: what other replicas say of them by other hashes is left out. */
  readonly hidesNames?: boolean
}

/** How a call ended for its client; a `Call` of the proxy fits. */
export interface CarriedCall {
  readonly slot: CallSlot
  readonly id: string
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly verdict: Verdict | undefined
}

export interface RecordedCore extends Coordinator, FleetCore {
  /** The call is over for its client, whatever the core knows; once per call. Instants in the core's time. */
  ended(call: CarriedCall, outcome: Outcome, at: Millis): void
  /** Writes what is noted but not yet a line; calls that are still open are counted as a gap. */
  finish(): void
}

/** Rounds `at` of what it is given in place: an arrival, a mark and a settlement belong to the core for the call. */
export function recordCore(core: Coordinator & FleetCore, options: RecordOptions): RecordedCore {
  return new Recorder(core, options)
}

class Recorder implements RecordedCore {
  readonly #core: Coordinator & FleetCore
  readonly #options: RecordOptions
  readonly #calls: CallRecord[] = []
  readonly #lines: RecordLines
  readonly #heard: HeardWriter
  #policy: Policy
  #order = 0
  #at: Millis = 0
  #pressure = 0

  constructor(core: Coordinator & FleetCore, options: RecordOptions) {
    this.#core = core
    this.#options = options
    this.#policy = options.policy
    this.#lines = new RecordLines(options)
    this.#heard = new HeardWriter({ hidesNames: options.hidesNames === true })
  }

  arrive(arrival: Arrival): Verdict {
    arrival.at = this.#now(arrival.at)
    const call = this.#recordOf(arrival.call)
    // Nobody said how the last call of this slot ended: it has no line.
    if (call.isOpen || call.isCarried) this.#lines.gap(this.#at, 1)
    call.begin(arrival, this.#order++)
    const verdict = this.#core.arrive(arrival)
    call.verdict = verdict
    call.rules = this.#policy.rules
    call.member = verdict.upstream
    if (verdict.do !== 'pass' && verdict.do !== 'hold') {
      call.isOpen = false
      if (verdict.slotAt !== 0) call.slotMicros = microsOf(verdict.slotAt) - call.atMicros
    }
    return verdict
  }

  progress(mark: Mark): Advice {
    mark.at = this.#now(mark.at)
    const call = this.#calls[mark.call]
    if (call === undefined || !call.isOpen) {
      this.#input('touch', mark.at, 0)
      return this.#core.progress(mark)
    }
    const order = this.#order++
    const micros = microsOf(mark.at) - call.atMicros
    if (mark.kind === 'sent') {
      if (call.sentMicros === -1) {
        call.sentOrder = order
        call.sentMicros = micros
      } else {
        call.resent.push(order, micros)
      }
      return this.#core.progress(mark)
    }
    if (mark.kind === 'chunk') {
      call.chunks.push(order, micros)
      if (call.chunks.length >= 2 * MARKS_PER_LINE) this.#lines.marks(call)
      return this.#core.progress(mark)
    }
    call.headOrder = order
    call.headMicros = micros
    call.headStatus = mark.status
    call.streaming = mark.streaming
    call.retryAfterMs = mark.retryAfterMs
    call.quota = mark.quota === undefined ? undefined : { ...mark.quota }
    const advice = this.#core.progress(mark)
    if (advice.slotAt !== 0) call.slotMicros = microsOf(advice.slotAt) - call.atMicros
    return advice
  }

  settle(settlement: Settlement): void {
    settlement.at = this.#now(settlement.at)
    const call = this.#calls[settlement.call]
    if (call === undefined || !call.isOpen) {
      this.#input('touch', settlement.at, 0)
      return this.#core.settle(settlement)
    }
    call.endOrder = this.#order++
    call.endMicros = microsOf(settlement.at) - call.atMicros
    call.settled = settlement.kind
    call.settledStatus = settlement.status
    call.answered = settlement.answered
    call.settledIn = settlement.bytesIn
    call.settledOut = settlement.bytesOut
    this.#core.settle(settlement)
    call.isOpen = false
    if (!call.isCarried) this.#write(call)
  }

  /** No line: the call's own says what happened to it. */
  notDeferred(upstream: UpstreamIndex, happened: Outcome): void {
    this.#core.notDeferred(upstream, happened)
  }

  tick(now: Millis): readonly Directive[] {
    const at = this.#now(now)
    this.#lines.tick(this.#order++, at)
    const directives = this.#core.tick(at)
    for (const directive of directives) {
      if (directive.do === 'announce') this.#lines.event(directive.event)
      else this.#directed(directive, at)
    }
    return directives
  }

  /** On the grid of the journal, and never before the core's own instant: a tick at this very instant finds it due. */
  wakeAt(): Millis {
    const due = this.#core.wakeAt()
    if (due === Infinity) return due
    const micros = Math.ceil(due * 1000)
    return micros / 1000 < due ? (micros + 1) / 1000 : micros / 1000
  }

  adopt(policy: Policy, at: Millis): void {
    const now = this.#now(at)
    this.#input('adopt', now, this.#options.digest())
    this.#policy = policy
    this.#core.adopt(policy, now)
  }

  drain(at: Millis, until: Millis): void {
    const now = this.#now(at)
    const end = toMicrosecond(until)
    this.#input('drain', now, end)
    this.#core.drain(now, end)
  }

  pressure(level: number): void {
    if (level !== this.#pressure) this.#input('pressure', this.#at, level)
    this.#pressure = level
    this.#core.pressure(level)
  }

  summary(upstream: UpstreamIndex, now: Millis): UpstreamSummary {
    const at = this.#now(now)
    this.#input('summary', at, upstream)
    return this.#core.summary(upstream, at)
  }

  learn(view: FleetView): void {
    const rounded = { ...view, at: this.#now(view.at) }
    this.#input('learn', rounded.at, this.#heard.fleet(rounded))
    this.#core.learn(rounded)
  }

  outlook(upstream: UpstreamIndex): Outlook {
    return this.#core.outlook(upstream)
  }

  callers(now: Millis): CallersSummary {
    const at = this.#now(now)
    this.#input('callers', at, 0)
    return this.#core.callers(at)
  }

  learnCallers(view: CallersView): void {
    const rounded = { ...view, at: this.#now(view.at) }
    this.#input('learn-callers', rounded.at, this.#heard.callers(rounded))
    this.#core.learnCallers(rounded)
  }

  callersOutlook(): Outlook {
    return this.#core.callersOutlook()
  }

  read(now: Millis): ReturnType<Coordinator['read']> {
    return this.#core.read(now)
  }

  agents(now: Millis, most: number): ReturnType<Coordinator['agents']> {
    return this.#core.agents(now, most)
  }

  workflows(now: Millis, most: number): ReturnType<Coordinator['workflows']> {
    return this.#core.workflows(now, most)
  }

  ended({ slot, id, status, bytesIn, bytesOut, verdict }: CarriedCall, outcome: Outcome, at: Millis): void {
    const call = this.#calls[slot]
    if (call === undefined || !call.isCarried) return
    call.isCarried = false
    call.id = id
    call.status = status
    call.outcome = outcome
    call.bytesIn = bytesIn
    call.bytesOut = bytesOut
    const isOwnRefusal = outcome === 'shed' && call.verdict?.do !== 'shed'
    call.refusal = isOwnRefusal ? verdict?.reason : undefined
    if (call.settled === undefined) call.endMicros = microsOf(at) - call.atMicros
    if (!call.isOpen) this.#write(call)
  }

  finish(): void {
    this.#lines.flush()
    const open = this.#calls.filter((call) => call.isOpen || call.isCarried).length
    if (open > 0) this.#lines.gap(this.#at, open)
  }

  #now(at: Millis): Millis {
    this.#at = toMicrosecond(at)
    return this.#at
  }

  #recordOf(slot: CallSlot): CallRecord {
    while (this.#calls.length <= slot) this.#calls.push(new CallRecord())
    return this.#calls[slot]!
  }

  #directed(directive: Exclude<Directive, { do: 'announce' }>, at: Millis): void {
    const call = this.#calls[directive.call]
    if (call === undefined || !call.isOpen) return
    call.holdEnd = directive.do
    call.holdReason = directive.reason
    call.holdMicros = microsOf(at) - call.atMicros
    if (directive.do === 'release') {
      call.member = directive.upstream
      return
    }
    call.isOpen = false
    if (directive.slotAt !== 0) call.slotMicros = microsOf(directive.slotAt) - call.atMicros
    if (!call.isCarried) this.#write(call)
  }

  #write(call: CallRecord): void {
    if (call.settled !== undefined) {
      // What the core was told; bytes that followed the end do not count.
      call.bytesIn = call.settledIn
      call.bytesOut = call.settledOut
    }
    this.#lines.call(call)
  }

  #input(input: InputLine['input'], at: Millis, value: number | string): void {
    this.#lines.input(this.#order++, at, input, value)
  }
}
