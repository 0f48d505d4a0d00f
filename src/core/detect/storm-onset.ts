/**
 * When a wave of retries began, and who was in it: a bucket that leaks at the ordinary rate of retries is empty
 * until more come than that; the wave begins with the retry that the bucket last started to fill from.
 * Keeps the first 32 agents of the wave, a sample that tells whether two upstreams suffer from the same callers.
 */
import type { Millis } from '../model.ts'

const SAMPLE = 32

export class StormOnset {
  readonly #agents = new Int32Array(SAMPLE)
  #sampled = 0
  #level = 0
  #at: Millis = 0
  #lastAt: Millis = 0
  #stormedAt: Millis = -Infinity

  /** First retry of the latest wave; 0 = none so far. */
  get at(): Millis {
    return this.#at
  }

  /** The last instant at which a storm was forming or on; -Infinity = never. */
  get stormedAt(): Millis {
    return this.#stormedAt
  }

  /** Agents of the wave, at most 32, in order of appearance. */
  get agents(): Int32Array {
    return this.#agents.subarray(0, this.#sampled)
  }

  retry(agentSlot: number, weight: number, leakPerMs: number, at: Millis): void {
    this.#level = Math.max(0, this.#level - leakPerMs * (at - this.#lastAt))
    this.#lastAt = at
    if (this.#level === 0) {
      this.#at = at
      this.#sampled = 0
    }
    this.#level += weight
    if (this.#sampled === SAMPLE || this.agents.includes(agentSlot)) return
    this.#agents[this.#sampled] = agentSlot
    this.#sampled += 1
  }

  stormed(at: Millis): void {
    this.#stormedAt = at
  }

  forget(agentSlot: number): void {
    const found = this.agents.indexOf(agentSlot)
    if (found === -1) return
    this.#sampled -= 1
    this.#agents[found] = this.#agents[this.#sampled] ?? 0
  }
}
