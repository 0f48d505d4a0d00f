/**
 * One run of a journal, played in the order in which the core was told of things. Lines come by the ends of calls:
 * their events wait in a ring until every number before them was played. Imported journals have no numbers: their
 * calls are collected and played by time.
 */
import type { Millis } from '../../core/model.ts'
import { instantAfter } from '../instant.ts'
import type { CallLine, HeaderLine, InputLine, JournalLine } from '../line.ts'
import { CallRows } from './call-rows.ts'
import { Estimator } from './estimate.ts'
import { EventHeap } from './event-heap.ts'
import { OrderRing } from './order-ring.ts'
import {
  AT,
  END_MS,
  HEAD_MS,
  NAMES,
  ORDERS,
  SENT_MS,
  STRIDE,
  UPSTREAM,
  type NameList,
  type PackedLines,
  type RareFields,
} from './packed-lines.ts'
import {
  ARRIVED,
  CHUNK,
  ENDED,
  EVENT_BITS,
  EVENT_MASK,
  HEAD,
  INPUT,
  MARK,
  SENT,
  TICKED,
  TIME,
  TOUCHED,
} from './recorded-events.ts'

/** Numbers that may be waited over: the ring of them is 100 MB at most. */
const MOST_NUMBERS = 1 << 23
/** Calls that may wait: about 300 MB of rows. Beyond it a hole is given up. */
const MOST_CALLS = 1_000_000

export type OtherLine = Exclude<JournalLine, CallLine>

/** What is told of every event, in order. */
export interface Player {
  arrive(row: number, at: Millis): void
  sent(row: number, at: Millis): void
  head(row: number, at: Millis): void
  chunk(row: number, at: Millis): void
  end(row: number, at: Millis): void
  tick(at: Millis): void
  /** The core was told of a call that was over, and took the time from it. */
  touch(at: Millis): void
  input(line: InputLine): void
  /** The event that changes the condition of an upstream, for what comes after it. */
  event(line: Extract<JournalLine, { kind: 'event' }>): void
  /** Nothing comes any more. */
  finish(at: Millis): void
}

/** What is known of the journal itself after a run of it was played. */
export interface RunFacts {
  calls: number
  /** Lines that the journal says it lost. */
  dropped: number
  /** Calls whose turn was over when their line came; not played. */
  late: number
  /** Numbers for which no line came. */
  missing: number
  /** Calls of upstreams that the header does not name; not played. */
  unknown: number
  /** Most calls, and most numbers, that ever waited for one before them. */
  windowCalls: number
  windowNumbers: number
  /** Where the first of them is missed; Infinity = none is. */
  missingFrom: Millis
  /** Instants of the first and the last event, ms. */
  firstAt: Millis
  lastAt: Millis
}

export interface RunLimits {
  readonly calls: number
  readonly numbers: number
}

export class RunReplay {
  readonly rows = new CallRows()
  readonly estimator = new Estimator()
  readonly facts: RunFacts = {
    calls: 0,
    dropped: 0,
    late: 0,
    missing: 0,
    unknown: 0,
    windowCalls: 0,
    windowNumbers: 0,
    missingFrom: Infinity,
    firstAt: Infinity,
    lastAt: 0,
  }
  readonly #header: HeaderLine
  readonly #upstreams: ReadonlyMap<string, number>
  readonly #limits: RunLimits
  readonly #inputs: InputLine[] = []
  readonly #byTime: EventHeap | undefined
  #ring: OrderRing | undefined
  #player: Player | undefined
  #users = 1
  #playedAt: Millis = -Infinity
  /** By slot of the live run, the call that had it last. */
  readonly #open = new Map<number, number>()

  constructor(header: HeaderLine, limits: RunLimits = { calls: MOST_CALLS, numbers: MOST_NUMBERS }) {
    this.#header = header
    this.#limits = limits
    this.#upstreams = new Map(header.upstreams.map((name, index) => [name, index]))
    if (header.core === undefined) this.#byTime = new EventHeap()
    // A run from its beginning is numbered from 0; of a later part the first line tells where it is.
    else if (header.part === 1) this.#ring = new OrderRing(0, limits.numbers)
  }

