/** How soon the next exchange at a topic is due. */
import { FRESH_MS, type Restlessness } from '../core/fleet.ts'
import type { Millis } from '../core/model.ts'
import type { Random } from '../core/random.ts'

/**
 * About twice a second (algorithms.md 3(8)). Seldom while there is nothing to tell, and for the few upstreams that are
 * not well more often, as the limit of all replicas waits for each word; most often on the way back, which takes seconds.
 */
const EVERY_MS: Readonly<Record<Restlessness, Millis>> = {
  quiet: 1000,
  restless: 500,
  unwell: 200,
  turning: 100,
}
/** Replicas that start together do not stay in step. */
const JITTER = 0.2
/** Ten replicas stay below 500 exchanges a second together, however many upstreams are not well at once. */
const MOST_PER_SECOND = 45
/**
 * What all replicas read grows with the square of their number, and one server serves it from one core: past this many
 * they come more seldom in proportion, as long as their words are still fresh when they are read.
 */
const REPLICAS = 250
const LONGEST_MS = FRESH_MS
/** News are told at once, though not twice within this. */
const URGENT_MS: Millis = 100

export class ExchangePace {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /**
   * @param load exchanges per second of all topics at their usual paces
   * @param replicas that are known, this one included
   */
  after(restlessness: Restlessness, load: number, replicas: number): Millis {
    const every = EVERY_MS[restlessness]
    const crowded = Math.max(every, Math.min(LONGEST_MS, (every * replicas) / REPLICAS))
    return crowded * stretch(load) * (1 - JITTER + 2 * JITTER * this.#random())
  }

  /** How long after the last word news may follow, at the `load` of `after`. */
  static urgentAfter(load: number): Millis {
    return URGENT_MS * stretch(load)
  }

  /** Exchanges per second of such a topic. */
  static load(restlessness: Restlessness): number {
    return 1000 / EVERY_MS[restlessness]
  }
}

function stretch(load: number): number {
  return Math.max(1, load / MOST_PER_SECOND)
}
