/**
 * One upstream's timetable: the instant at which each refused caller is asked back, so that no two come together.
 *
 * Reservation by GCRA (ITU-T I.371): the next free cell of the timetable is `T = 1 / (.9 rate share)` wide, and the
 * caller's instant lies inside it at a place given by its key (golden ratio), so neighbours do not keep step. A
 * tenth of the rate is left to new work. One lane per priority class, one set of instants over all lanes.
 *
 * A client is never told a time beyond its family's ceiling, where most of them retry at once (wire.md, finding 1).
 * Who finds the timetable full up to there gets an instant of its own in the last half before the ceiling, without
 * a place: it comes back once more and is put on the timetable then. That costs the upstream nothing, so nothing is
 * charged for it.
 *
 * Some callers never return. A past cell cannot be given back; instead cells shrink by the share that was claimed
 * lately, as airlines overbook.
 */
import type { Millis } from '../model.ts'
import type { SlotPolicy } from '../policy.ts'
import type { Family } from '../families.ts'
import { IndexedHeap } from './indexed-heap.ts'

export type Precision = Family['advice']

export interface SlotRequest {
  /** No slot before this instant (the upstream's own Retry-After, the next probe). */
  readonly earliest: Millis
  /** Calls per second that the upstream is expected to bear. */
  readonly ratePerSecond: number
  /** Part of that rate which this lane may use, 0..1. */
  readonly share: number
  /** The largest advice that the client honours; 0 = it honours none, Infinity = any. */
  readonly ceilingMs: Millis
  readonly precision: Precision
  /** Timetable of its own, 0..3, by priority class; 0 when left out. */
  readonly lane?: number
  /** Beside what the caller was promised, for another of its calls that looks the same. */
  readonly another?: boolean
}

interface Promised {
  readonly caller: number
  readonly id: number
  readonly slotAt: Millis
  readonly expiresAt: Millis
  /** How early it may be claimed. */
  readonly earlyMs: Millis
  /** Has a cell of the timetable; else it only spreads. */
  readonly placed: boolean
}

const LANES = 4
/** Share of the rate that slots take; the rest is for work that comes for the first time. */
const TAKEN_SHARE = 0.9
/** Two instants closer than this count as one: a client's timer is no finer. */
const GRAIN_MS = 0.25
const GOLDEN = 0.6180339887498949
/** Promises kept at once, and of those to one caller; past it callers are only spread. */
const PROMISES = 8192
const PROMISES_OF_ONE = 512
/** Of them, with a place on the timetable: whoever goes round in a circle must not fill it for all the others. */
const PLACES_OF_ONE = 16
/** Equal calls of one caller are as far from each other in their cells as those of different ones. */
const TWIN = 7919
/** Cells of the counts by caller: with a thousand promises open, three in four callers without one are told apart. */
const CALLER_CELLS = 4096
/** How early a kept promise may be claimed, and how late in parts of the wait (algorithms.md 3(7)). */
const EARLY_MS = 500
const LATE_SHARE = 0.25
/** At the least this share is expected to come: keeps arrivals below 1.5 x the rate if all come after all. */
const CLAIMED_MIN = 0.6
/** Weight of one promise in the claimed share: about the last fifty. */
const CLAIMED_WEIGHT = 0.02
const SECOND_MS = 1000

export class Slots {
  #policy: SlotPolicy
  readonly #free = new Float64Array(LANES).fill(-Infinity)
  /** By caller, the earliest instant first. Calls that look the same are interchangeable: whoever comes claims that. */
  readonly #promises = new Map<number, Promised[]>()
  #open = 0
  readonly #byId: (Promised | undefined)[] = []
  readonly #unusedIds: number[] = []
  readonly #expiry = new IndexedHeap()
  readonly #taken = new Set<number>()
  /** Promises open, by the low bits of their caller's number. */
  readonly #callers = new Uint16Array(CALLER_CELLS)
  #claimed = 1
  #spread = 0
  #replica = 0
  #replicas = 1