  /** Numbered, from the first number on: a core that is told the same decides the same. */
  get isExact(): boolean {
    const { dropped, late, missing, unknown } = this.facts
    return (
      this.#header.core !== undefined && this.#header.part === 1 && dropped + late + missing + unknown === 0
    )
  }

  /** @param users playbacks that call `rows.leave` once for each call */
  start(player: Player, users: number): void {
    this.#player = player
    this.#users = users
  }

  /** Nothing more is told to anybody. */
  stop(): void {
    this.#player = undefined
  }

  take(line: OtherLine): void {
    switch (line.kind) {
      case 'journal':
        return
      case 'ticks':
        for (let index = 0; index + 1 < line.ticks.length; index += 2) {
          this.#put(line.ticks[index]!, line.ticks[index + 1]!, TICKED)
        }
        return
      case 'marks':
        for (let index = 0; index + 1 < line.marks.length; index += 2) {
          this.#put(line.marks[index]!, line.marks[index + 1]!, (line.slot << EVENT_BITS) | MARK)
        }
        return
      case 'input':
        if (line.input === 'touch') this.#put(line.order, line.at, TOUCHED)
        else this.#put(line.order, line.at, ((this.#inputs.push(line) - 1) << EVENT_BITS) | INPUT)
        return
      case 'event':
        this.#player?.event(line)
        return
      case 'gap':
        this.facts.dropped += line.dropped
        return
    }
  }

  /** Plays what can be played; call it once per batch of lines. */
  play(): void {
    const ring = this.#ring
    if (ring === undefined) return
    while (ring.take()) this.#event(ring.ref, ring.at)
  }

  /** Plays what is left: numbers that never came are given up. */
  finish(): void {
    const ring = this.#ring
    if (ring !== undefined) {
      this.play()
      while (this.#skip(ring)) this.play()
      this.facts.missing = ring.skipped
      this.facts.windowNumbers = ring.largestSpan
    }
    const byTime = this.#byTime
    while (byTime?.pop() === true) this.#event(byTime.ref, byTime.at)
    this.#player?.finish(this.facts.lastAt)
  }

  /** One call of a batch. @param rare what few calls have */
  takeCall(packed: PackedLines, call: number, id: string, names: NameList, rare?: RareFields): void {
    const { facts, rows } = this
    const upstream = this.#upstreams.get(names.name(packed.names[call * NAMES + UPSTREAM]!))
    if (upstream === undefined) {
      facts.unknown += 1
      return
    }
    const { numbers, orders } = packed
    const n = call * STRIDE
    const at = numbers[n + AT]!
    const order = call * ORDERS
    const arrived = orders[order]!
    if (this.#byTime === undefined) this.#ring ??= new OrderRing(arrived, this.#limits.numbers)
    const isLate = this.#byTime === undefined ? arrived < (this.#ring?.next ?? 0) : at < this.#playedAt
    if (isLate) {
      facts.late += 1
      return
    }
    while (rows.size >= this.#limits.calls && this.#giveUpHole());
    const row = rows.add(packed, call, id, names, upstream)
    facts.calls += 1
    if (rows.size > facts.windowCalls) facts.windowCalls = rows.size
    const [sent, head, ended] = [orders[order + 1]!, orders[order + 2]!, orders[order + 3]!]
    const events = 1 + (sent < 0 ? 0 : 1) + (head < 0 ? 0 : 1) + (ended < 0 ? 0 : 1)
    const more =
      rare === undefined ? 0 : ((rare.resent?.length ?? 0) >> 1) + ((rare.chunks?.length ?? 0) >> 1)
    rows.users[row] = this.#users + events + more
    const ref = row << EVENT_BITS
    this.#put(arrived, at, ref | ARRIVED)
    if (sent >= 0) this.#put(sent, instantAfter(at, numbers[n + SENT_MS]!), ref | SENT)
    if (head >= 0) this.#put(head, instantAfter(at, numbers[n + HEAD_MS]!), ref | HEAD)
    if (ended >= 0) this.#put(ended, instantAfter(at, numbers[n + END_MS]!), ref | ENDED)
    if (rare === undefined) return
    rows.addRare(row, rare)
    if (rare.resent !== undefined) this.#flat(at, rare.resent, ref | SENT)
    if (rare.chunks !== undefined) this.#flat(at, rare.chunks, ref | CHUNK)
  }

  #flat(at: Millis, pairs: readonly number[], ref: number): void {
    for (let index = 0; index + 1 < pairs.length; index += 2) {
      this.#put(pairs[index]!, instantAfter(at, pairs[index + 1]!), ref)
    }
  }

  #put(order: number, at: Millis, ref: number): void {
    if (this.#byTime !== undefined) {
      this.#byTime.push(at, ref)
      return
    }
    const ring = (this.#ring ??= new OrderRing(order, this.#limits.numbers))
    let placed = ring.put(order, at, ref)
    while (placed === 'full') {
      this.#giveUpHole()
      placed = ring.put(order, at, ref)
    }
    // Behind a hole that was given up while this very line was taken in: better told late than never.
    if (placed === 'late') this.#event(ref, at)
  }

  /** Goes on behind numbers that have not come. False = there is nothing behind them. */
  #giveUpHole(): boolean {
    const byTime = this.#byTime
    if (byTime !== undefined) {
      if (!byTime.pop()) return false
      this.#event(byTime.ref, byTime.at)
      return true
    }
    this.play()
    const isMore = this.#ring !== undefined && this.#skip(this.#ring)
    this.play()
    return isMore
  }

  #skip(ring: OrderRing): boolean {
    const isMore = ring.skip()
    if (ring.skipped > 0 && this.facts.missingFrom === Infinity) this.facts.missingFrom = this.facts.lastAt
    return isMore
  }

