/**
 * The waiting calls of one upstream: which gets in, which goes next, which has waited too long.
 *
 * Who finishes a held call, exactly once: `next` (it goes upstream), `expire` (its hold is over) or `remove` (its
 * client left). After `next` the queue remembers the guessed cost until `complete`.
 *
 * Order: the highest class that waits goes first, save that each lower class is owed its guaranteed share of what
 * is served; inside a class agents are served fairly. When the queue is full, whoever comes takes the place of the
 * youngest of the longest line, in a lower class first (McKenney, Stochastic Fairness Queueing, 1990: only so is a
 * full queue fair to those who ask for little), and is refused if its own line is as long.
 */
import { PRIORITIES, type CallSlot, type Millis, type Priority } from '../model.ts'
import type { HoldPolicy } from '../policy.ts'
import { CLASS_SHARES, guaranteed } from './class-shares.ts'
import { FairLane } from './fair-lane.ts'
import { IndexedHeap } from './indexed-heap.ts'
import { LET_GO, OVERDUE, UNKNOWN, WAITING, WaitingCalls } from './waiting-calls.ts'

export type Offered = 'queued' | 'queue-full' | 'hold-memory' | 'fair-share'

export interface HoldOffer {
  readonly call: CallSlot
  readonly agentSlot: number
  readonly priority: Priority
  /** When its hold is over. */
  readonly until: Millis
  /** Guess of what it costs the upstream: the usual service time of its route in ms. */
  readonly cost: number
  readonly bytes: number
}

const COST_MIN = 1
const COST_MAX = 600_000

const GUARANTEED = PRIORITIES.map((priority) => guaranteed(CLASS_SHARES[priority]))

export class HoldQueue {
  #policy: HoldPolicy
  readonly #calls = new WaitingCalls()
  readonly #lanes = PRIORITIES.map(() => new FairLane(this.#calls))
  /** Service that each class is owed, in units of cost. */
  readonly #owed = new Float64Array(PRIORITIES.length)
  readonly #expiry = new IndexedHeap()
  readonly #overdue = new IndexedHeap()
  #byAgent = new Uint32Array(64)
  #size = 0
  #bytes = 0

  constructor(policy: HoldPolicy) {
    this.#policy = policy
  }

  /** Takes other caps; whoever waits keeps its place. */
  adopt(policy: HoldPolicy): void {
    this.#policy = policy
  }

