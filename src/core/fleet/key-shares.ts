/**
 * One of the operator's limits, divided among the replicas that see its keys. A key (an agent, a workflow, an upstream) is
 * told once it asks for enough of its limit that it might matter, and those who tell of it share the limit by demand:
 * the parts add up to the whole. A key that nobody else tells of has all of it, at no cost.
 *
 * Without the board the parts stay as they are for 30 s; then each of the last known tellers has an equal part. A key that
 * is new by then, or finds no room in a word, gets what a key of its limit got on average. So losing the board never
 * multiplies a limit, and a sidecar with an agent of its own keeps that agent's limit whole.
 */
import { LOAD_UNITS } from '../fleet.ts'
import type { Millis } from '../model.ts'
import { partsFrom } from './shares.ts'

/**
 * A replica tells of a key that asks for this share of an equal part. What all replicas together may use untold is
 * this share of the limit.
 */
const TELLS_FROM = 1 / 8
/** Keys of one limit at one replica that are divided at a time. */
export const MOST_KEYS = 256
/** Demand is felt over so long, or over four calls of a slow rate. */
const FELT_MS = 2000
const FELT_CALLS = 4
/** Four limits' worth is as much as anything. */
const MOST_LOAD = 4 * LOAD_UNITS
const GOLDEN = 0.6180339887498949

export interface KeyLimit {
  readonly slots: number
  /** Calls per second, or calls at once. */
  readonly limit: number
  readonly unit: 'per second' | 'at once'
  /** What the key of a slot is called on the board. */
  idOf(slot: number): number
  /** Calls at once that the slot has now; of a rate, 0. */
  readonly inUse: (slot: number) => number
  /** The slot has another part of the limit from `at` on. */
  onPart(slot: number, before: number, part: number, at: Millis): void
}

/** What the others ask of one key, in `LOAD_UNITS`, and have of it under way, by replica. */
export type OthersLoads = readonly {
  readonly replica: string
  readonly load: number
  readonly inUse: number
}[]

/** Of one key, for a word. */
export interface KeyRow {
  readonly slot: number
  readonly id: number
  readonly load: number
  readonly inUse: number
}

export interface KeyNews {
  readonly at: Millis
  readonly replica: string
  /** Replicas that are there, this one included; 1 = alone. */
  readonly replicas: number
  readonly round: number
  of(id: number): OthersLoads
}

interface Key {
  readonly id: number
  /** Last told; 0 = not yet. */
  told: number
  others: OthersLoads
}

export class KeyShares {
  readonly #limit: KeyLimit
  readonly #tauMs: Millis
  readonly #keys = new Map<number, Key>()
  #loads = NONE
  #felt = NONE
  #parts = NONE
  #news: KeyNews | undefined
  /** Part of a key that is not told: 1 while all are. */
  #untold = 1
  /** Replicas to a key, on average; 0 = not known. */
  #tellers = 0
  /** answers; gone: a moment ago; cut: for so long that parts are equal. */
  #board: 'answers' | 'gone' | 'cut' = 'answers'
  #now: Millis = 0

  constructor(limit: KeyLimit) {
    this.#limit = limit
    this.#tauMs = limit.unit === 'at once' ? FELT_MS : Math.max(FELT_MS, (FELT_CALLS * 1000) / limit.limit)
  }

  /** Of the limit, the part that this replica's calls of the key may use. */
  part(slot: number): number {
    return this.#news === undefined ? 1 : this.#parts[slot]!
  }

