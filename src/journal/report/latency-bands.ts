/**
 * Response times over time. A sample is an attempt from sent to done, for streams to the first byte. Attempts that
 * nobody answered, because their clients gave up or the connection broke, count with the time that they had waited:
 * leaving them out would make the tail look best when it is worst. Errors that were answered, quick as they mostly
 * are, say nothing about speed and are left out.
 */
import type { Millis } from '../../core/model.ts'
import {
  LATENCY_BUCKETS,
  LatencyHistogram,
  latencyBucket,
  quantileOf,
} from '../../core/observe/latency-histogram.ts'
import type { CallLine } from '../line.ts'
import { GRID_COLUMNS, type TimeGrid } from './time-grid.ts'
import type { TimeView } from './time-view.ts'

/** Fewer samples make no quantile of one column. */
const FEWEST_SAMPLES = 3

export interface Bands {
  readonly p50: Millis
  readonly p90: Millis
  readonly p99: Millis
}

export interface LatencyFindings {
  readonly samples: number
  /** Of the whole journal; null = no sample. */
  readonly all: Bands | null
  readonly series: {
    readonly samples: readonly number[]
    readonly p50: readonly (Millis | null)[]
    readonly p90: readonly (Millis | null)[]
    readonly p99: readonly (Millis | null)[]
  }
}

export class LatencyBands {
  readonly #grid: TimeGrid
  readonly #cells: Uint32Array
  readonly #all = new LatencyHistogram()

  constructor(grid: TimeGrid) {
    this.#grid = grid
    this.#cells = grid.track(new Uint32Array(GRID_COLUMNS * LATENCY_BUCKETS), 'sum', LATENCY_BUCKETS)
  }

  add(line: CallLine, at: Millis): void {
    const latency = latencyOf(line)
    if (latency === undefined) return
    const column = this.#grid.at(at + line.endMs)
    if (column < 0) return
    this.#cells[column * LATENCY_BUCKETS + latencyBucket(latency)]! += 1
    this.#all.record(latency)
  }

  findings(view: TimeView): LatencyFindings {
    const merged = Array.from({ length: view.columns }, () => new Uint32Array(LATENCY_BUCKETS))
    const samples = Array.from<number>({ length: view.columns }).fill(0)
    for (let cell = 0; cell < this.#cells.length; cell++) {
      const count = this.#cells[cell]!
      if (count === 0) continue
      const column = view.of(Math.floor(cell / LATENCY_BUCKETS))
      merged[column]![cell % LATENCY_BUCKETS]! += count
      samples[column]! += count
    }
    const series = (p: number): (Millis | null)[] =>
      merged.map((counts, column) =>
        samples[column]! < FEWEST_SAMPLES ? null : quantileOf(counts, samples[column]!, p),
      )
    const all = this.#all
    return {
      samples: all.total,
      all:
        all.total === 0 ? null : { p50: all.quantile(0.5), p90: all.quantile(0.9), p99: all.quantile(0.99) },
      series: { samples, p50: series(0.5), p90: series(0.9), p99: series(0.99) },
    }
  }
}

function latencyOf(line: CallLine): Millis | undefined {
  const { settled, sentMs, headMs, endMs } = line
  if (line.longLived === true || sentMs === undefined) return undefined
  if (settled === 'success') return (line.streaming === true ? (headMs ?? endMs) : endMs) - sentMs
  const isUnanswered = (settled === 'failure' || settled === 'cancelled') && headMs === undefined
  return isUnanswered ? endMs - sentMs : undefined
}