  /** @throws Error if this call already waits. */
  offer(offer: HoldOffer, at: Millis): Offered {
    this.#sweep(at)
    const { call, agentSlot, until } = offer
    const { rank } = CLASS_SHARES[offer.priority]
    const calls = this.#calls
    calls.reach(call)
    if (this.#waits(call)) throw new Error(`call ${call} already waits`)
    const { maxCalls, maxPerAgent, maxBytes } = this.#policy
    if (this.sizeOfAgent(agentSlot) >= maxPerAgent) return 'fair-share'
    if (this.#bytes + offer.bytes > maxBytes) return 'hold-memory'
    if (this.#expiry.size >= maxCalls && !this.#makeRoom(rank, agentSlot, at)) return 'queue-full'
    calls.state[call] = WAITING
    calls.rank[call] = rank
    calls.agent[call] = agentSlot
    calls.until[call] = until
    calls.cost[call] = bounded(offer.cost)
    calls.bytes[call] = offer.bytes
    this.#count(agentSlot, 1)
    this.#size++
    this.#bytes += offer.bytes
    this.#lanes[rank]?.push(call)
    this.#expiry.set(call, until)
    return 'queued'
  }

  /** Takes out a call whose client left; false if it does not wait. */
  remove(call: CallSlot): boolean {
    if (!this.#waits(call)) return false
    if (this.#calls.state[call] === WAITING) this.#lane(call)?.remove(call)
    this.#leave(call, UNKNOWN)
    return true
  }

  /** The call that goes next, taken out; -1 = none. Calls whose hold is over are left for `expire`. */
  next(at: Millis): CallSlot {
    this.#sweep(at)
    const rank = this.#turn()
    const call = this.#lanes[rank]?.shift() ?? -1
    if (call < 0) return -1
    this.#pay(rank, this.#calls.cost[call] ?? 0)
    this.#leave(call, LET_GO)
    return call
  }

  /** Takes out every call whose hold is over, the earliest first; `displaced` = it yielded to another before. */
  expire(at: Millis, onExpired: (call: CallSlot, displaced: boolean) => void): void {
    this.#sweep(at)
    for (let call = this.#overdue.top; call >= 0; call = this.#overdue.top) {
      const displaced = (this.#calls.until[call] ?? 0) > this.#overdue.topKey
      this.#leave(call, UNKNOWN)
      onExpired(call, displaced)
    }
  }

  /** A call ended upstream after `actualCost`; puts its agent's account right. Nothing if it never waited. */
  complete(call: CallSlot, actualCost: number): void {
    const calls = this.#calls
    if (calls.state[call] !== LET_GO) return
    calls.state[call] = UNKNOWN
    this.#lane(call)?.correct(calls.agent[call] ?? 0, calls.cost[call] ?? 0, bounded(actualCost))
  }

  /**
   * How long one more call of this agent would wait while `ratePerSecond` calls go out: those of higher classes,
   * and in its own class as many of each other agent as its own line is long; never longer than its class's
   * guaranteed share makes it. Infinity = nothing goes out.
   */
  waitEstimateMs(priority: Priority, agentSlot: number, ratePerSecond: number): Millis {
    if (!(ratePerSecond > 0)) return Infinity
    const { rank } = CLASS_SHARES[priority]
    const lane = this.#lanes[rank]
    if (lane === undefined) return Infinity
    let above = 0
    let owedBelow = 0
    for (const [other, { size }] of this.#lanes.entries()) {
      if (other < rank) above += size
      else if (other > rank && size > 0) owedBelow += GUARANTEED[other] ?? 0
    }
    const own = lane.lengthOf(agentSlot)
    const otherLines = lane.lines - (own > 0 ? 1 : 0)
    const beside = own + Math.min(lane.size - own, (own + 1) * otherLines)
    const inTurn = (above + beside) / (1 - owedBelow)
    const byShare = above > 0 ? beside / (GUARANTEED[rank] ?? 0) : inTurn
    const ahead = beside > 0 ? Math.min(inTurn, byShare) : inTurn
    return (1000 * ahead) / ratePerSecond
  }

  /** When `expire` has something to do next; Infinity = nobody waits. */
  nextExpiry(): Millis {
    return Math.min(this.#overdue.topKey, this.#expiry.topKey)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  sizeOf(priority: Priority): number {
    return this.#lanes[CLASS_SHARES[priority].rank]?.size ?? 0
  }

  sizeOfAgent(agentSlot: number): number {
    return this.#byAgent[agentSlot] ?? 0
  }

  /** Ends the hold of one call that must yield to a new one of this class and agent; false if none must. */
  #makeRoom(rank: number, agentSlot: number, at: Millis): boolean {
    for (let lower = this.#lanes.length - 1; lower >= rank; lower--) {
      const lane = this.#lanes[lower]
      const call = lane?.youngest() ?? -1
      if (lane === undefined || call < 0) continue
      // With one call more its own line would be the longest: it has nothing to claim from others.
      const theirs = lane.lengthOf(this.#calls.agent[call] ?? 0)
      if (lower === rank && theirs < lane.lengthOf(agentSlot) + 2) return false
      this.#endHold(call, at)
      return true
    }
    return false
  }

  /** The class whose turn it is: the highest that waits, unless a lower one is owed its next call. */
  #turn(): number {
    let highest = -1
    for (const [rank, lane] of this.#lanes.entries()) {
      if (lane.size === 0) {
        this.#owed[rank] = 0
        continue
      }
      if (highest < 0) highest = rank
      else if ((this.#owed[rank] ?? 0) >= (this.#calls.cost[lane.peek()] ?? 0)) return rank
    }
    return highest
  }

  /** `cost` was served to the class `served`; the classes that wait earn their guaranteed part of it. */
  #pay(served: number, cost: number): void {
    for (const [rank, lane] of this.#lanes.entries()) {
      const owed = this.#owed[rank] ?? 0
      const left = rank === served ? Math.max(0, owed - cost) : owed
      this.#owed[rank] = lane.size > 0 ? left + (GUARANTEED[rank] ?? 0) * cost : 0
    }
  }

  #sweep(at: Millis): void {
    while (this.#expiry.size > 0 && this.#expiry.topKey <= at) {
      this.#endHold(this.#expiry.top, this.#expiry.topKey)
    }
  }

  /** Takes a waiting call off its line; `expire` finishes it. */
  #endHold(call: CallSlot, at: Millis): void {
    this.#lane(call)?.remove(call)
    this.#overdue.set(call, at)
    this.#expiry.remove(call)
    this.#calls.state[call] = OVERDUE
  }

  #leave(call: CallSlot, state: number): void {
    const calls = this.#calls
    calls.state[call] = state
    this.#expiry.remove(call)
    this.#overdue.remove(call)
    this.#count(calls.agent[call] ?? 0, -1)
    this.#size--
    this.#bytes -= calls.bytes[call] ?? 0
  }

  #count(agentSlot: number, change: number): void {
    if (agentSlot >= this.#byAgent.length) {
      const larger = new Uint32Array(Math.max(2 * this.#byAgent.length, agentSlot + 1))
      larger.set(this.#byAgent)
      this.#byAgent = larger
    }
    this.#byAgent[agentSlot] = (this.#byAgent[agentSlot] ?? 0) + change
  }

  #waits(call: CallSlot): boolean {
    const state = this.#calls.state[call]
    return state === WAITING || state === OVERDUE
  }

  #lane(call: CallSlot): FairLane | undefined {
    return this.#lanes[this.#calls.rank[call] ?? -1]
  }
}

function bounded(cost: number): number {
  return Math.min(COST_MAX, Math.max(COST_MIN, cost))
}
