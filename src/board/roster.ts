/** Who was heard of at one topic, and when: words turned into the view that the core learns from. No clock, no I/O. */
import { GONE_MS } from '../core/fleet.ts'
import type { Millis } from '../core/model.ts'
import type { Exchanged } from './board.ts'
import type { WordFormat } from './word-format.ts'

/** Who fell silent without leaving may be cut off and still send: its share is kept free for so long. */
const KEPT_MS = 30_000
/** Replicas known at one topic; more are not listened to. */
export const MOST_REPLICAS = 2048

export interface HeardPeer<S> {
  readonly replica: string
  /** When its newest word arrived here. */
  readonly arrivedAt: Millis
  readonly summary: S
}

export interface HeardView<S> {
  readonly at: Millis
  readonly replica: string
  readonly linked: boolean
  readonly peers: readonly HeardPeer<S>[]
  readonly steward: string
  readonly epoch: number
}

interface Heard<S> extends HeardPeer<S> {
  readonly sequence: number
}

export class Roster<S> {
  /** Words that could not be read: another format, or noise. */
  unreadable = 0
  readonly #replica: string
  readonly #format: WordFormat<S>
  readonly #heard = new Map<string, Heard<S>>()
  #steward = ''
  #epoch = 0
  #heardAt: Millis = -Infinity

  /** @param format of the words of this topic */
  constructor(replica: string, format: WordFormat<S>) {
    this.#replica = replica
    this.#format = format
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Others that were heard of and not forgotten. */
  get known(): number {
    return this.#heard.size
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

  view(at: Millis, linked: boolean): HeardView<S> {
    for (const [name, { arrivedAt }] of this.#heard) {
      if (linked && at - arrivedAt >= KEPT_MS) this.#heard.delete(name)
    }
    return {
      at,
      replica: this.#replica,
      linked,
      peers: [...this.#heard.values()],
      steward: this.#steward,
      epoch: this.#epoch,
    }
  }

  /** Others that count now. */
  fresh(at: Millis): readonly HeardPeer<S>[] {
    return [...this.#heard.values()].filter(({ arrivedAt }) => at - arrivedAt < GONE_MS)
  }

  /** A word that says nothing new does not make its replica younger: its process may be gone. */
  #take(replica: string, word: Uint8Array, at: Millis): void {
    const before = this.#heard.get(replica)
    if (before !== undefined && before.sequence === this.#format.sequenceOf(word)) return
    const read = this.#format.read(word)
    if (read === undefined) {
      this.unreadable += 1
      return
    }
    const { sequence, summary } = read
    if (before === undefined ? this.#heard.size >= MOST_REPLICAS : before.sequence >= sequence) return
    this.#heard.set(replica, { replica, sequence, summary, arrivedAt: at })
  }
}
