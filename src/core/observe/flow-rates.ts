/** How much flows through one upstream: lately, while it was well, and at its best. */
import type { Millis } from '../model.ts'
import { UnbiasedMean } from './unbiased-mean.ts'

/** Half-life of the recent rate is about one second. */
const RECENT_MS = 1400
const FRESH_MS = 5000
const USUAL_MS = 10_000
const HEALTHY_MS = 60_000
/** What was borne is believed for about a minute without being tried again. */
const CAPACITY_MS = 60_000
const PEAK_MS = 600_000
/**
 * A pile may be the jam itself: it becomes the new peak only as it lasts without being one. A jam that builds up slowly
 * would otherwise raise the peak as it grows, and never stand out from it.
 */
const PILE_MS = 2000
/** A limit begins a little above the usual concurrency. */
const HEADROOM = 1.2

export interface FlowSeen {
  readonly inFlight: number
  readonly healthy: boolean
  /** Calls wait while all places are taken: what is answered is all that can be. */
  readonly saturated: boolean
  /** More in flight than ever, or many of them overdue: what is there may be a jam, not what the upstream bears. */
  readonly doubtful: boolean
}

export class FlowRates {
  /** Answers per second, smoothed: lately, and while healthy. */
  recent = 0
  /** Answers per second at its best lately: what it bears, as far as it was asked to. */
  capacity = 0
  /** First tries per second, smoothed. */
  fresh = 0
  /** In flight while healthy: the most, fading slowly. */
  peak = 0
  readonly #usual = new UnbiasedMean()
  readonly #healthy = new UnbiasedMean()
  #healthyFloor = 0
  #answers = 0
  #firsts = 0

  /** Answers per second while healthy: what a release climbs back to. */
  get healthy(): number {
    return Math.max(this.#healthy.value, this.#healthyFloor)
  }

  /** In flight while healthy: the usual number. */
  get usual(): number {
    return this.#usual.value
  }

  /** In flight: where a limit begins; 0 = nothing was seen in health. */
  get limit(): number {
    return Math.min(this.peak, HEADROOM * this.usual)
  }

  answered(): void {
    this.#answers += 1
  }

  firstTry(): void {
    this.#firsts += 1
  }

  /** Takes in what came in the last `elapsed` ms. */
  tick(elapsed: Millis, { inFlight, healthy, saturated, doubtful }: FlowSeen): void {
    const answers = (this.#answers * 1000) / elapsed
    const firsts = (this.#firsts * 1000) / elapsed
    this.#answers = 0
    this.#firsts = 0
    this.recent += (answers - this.recent) * part(elapsed, RECENT_MS)
    this.fresh += (firsts - this.fresh) * part(elapsed, FRESH_MS)
    const faded = this.capacity * (1 - part(elapsed, CAPACITY_MS))
    this.capacity = saturated ? this.recent : Math.max(this.recent, faded)
    if (!healthy) return
    this.#healthy.add(answers, part(elapsed, HEALTHY_MS))
    this.#healthyFloor = this.recent * 0.5
    if (doubtful) this.peak += (inFlight - this.peak) * part(elapsed, PILE_MS)
    else this.peak = Math.max(inFlight, this.peak * (1 - part(elapsed, PEAK_MS)))
    this.#usual.add(inFlight, part(elapsed, USUAL_MS))
  }
}

function part(elapsed: Millis, whole: Millis): number {
  return Math.min(1, elapsed / whole)
}
