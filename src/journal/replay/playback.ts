/**
 * One fresh core under one policy, told the calls of a journal: an open loop. Callers do what they did, whatever the
 * core decides; only what follows from a verdict moves with it. A call is in one of four states:
 *
 * follows: sent at the instant of the journal; its events are told as they were recorded.
 * waits:   held here. Its client leaves when it left in the journal, if it left.
 * apart:   sent at another instant than in the journal (everything until its end is moved by the difference), or
 *          never sent in the journal (the answer is an estimate). Events come from a heap of its own.
 * over:    ended; what the journal still has of it is not told.
 */
import { createCoordinator } from '../../core/coordinator.ts'
import type { Arrival, CoreEvent, Directive, Millis, SettlementKind, Verdict } from '../../core/model.ts'
import type { Policy } from '../../core/policy.ts'
import { HeardReader } from '../heard-words.ts'
import { instantAfter } from '../instant.ts'
import type { InputLine } from '../line.ts'
import { imagined, moved, type ApartPlan } from './apart-plan.ts'
import { BLANK_ARRIVAL } from './blank-arrival.ts'
import type { CallRows } from './call-rows.ts'
import type { Estimator } from './estimate.ts'
import { CoreTeller } from './core-teller.ts'
import { EventHeap } from './event-heap.ts'
import { CHUNK, ENDED, EVENT_BITS, EVENT_MASK, HEAD, SENT } from './recorded-events.ts'
import { SlotMap } from './slot-map.ts'
import { Tally, type Ending } from './tally.ts'
import { TouchBook } from './touch-book.ts'

const IDLE = 0
const FOLLOWS = 1
const WAITS = 2
const APART = 3

const WAS_SENT = 1
const TOUCHED = 2

/** Due again at once means at the next turn of a live event loop: a millisecond later, as its driver does. */
const NEXT_TURN_MS: Millis = 1
/** Hears what the playback decides, for comparisons and charts. */
export interface Watcher {
  decided(row: number, verdict: Verdict, at: Millis): void
  /** The core ended a hold, or the call's client did. */
  waited(row: number, ending: Ending, at: Millis): void
  announced?(event: CoreEvent): void
}

export interface PlaybackOptions {
  readonly policy: Policy
  readonly upstreams: readonly string[]
  readonly seed: number
  readonly agents: number
  readonly workflows: number
  readonly rows: CallRows
  readonly estimator: Estimator
  readonly watcher?: Watcher
  /** From which instant the core is ticked when it is due, beside the recorded ticks. Infinity = never. */
  readonly ownTicksFrom: Millis
}

export class Playback {
  readonly core: ReturnType<typeof createCoordinator>
  readonly #heard = new HeardReader()
  readonly tally: Tally
  ownTicksFrom: Millis
  readonly #policy: Policy
  readonly #rows: CallRows
  readonly #estimator: Estimator
  readonly #watcher: Watcher | undefined
  readonly #tell: CoreTeller
  readonly #touches: TouchBook
  readonly #slots = new SlotMap()
  readonly #apart = new Map<number, ApartPlan>()
  readonly #own = new EventHeap()
  /** By row. */
  #state = new Uint8Array(1024)
  #slot = new Int32Array(1024)
  #marks = new Uint8Array(1024)
  #rule = new Int16Array(1024)
  #now: Millis = -Infinity
  #tickedAt: Millis = -Infinity
  readonly #arrival: Arrival = { ...BLANK_ARRIVAL }

  constructor(options: PlaybackOptions) {
    const { policy, upstreams, seed, agents, workflows } = options
    this.core = createCoordinator({ policy, upstreams, seed, maxAgents: agents, maxWorkflows: workflows })
    this.tally = new Tally(upstreams)
    this.ownTicksFrom = options.ownTicksFrom
    this.#policy = policy
    this.#rows = options.rows
    this.#estimator = options.estimator
    this.#watcher = options.watcher
    this.#tell = new CoreTeller(this.core)
    this.#touches = new TouchBook(policy, this.tally)
  }