  constructor(policy: SlotPolicy) {
    this.#policy = policy
  }

  adopt(policy: SlotPolicy): void {
    this.#policy = policy
  }

  /** This process is replica `index` of `count` that hand out slots for the same upstream: its part of each cell. */
  phase(index: number, count: number): void {
    this.#replica = index
    this.#replicas = Math.max(1, count)
  }

  /**
   * The instant at which `caller` is asked back. It gets the same instant again while that lies ahead and nothing
   * forbids it, unless it asks for another call. Always within `ceilingMs` and the policy's `maxMs` of `at`.
   */
  reserve(caller: number, at: Millis, request: SlotRequest): Millis {
    this.tick(at)
    const { maxMs } = this.#policy
    const latest = at + (request.ceilingMs > 0 ? Math.min(maxMs, request.ceilingMs) : maxMs)
    const known = request.another === true ? undefined : this.#promises.get(caller)?.[0]
    if (known !== undefined) {
      const ahead = known.slotAt > at && known.slotAt <= latest
      if (ahead && (known.slotAt >= request.earliest || request.earliest > latest)) return known.slotAt
      this.#forget(known)
    }
    // Whole seconds are told rounded down, so such a client comes less than a second early and is held for the
    // rest; a slot within the first second could not be told to it.
    const wholeSeconds = request.precision === 'seconds' ? SECOND_MS : 0
    const earliest = Math.max(at + wholeSeconds, request.earliest)
    const mayPlace = this.openTo(caller) < PLACES_OF_ONE
    const placed = mayPlace ? this.#place(caller, earliest, latest, request) : undefined
    const from = placed === undefined ? spreadFrom(at, earliest, request.earliest, latest) : earliest
    const slotAt = this.#unique(placed ?? this.#between(from, latest), from, latest)
    const earlyMs = Math.max(EARLY_MS, wholeSeconds)
    return this.#promise(caller, at, slotAt, earlyMs, placed !== undefined)
  }

  /** False = nothing is promised to this caller. One read, for those who come unasked: nearly all. */
  mayKnow(caller: number): boolean {
    return this.#callers[caller & (CALLER_CELLS - 1)] !== 0
  }

  /** Promises open to this caller. */
  openTo(caller: number): number {
    return this.#promises.get(caller)?.length ?? 0
  }

  /** The next instant promised to this caller; 0 = none. Who comes a little early is best held until then. */
  promisedTo(caller: number): Millis {
    return this.#promises.get(caller)?.[0]?.slotAt ?? 0
  }

  /** Whether a caller that comes at `at` was asked to, with a place on the timetable or without. */
  invited(caller: number, at: Millis): boolean {
    return this.#due(caller, at) !== undefined
  }

  /**
   * The caller came back when it was asked to: it goes before new work and needs no retry token. Returns the instant that
   * it was promised, once per promise; 0 = it has no place. A caller without a place on the timetable is not let in, but
   * put on it by the next `reserve`.
   */
  claim(caller: number, at: Millis): Millis {
    const due = this.#due(caller, at)
    if (due === undefined) return 0
    this.#forget(due)
    if (!due.placed) return 0
    this.#claimed += CLAIMED_WEIGHT * (1 - this.#claimed)
    return due.slotAt
  }

  /** Drops the promises whose time to be claimed is over. */
  tick(now: Millis): void {
    while (this.#expiry.topKey < now) {
      const promised = this.#byId[this.#expiry.top]
      if (promised === undefined) return
      this.#forget(promised)
      if (promised.placed) this.#claimed -= CLAIMED_WEIGHT * this.#claimed
    }
  }

  /** When `tick` has something to drop next; Infinity = nothing is promised. */
  nextExpiry(): Millis {
    return this.#expiry.topKey
  }

  /** Promises open. */
  get size(): number {
    return this.#open
  }