  #event(ref: number, at: Millis): void {
    const { facts, rows } = this
    const player = this.#player
    if (player === undefined) return
    this.#playedAt = at
    if (at < facts.firstAt) facts.firstAt = at
    if (at > facts.lastAt) facts.lastAt = at
    const event = ref & EVENT_MASK
    const row = ref >>> EVENT_BITS
    switch (event) {
      case TIME:
        return ref === TICKED ? player.tick(at) : player.touch(at)
      case MARK:
        return this.#mark(row, at)
      case INPUT:
        return player.input(this.#inputs[row]!)
      case ARRIVED:
        this.#open.set(rows.slot(row), row)
        player.arrive(row, at)
        break
      case SENT:
        player.sent(row, at)
        break
      case HEAD:
        player.head(row, at)
        break
      case CHUNK:
        player.chunk(row, at)
        break
      default:
        this.#learn(row)
        player.end(row, at)
    }
    rows.played[row]! |= 1 << event
    rows.leave(row)
  }

  #mark(slot: number, at: Millis): void {
    const row = this.#open.get(slot)
    // A call that is not known (its line is lost) has no row, one that has ended no marks.
    if (row === undefined || this.rows.users[row] === 0 || this.rows.slot(row) !== slot) return
    this.#player?.chunk(row, at)
  }

  /** For estimates: how the upstream itself ended an attempt. */
  #learn(row: number): void {
    const { rows } = this
    const kind = rows.settled(row)
    const sentMs = rows.sentMs(row)
    if (kind === undefined || kind === 'cancelled' || sentMs < 0) return
    const headMs = rows.headMs(row)
    this.estimator.seen(
      rows.upstream[row]!,
      rows.route(row),
      kind,
      rows.endStatus(row),
      rows.isAnswered(row),
      rows.isStreaming(row),
      headMs < 0 ? -1 : headMs - sentMs,
      rows.endMs(row) - sentMs,
    )
  }
}
