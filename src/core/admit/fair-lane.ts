/**
 * The waiting calls of one priority class, shared out fairly between agents: start-time fair queueing (Goyal, Vin
 * and Cheng, SIGCOMM 1996). Each agent has a line of its own and a tag, the service that it has had; the line
 * with the least tag goes next and pays the guessed cost of its call. A guess that was wrong is put right when the
 * call ends (KEP-1040: guess G, then refund G - S). Two agents that both wait never differ by more than the two
 * largest costs. Agents are dense slots, so every agent has its own line until there are more than LINES of them.
 *
 * Inside a line the earliest deadline goes first, and calls of one deadline in order of arrival.
 */
import type { CallSlot } from '../model.ts'
import { IndexedHeap } from './indexed-heap.ts'
import type { WaitingCalls } from './waiting-calls.ts'

/** A power of two. Past it agents share lines, as all do in KEP-1040 with its 64 or 128 queues. */
const LINES = 1024
/** One call that ran far beyond its guess costs its agent at most this many guesses. */
const MOST_GUESSES = 8

export class FairLane {
  readonly #calls: WaitingCalls
  readonly #head = new Int32Array(LINES).fill(-1)
  readonly #tail = new Int32Array(LINES).fill(-1)
  readonly #length = new Uint32Array(LINES)
  readonly #tag = new Float64Array(LINES)
  readonly #order = new IndexedHeap()
  /** Virtual time: the tag of the line that was served last. */
  #virtual = 0
  #largestTag = 0
  #size = 0

  constructor(calls: WaitingCalls) {
    this.#calls = calls
  }

  get size(): number {
    return this.#size
  }

  /** Lines with somebody in them. */
  get lines(): number {
    return this.#order.size
  }

  lengthOf(agentSlot: number): number {
    return this.#length[line(agentSlot)] ?? 0
  }

  /** The call that has lost least if it must go: the last of the longest line; -1 = nobody waits. */
  youngest(): CallSlot {
    let longest = 0
    for (let at = 1; at < LINES; at++)
      if ((this.#length[at] ?? 0) > (this.#length[longest] ?? 0)) longest = at
    return this.#tail[longest] ?? -1
  }

  push(call: CallSlot): void {
    const { agent, until, next, previous } = this.#calls
    const at = line(agent[call] ?? 0)
    // Almost always the end of the line: holds of one length expire in order of arrival.
    const deadline = until[call] ?? 0
    let after = this.#tail[at] ?? -1
    while (after >= 0 && (until[after] ?? 0) > deadline) after = previous[after] ?? -1
    const before = after < 0 ? (this.#head[at] ?? -1) : (next[after] ?? -1)
    previous[call] = after
    next[call] = before
    if (after < 0) this.#head[at] = call
    else next[after] = call
    if (before < 0) this.#tail[at] = call
    else previous[before] = call
    this.#size++
    this.#length[at] = (this.#length[at] ?? 0) + 1
    if (this.#order.has(at)) return
    // Who comes back to an empty line owes what it has had beyond the others, and has saved nothing.
    const tag = Math.max(this.#tag[at] ?? 0, this.#virtual)
    this.#tag[at] = tag
    this.#order.set(at, tag)
  }

  /** The call that goes next, left in its place; -1 = nobody waits. */
  peek(): CallSlot {
    const at = this.#order.top
    return at < 0 ? -1 : (this.#head[at] ?? -1)
  }

  /** Takes out the call that goes next and charges its cost; -1 = nobody waits. */
  shift(): CallSlot {
    const call = this.peek()
    if (call < 0) return -1
    const at = this.#order.top
    this.#virtual = this.#tag[at] ?? 0
    this.#setTag(at, this.#virtual + (this.#calls.cost[call] ?? 0))
    this.remove(call)
    return call
  }

  /** Takes a waiting call out without charge. */
  remove(call: CallSlot): void {
    const { agent, next, previous } = this.#calls
    const at = line(agent[call] ?? 0)
    const after = previous[call] ?? -1
    const before = next[call] ?? -1
    if (after < 0) this.#head[at] = before
    else next[after] = before
    if (before < 0) this.#tail[at] = after
    else previous[before] = after
    this.#size--
    this.#length[at] = (this.#length[at] ?? 1) - 1
    if (this.#length[at] === 0) this.#order.remove(at)
    // Nobody waits: nobody has been wronged, so all start even.
    if (this.#size === 0) this.#virtual = this.#largestTag
  }

  /** A call of this agent that was charged `guess` has cost `actual`. */
  correct(agentSlot: number, guess: number, actual: number): void {
    const at = line(agentSlot)
    const change = Math.min(actual, MOST_GUESSES * guess) - guess
    this.#setTag(at, Math.max(this.#virtual, (this.#tag[at] ?? 0) + change))
  }

  #setTag(at: number, tag: number): void {
    this.#tag[at] = tag
    if (tag > this.#largestTag) this.#largestTag = tag
    if (this.#order.has(at)) this.#order.set(at, tag)
  }
}

function line(agentSlot: number): number {
  return agentSlot & (LINES - 1)
}