  /** The earliest promise whose time it is. */
  #due(caller: number, at: Millis): Promised | undefined {
    return this.#promises
      .get(caller)
      ?.find(({ slotAt, earlyMs, expiresAt }) => at >= slotAt - earlyMs && at <= expiresAt)
  }

  #place(caller: number, earliest: Millis, latest: Millis, request: SlotRequest): Millis | undefined {
    const { ratePerSecond, share, lane = 0 } = request
    const rate = TAKEN_SHARE * ratePerSecond * share
    if (!(rate > 0)) return undefined
    const width = Math.max(GRAIN_MS, (1000 / rate) * Math.max(CLAIMED_MIN, this.#claimed))
    const start = Math.max(this.#free[lane] ?? -Infinity, earliest)
    if (start + width > latest) return undefined
    this.#free[lane] = start + width
    const key = caller + TWIN * (this.#promises.get(caller)?.length ?? 0)
    return start + (width * (this.#replica + fraction(key * GOLDEN))) / this.#replicas
  }

  /** The next point of a sequence that fills the stretch evenly, however many are asked for. */
  #between(from: Millis, latest: Millis): Millis {
    this.#spread += 1
    return from + (latest - from) * fraction(this.#spread * GOLDEN)
  }

  /** The instant, moved to the nearest later one that is not taken, or to an earlier one at the end. */
  #unique(wanted: Millis, from: Millis, latest: Millis): Millis {
    const cell = Math.floor(wanted / GRAIN_MS)
    if (!this.#taken.has(cell)) return wanted
    const last = Math.floor(latest / GRAIN_MS) - 1
    for (let later = cell + 1; later <= last; later++) if (!this.#taken.has(later)) return middle(later)
    const first = Math.ceil(from / GRAIN_MS)
    for (let earlier = cell - 1; earlier >= first; earlier--)
      if (!this.#taken.has(earlier)) return middle(earlier)
    return wanted
  }

  #promise(caller: number, at: Millis, slotAt: Millis, earlyMs: Millis, placed: boolean): Millis {
    const open = this.#promises.get(caller) ?? []
    if (this.#open >= PROMISES || open.length >= PROMISES_OF_ONE) return slotAt
    const id = this.#unusedIds.pop() ?? this.#byId.length
    const expiresAt = slotAt + Math.max(this.#policy.graceMs, LATE_SHARE * (slotAt - at))
    const promised: Promised = { caller, id, slotAt, expiresAt, earlyMs, placed }
    this.#callers[caller & (CALLER_CELLS - 1)]! += 1
    this.#byId[id] = promised
    this.#open += 1
    open.splice(open.findLastIndex((other) => other.slotAt <= slotAt) + 1, 0, promised)
    this.#promises.set(caller, open)
    this.#taken.add(Math.floor(slotAt / GRAIN_MS))
    this.#expiry.set(id, expiresAt)
    return slotAt
  }

  #forget(promised: Promised): void {
    const open = this.#promises.get(promised.caller)!
    open.splice(open.indexOf(promised), 1)
    if (open.length === 0) this.#promises.delete(promised.caller)
    this.#open -= 1
    this.#callers[promised.caller & (CALLER_CELLS - 1)]! -= 1
    this.#taken.delete(Math.floor(promised.slotAt / GRAIN_MS))
    this.#expiry.remove(promised.id)
    this.#byId[promised.id] = undefined
    this.#unusedIds.push(promised.id)
  }
}

/** The last half before the ceiling, or what of it lies beyond the first of these instants that it can respect. */
function spreadFrom(at: Millis, earliest: Millis, asked: Millis, latest: Millis): Millis {
  const half = (at + latest) / 2
  const bound = [earliest, asked].find((instant) => instant < latest) ?? half
  return Math.max(half, bound)
}

function fraction(x: number): number {
  return x - Math.floor(x)
}

function middle(cell: number): Millis {
  return (cell + 0.5) * GRAIN_MS
}