  /** Does what lies between the events of the journal: calls apart, and ticks that are due before `at`. */
  advance(at: Millis): void {
    const ticks = at > this.ownTicksFrom
    if (!ticks && this.#own.size === 0) return
    for (;;) {
      const ownAt = this.#own.nextAt()
      const tickAt = ticks ? this.#dueAt() : Infinity
      if (ownAt > at && tickAt >= at) return
      if (ownAt <= tickAt) this.#playOwn()
      else this.tick(tickAt)
    }
  }

  arrive(row: number, at: Millis): void {
    if (row >= this.#state.length) this.#grow()
    this.#now = at
    const rows = this.#rows
    const arrival = this.#arrival
    rows.fill(row, arrival)
    const slot = this.#slots.take(rows.slot(row), row)
    arrival.at = at
    arrival.call = slot
    const verdict = this.core.arrive(arrival)
    this.#slot[row] = slot
    this.#rule[row] = verdict.rule
    this.#marks[row] = 0
    const upstream = this.tally.upstream(arrival.upstream)
    upstream.calls += 1
    if (verdict.do !== 'pass') {
      this.#marks[row] = TOUCHED
      this.#touches.touched(arrival.upstream, verdict, rows.isCritical(row))
    }
    if (verdict.shadow !== undefined) {
      this.#touches.foreseen(arrival.upstream, verdict.shadow, rows.isCritical(row))
    }
    this.#watcher?.decided(row, verdict, at)
    switch (verdict.do) {
      case 'pass':
        upstream.passed += 1
        this.#begin(row, at)
        return
      case 'hold':
        this.#state[row] = WAITS
        return
      case 'shed':
      case 'defer':
        this.#over(row)
        return
    }
  }

  /**
   * What the core would decide if the call were another: for one question at the end of a playback, since the core
   * then believes that it came.
   */
  ask(row: number, at: Millis, change: (arrival: Arrival) => void): Verdict {
    const arrival = this.#arrival
    this.#rows.fill(row, arrival)
    arrival.at = at
    arrival.call = this.#slots.take(this.#rows.slot(row), row)
    change(arrival)
    return this.core.arrive(arrival)
  }

  /** Ends calls that are at an upstream, as if they had never been: no sample of anything. */
  relieve(upstream: number, calls: number, at: Millis): void {
    let left = calls
    for (let row = 0; row < this.#state.length && left > 0; row++) {
      const isThere = (this.#marks[row]! & WAS_SENT) !== 0 && this.#rows.upstream[row] === upstream
      if (!isThere || (this.#state[row] !== FOLLOWS && this.#state[row] !== APART)) continue
      this.#state[row] = IDLE
      left -= 1
      const call = this.#slot[row]!
      this.core.settle({ call, at, kind: 'ignored', status: 0, answered: true, bytesIn: 0, bytesOut: 0 })
    }
  }

  /** The clients of all calls that are held for an upstream leave. */
  clearLine(upstream: number, at: Millis): void {
    for (let row = 0; row < this.#state.length; row++) {
      if (this.#state[row] !== WAITS || this.#rows.upstream[row] !== upstream) continue
      this.#state[row] = IDLE
      const call = this.#slot[row]!
      this.core.settle({ call, at, kind: 'cancelled', status: 0, answered: false, bytesIn: 0, bytesOut: 0 })
    }
  }

  sent(row: number, at: Millis): void {
    if (this.#state[row] !== FOLLOWS) return
    this.#tellSent(row, at)
  }

  head(row: number, at: Millis): void {
    if (this.#state[row] !== FOLLOWS) return
    const rows = this.#rows
    this.#tellHead(row, at, rows.headStatus(row), rows.isStreaming(row))
  }

  chunk(row: number, at: Millis): void {
    if (this.#state[row] !== FOLLOWS) return
    this.#now = at
    this.#tell.chunk(this.#slot[row]!, at)
  }

  end(row: number, at: Millis): void {
    const state = this.#state[row]
    const rows = this.#rows
    const kind = rows.settled(row)
    if (kind === undefined) return
    if (state === FOLLOWS) {
      this.#settle(row, at, kind, rows.endStatus(row), rows.isAnswered(row))
    } else if (state === WAITS && kind === 'cancelled') {
      this.#waited(row, 'left', at)
      this.#settle(row, at, kind, rows.endStatus(row), false)
    }
  }

  tick(at: Millis): void {
    this.#now = at
    this.#tickedAt = at
    for (const directive of this.core.tick(at)) this.#obey(directive, at)
  }

  /** The core was told the time and nothing else. */
  touch(at: Millis): void {
    this.#now = at
    this.#tell.time(at)
  }

  /** What else was told; a policy that was adopted then stands for this one's being adopted once more. */
  input({ input, at, value }: InputLine): void {
    this.#now = at
    if (input === 'adopt') this.core.adopt(this.#policy, at)
    else if (input === 'drain') this.core.drain(at, Number(value))
    else if (input === 'pressure') this.core.pressure(Number(value))
    else if (input === 'summary') this.core.summary(Number(value), at)
    // Other replicas say here what they said then.
    else if (input === 'learn') this.core.learn(this.#heard.fleet(String(value)))
    else if (input === 'callers') this.core.callers(at)
    else if (input === 'learn-callers') this.core.learnCallers(this.#heard.callers(String(value)))
  }

  /** The journal is over: what is still apart is played out, as far as it comes within `until`. */
  finish(until: Millis): void {
    this.advance(until)
  }

  #dueAt(): Millis {
    const wakeAt = this.core.wakeAt()
    if (wakeAt === Infinity) return Infinity
    const earliest = this.#tickedAt >= this.#now ? this.#tickedAt + NEXT_TURN_MS : this.#now
    // On the grid of the journal, as the recorder does: what was recorded in virtual time is met to the instant.
    return Math.ceil(Math.max(wakeAt, earliest, this.ownTicksFrom) * 1000) / 1000
  }

  #obey(directive: Directive, at: Millis): void {
    if (directive.do === 'announce') {
      const { event } = directive
      this.#touches.announced(event)
      this.#watcher?.announced?.(event)
      return
    }
    const row = this.#slots.row(directive.call)
    if (row === -1 || this.#state[row] !== WAITS) return
    if (directive.do === 'release') {
      this.#waited(row, 'released', at)
      this.#begin(row, at)
    } else {
      this.#waited(row, 'expired', at)
      this.#over(row)
    }
  }

  /** It goes upstream at `at`: as in the journal, at another instant, or for the first time. */
  #begin(row: number, at: Millis): void {
    const rows = this.#rows
    const arrivedAt = rows.at(row)
    const wasHeld = rows.verdict(row) === 'hold'
    const went = wasHeld ? rows.isReleased(row) : rows.verdict(row) === 'pass'
    const upstream = this.tally.upstream(rows.upstream[row]!)
    if (!went) {
      upstream.estimated += 1
      this.#setApart(row, imagined(rows, row, at, this.#estimator))
      return
    }
    const wentAt = wasHeld ? instantAfter(arrivedAt, rows.holdMs(row)) : arrivedAt
    const isBehind = (rows.played[row]! & ((1 << SENT) | (1 << HEAD) | (1 << ENDED))) !== 0
    if (at === wentAt && !isBehind) {
      this.#state[row] = FOLLOWS
    } else {
      upstream.moved += 1
      this.#setApart(row, moved(rows, row, at, at - wentAt))
    }
  }

  /** Its events come from the heap here, not from the journal. */
  #setApart(row: number, plan: ApartPlan): void {
    this.#state[row] = APART
    this.#apart.set(row, plan)
    const { sentAt, headAt, endsAt } = plan
    if (sentAt !== Infinity) this.#own.push(sentAt, ref(row, SENT))
    if (headAt !== Infinity) this.#own.push(headAt, ref(row, HEAD))
    for (const chunkAt of plan.chunksAt) this.#own.push(chunkAt, ref(row, CHUNK))
    if (endsAt !== Infinity) this.#own.push(endsAt, ref(row, ENDED))
  }

  #playOwn(): void {
    const own = this.#own
    if (!own.pop()) return
    const { at } = own
    const row = own.ref >>> EVENT_BITS
    const apart = this.#apart.get(row)
    if (apart === undefined || this.#state[row] !== APART) return
    switch (own.ref & EVENT_MASK) {
      case SENT:
        return this.#tellSent(row, at)
      case HEAD:
        return this.#tellHead(row, at, apart.headStatus, apart.streaming)
      case CHUNK:
        this.#now = at
        this.#tell.chunk(this.#slot[row]!, at)
        return
      default:
        this.#apart.delete(row)
        return this.#settle(row, at, apart.kind, apart.status, apart.answered)
    }
  }

  #tellSent(row: number, at: Millis): void {
    this.#now = at
    if ((this.#marks[row]! & WAS_SENT) === 0) {
      this.#marks[row]! |= WAS_SENT
      this.tally.upstream(this.#rows.upstream[row]!).attempts += 1
    }
    this.#tell.sent(this.#slot[row]!, at)
  }

  #tellHead(row: number, at: Millis, status: number, streaming: boolean): void {
    this.#now = at
    const rows = this.#rows
    this.#tell.head(this.#slot[row]!, at, status, streaming, rows.retryAfterMs(row), rows.quota(row))
  }

  #settle(row: number, at: Millis, kind: SettlementKind, status: number, answered: boolean): void {
    this.#now = at
    const rows = this.#rows
    this.#tell.end(this.#slot[row]!, at, kind, status, answered, rows.bytesIn(row), rows.bytesOut(row))
    if (kind === 'failure' || kind === 'dropped') this.tally.upstream(rows.upstream[row]!).failures += 1
    this.#over(row)
  }

  #over(row: number): void {
    const rows = this.#rows
    this.#state[row] = IDLE
    this.#slots.free(this.#slot[row]!)
    const marks = this.#marks[row]!
    if ((marks & TOUCHED) !== 0 && (marks & WAS_SENT) === 0 && rows.sentMs(row) >= 0) {
      const kind = rows.settled(row)
      this.#touches.spared(rows.upstream[row]!, this.#rule[row]!, kind === 'failure' || kind === 'dropped')
    }
    rows.leave(row)
  }

  #waited(row: number, ending: Ending, at: Millis): void {
    const rows = this.#rows
    this.#touches.waited(rows.upstream[row]!, this.#rule[row]!, ending, at - rows.at(row))
    this.#watcher?.waited(row, ending, at)
  }

  #grow(): void {
    const capacity = this.#rows.capacity
    const [state, slot, marks, rule] = [this.#state, this.#slot, this.#marks, this.#rule]
    this.#state = new Uint8Array(capacity)
    this.#slot = new Int32Array(capacity)
    this.#marks = new Uint8Array(capacity)
    this.#rule = new Int16Array(capacity)
    this.#state.set(state)
    this.#slot.set(slot)
    this.#marks.set(marks)
    this.#rule.set(rule)
  }
}

function ref(row: number, event: number): number {
  return (row << EVENT_BITS) | event
}