  /** Calls at once of the key; whole, and those of all replicas add up to the limit. */
  places(slot: number): number {
    const { limit } = this.#limit
    if (this.#news === undefined) return limit
    const key = this.#keys.get(slot)
    if (key === undefined || key.others.length === 0) return atLeastOne(limit * this.#parts[slot]!)
    if (this.#board === 'cut') return atLeastOne(limit / (key.others.length + 1))
    const places = placesFrom(limit, this.#news, key, this.#own(slot, key))
    // Places go round no more: nobody is left without for as long as the board is gone.
    if (this.#board === 'gone') return Math.max(1, places)
    // Whoever had a place before may be busy in it still.
    const elsewhere = key.others.reduce((sum, { inUse }) => sum + inUse, 0)
    return Math.max(0, Math.min(places, limit - elsewhere))
  }

  /** A call of the key asks for room. */
  ask(slot: number, at: Millis): void {
    const news = this.#news
    if (news === undefined) return
    this.#now = at
    const { limit, unit, inUse } = this.#limit
    const faded = this.#faded(slot, at)
    this.#felt[slot] = at
    const load =
      unit === 'at once' ? Math.max(faded, (inUse(slot) + 1) / limit) : faded + 1000 / (this.#tauMs * limit)
    this.#loads[slot] = load
    if (load < TELLS_FROM / news.replicas || this.#keys.has(slot)) return
    if (this.#keys.size >= MOST_KEYS) return this.#give(slot, 1 / this.#average)
    const id = this.#limit.idOf(slot)
    const isLost = this.#board !== 'answers'
    const key: Key = { id, told: 0, others: isLost ? [] : news.of(id) }
    this.#keys.set(slot, key)
    this.#give(slot, isLost ? 1 / this.#average : this.#partOf(slot, key))
  }

  /** The slot belongs to somebody else from now on. */
  forget(slot: number): void {
    if (!this.#keys.delete(slot) && this.#news === undefined) return
    this.#parts[slot] = this.#untold
    this.#loads[slot] = 0
  }

  /** Some of its keys are wanted by several replicas, by all of them together for half of the limit at least. */
  get isContended(): boolean {
    for (const [slot, { others }] of this.#keys) {
      if (others.length === 0) continue
      const load = others.reduce((sum, other) => sum + other.load, this.#loads[slot]! * LOAD_UNITS)
      if (load >= LOAD_UNITS / 2) return true
    }
    return false
  }

  /** Keys that want little by now are given up. */
  tell(now: Millis): KeyRow[] {
    const news = this.#news
    if (news === undefined) return []
    const { inUse } = this.#limit
    const rows: KeyRow[] = []
    for (const [slot, key] of this.#keys) {
      const load = this.#faded(slot, now)
      if (load < TELLS_FROM / news.replicas / 2) {
        this.#keys.delete(slot)
        this.#give(slot, this.#untold)
      } else {
        const units = Math.min(MOST_LOAD, Math.max(1, Math.round(load * LOAD_UNITS)))
        rows.push({ slot, id: key.id, load: units, inUse: inUse(slot) })
      }
    }
    return rows
  }

  /** What became of a row of `tell`: told, or without room in the word (load 0). */
  said(slot: number, load: number): void {
    const key = this.#keys.get(slot)
    if (key === undefined) return
    key.told = load
    if (load === 0) this.#give(slot, 1 / this.#average)
  }

  /** Divides anew. */
  hear(news: KeyNews): void {
    this.#now = news.at
    this.#board = 'answers'
    if (news.replicas === 1) return this.#alone()
    if (this.#news === undefined) this.#begin()
    this.#news = news
    this.#untold = 1
    let tellers = 0
    for (const [slot, key] of this.#keys) {
      key.others = news.of(key.id)
      tellers += key.others.length + 1
      this.#give(slot, this.#partOf(slot, key))
    }
    if (this.#keys.size > 0) this.#tellers = tellers / this.#keys.size
  }

  /** The board does not answer any more: parts stay as they are. */
  gone(): void {
    this.#board = 'gone'
  }

  /** It has been gone for long: equal parts. */
  cut(at: Millis): void {
    if (this.#news === undefined || this.#board === 'cut') return
    this.#now = at
    this.#board = 'cut'
    this.#untold = 1 / this.#average
    for (let slot = 0; slot < this.#parts.length; slot++) {
      const key = this.#keys.get(slot)
      this.#give(slot, key === undefined ? this.#untold : 1 / (key.others.length + 1))
    }
  }

  get #average(): number {
    return this.#tellers > 0 ? this.#tellers : (this.#news?.replicas ?? 1)
  }

  #begin(): void {
    const { slots } = this.#limit
    this.#loads = new Float32Array(slots)
    this.#felt = new Float64Array(slots)
    this.#parts = new Float32Array(slots).fill(1)
  }

  #alone(): void {
    if (this.#news === undefined) return
    for (let slot = 0; slot < this.#parts.length; slot++) this.#give(slot, 1)
    this.#news = undefined
    this.#keys.clear()
    this.#tellers = 0
  }

  #faded(slot: number, at: Millis): number {
    const { limit, unit, inUse } = this.#limit
    const faded = this.#loads[slot]! * Math.exp((this.#felt[slot]! - at) / this.#tauMs)
    return unit === 'at once' ? Math.max(faded, inUse(slot) / limit) : faded
  }

  /** What the others believe of it; before they know of it, what it feels. */
  #own(slot: number, key: Key): number {
    return key.told > 0 ? key.told : Math.max(1, Math.round(this.#loads[slot]! * LOAD_UNITS))
  }

  #partOf(slot: number, key: Key): number {
    if (key.others.length === 0) return 1
    const loads = [...key.others.map(({ load }) => load), this.#own(slot, key)]
    return partsFrom(loads).at(-1)!
  }

  #give(slot: number, part: number): void {
    const before = this.#parts[slot]!
    if (Math.abs(before - part) < 1e-6) return
    this.#parts[slot] = part
    this.#limit.onPart(slot, before, part, this.#now)
  }
}

const NONE: Float32Array | Float64Array = new Float32Array(0)

/** Systematic sampling as in `placesOf`, with a start of its own for each key. */
function placesFrom(limit: number, news: KeyNews, key: Key, own: number): number {
  const members = [...key.others, { replica: news.replica, load: own, inUse: 0 }]
  members.sort((a, b) => (a.replica < b.replica ? -1 : 1))
  const parts = partsFrom(members.map(({ load }) => load))
  const offset = ((news.round + (key.id % 1024)) * GOLDEN) % 1
  let sum = 0
  let before = 0
  for (const [index, { replica }] of members.entries()) {
    sum += parts[index]! * limit
    const upTo = index === members.length - 1 ? limit : Math.min(limit, Math.floor(sum + offset))
    if (replica === news.replica) return upTo - before
    before = upTo
  }
  return 0
}

/** Fewer than one each would leave a replica without any for as long as the board is gone. */
function atLeastOne(places: number): number {
  return Math.max(1, Math.floor(places))
}
