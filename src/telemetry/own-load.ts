/**
 * How near Weir itself is to its limits: heap, memory of the container, delay of the event loop. 0 = calm, 1 = at the
 * limit; the core stops holding from 0.8 and sheds from 0.9 (Envoy's overload manager works the same way, with heap
 * only, and refreshes every 250 ms as well).
 *
 * The level is the lower one of two readings in a row: garbage that the next collection takes away, or one stall (a
 * stopped process, a long collection) is no pressure.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { IntervalHistogram } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Millis } from '../core/model.ts'

/** Between two readings. */
export const PRESSURE_EVERY_MS: Millis = 250
/** A median turn of the loop that is this late is the limit: every answer is then late by as much. */
const fullDelayMs: Millis = 500
/** Resolution of the delay monitor; a timer is never earlier than that. */
const resolutionMs: Millis = 10

export interface LoadReading {
  readonly heapUsed: number
  readonly heapLimit: number
  readonly rss: number
  /** 0 = not limited. */
  readonly memoryLimit: number
  /** Median delay of the event loop since the last reading. */
  readonly delayMs: Millis
}

/** Who asks for the delay of the loop: each hears of what happened since it last asked. */
export type LoopReader = 'scrape' | 'export'

export interface LoopDelay {
  readonly p50: Millis
  readonly p99: Millis
  readonly max: Millis
}

/** Share of the scarcest resource that is used, 0..1. */
export function loadLevel(reading: LoadReading): number {
  const heap = reading.heapUsed / reading.heapLimit
  const memory = reading.memoryLimit > 0 ? reading.rss / reading.memoryLimit : 0
  return Math.min(1, Math.max(heap, memory, reading.delayMs / fullDelayMs, 0))
}

export class OwnLoad {
  readonly #read: () => LoadReading
  #previous = 0
  #level = 0

  constructor(read: () => LoadReading) {
    this.#read = read
  }

  get level(): number {
    return this.#level
  }

  /** Takes a reading and answers the level, 0..1. */
  sample(): number {
    const raw = loadLevel(this.#read())
    this.#level = Math.min(raw, this.#previous)
    this.#previous = raw
    return this.#level
  }
}

/** Reads this process. */
export class ProcessLoad {
  readonly #recent: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs })
  readonly #scraped: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs })
  /** Made by the first export: there is rarely one. */
  #exported: IntervalHistogram | undefined

  start(): void {
    this.#recent.enable()
    this.#scraped.enable()
  }

  stop(): void {
    this.#recent.disable()
    this.#scraped.disable()
    this.#exported?.disable()
  }

  read(): LoadReading {
    const heap = getHeapStatistics()
    const delayMs = late(this.#recent.count === 0 ? 0 : this.#recent.percentile(50))
    this.#recent.reset()
    return {
      heapUsed: heap.used_heap_size,
      heapLimit: heap.heap_size_limit,
      rss: process.memoryUsage.rss(),
      memoryLimit: containerLimit(),
      delayMs,
    }
  }

  /** The delay since `reader` last asked. */
  loopDelay(reader: LoopReader = 'scrape'): LoopDelay {
    const seen = reader === 'scrape' ? this.#scraped : this.#exports()
    if (seen.count === 0) return { p50: 0, p99: 0, max: 0 }
    const delay = { p50: late(seen.percentile(50)), p99: late(seen.percentile(99)), max: late(seen.max) }
    seen.reset()
    return delay
  }

  #exports(): IntervalHistogram {
    if (this.#exported === undefined) {
      this.#exported = monitorEventLoopDelay({ resolution: resolutionMs })
      this.#exported.enable()
    }
    return this.#exported
  }
}

function late(nanoseconds: number): Millis {
  return Math.max(0, nanoseconds / 1e6 - resolutionMs)
}

/** Bytes that the cgroup allows; 0 = it allows all. An absent limit reads as 0 or as a number beyond 2^50. */
function containerLimit(): number {
  const limit = process.constrainedMemory()
  return limit > 0 && limit < 2 ** 50 ? limit : 0
}
