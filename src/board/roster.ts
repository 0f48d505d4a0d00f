/** Who was heard of at one topic, and when: words turned into the view that the core learns from. No clock, no I/O. */
import { GONE_MS, type FleetView, type Peer } from '../core/fleet.ts'
import type { Millis, UpstreamIndex } from '../core/model.ts'
import type { Exchanged } from './board.ts'
import { readSummary, sequenceOf } from './summary-format.ts'

/** Who fell silent without leaving may be cut off and still send: its share is kept free for so long. */
const KEPT_MS = 30_000
/** Replicas known at one topic; more are not listened to. */
export const MOST_REPLICAS = 2048

interface Heard extends Peer {
  readonly sequence: number
}

export class Roster {
  /** Words that could not be read: another format, or noise. */
  unreadable = 0
  readonly #replica: string
  readonly #upstream: UpstreamIndex
  readonly #heard = new Map<string, Heard>()
  #steward = ''
  #epoch = 0
  #heardAt: Millis = -Infinity

  constructor(replica: string, upstream: UpstreamIndex) {
    this.#replica = replica
    this.#upstream = upstream
  }

  get epoch(): number {
    return this.#epoch
  }

  /** When the board last answered. */
  get heardAt(): Millis {
    return this.#heardAt
  }

  hear(answer: Exchanged, at: Millis): void {
    for (const { replica, word } of answer.words) {
      // An empty word is a goodbye; no word may be a board that lost its memory, and says nothing.
      if (word.length === 0) this.#heard.delete(replica)
      else this.#take(replica, word, at)
    }
    this.#heardAt = at
    this.#steward = answer.steward
    this.#epoch = Math.max(this.#epoch, answer.epoch)
  }

  view(at: Millis, linked: boolean): FleetView {
    for (const [name, { arrivedAt }] of this.#heard) {
      if (linked && at - arrivedAt >= KEPT_MS) this.#heard.delete(name)
    }
    return {
      at,
      upstream: this.#upstream,
      replica: this.#replica,
      linked,
      peers: [...this.#heard.values()],
      steward: this.#steward,
      epoch: this.#epoch,
    }
  }

  /** Others that count now. */
  fresh(at: Millis): readonly Peer[] {
    return [...this.#heard.values()].filter(({ arrivedAt }) => at - arrivedAt < GONE_MS)
  }

  /** A word that says nothing new does not make its replica younger: its process may be gone. */
  #take(replica: string, word: Uint8Array, at: Millis): void {
    const before = this.#heard.get(replica)
    if (before !== undefined && before.sequence === sequenceOf(word)) return
    const read = readSummary(word)
    if (read === undefined) {
      this.unreadable += 1
      return
    }
    const { sequence, summary } = read
    if (before === undefined ? this.#heard.size >= MOST_REPLICAS : before.sequence >= sequence) return
    this.#heard.set(replica, { replica, sequence, summary, arrivedAt: at })
  }
}
