/** How soon the next exchange at a topic is due. */
import type { Restlessness } from '../core/fleet.ts'
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
/** News are told at once, though not twice within this. */
export const URGENT_MS: Millis = 100

export class ExchangePace {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** @param load exchanges per second of all topics at their usual paces */
  after(restlessness: Restlessness, load: number): Millis {
    const stretched = Math.max(1, load / MOST_PER_SECOND)
    return EVERY_MS[restlessness] * stretched * (1 - JITTER + 2 * JITTER * this.#random())
  }

  /** Exchanges per second of such a topic. */
  static load(restlessness: Restlessness): number {
    return 1000 / EVERY_MS[restlessness]
  }
}
