/** All that a report says, as data: what `--json` prints, and what the page and the Markdown are written from. */
import type { Millis } from '../../core/model.ts'
import type { CallersFindings } from './callers.ts'
import type { ConditionFindings } from './conditions.ts'
import type { FanOutFindings } from './fan-out.ts'
import type { LatencyFindings } from './latency-bands.ts'
import type { HeatFindings } from './retry-heat.ts'
import type { TrafficFindings } from './traffic.ts'
import type { WeirFindings } from './weir-acts.ts'
import type { WhatIfFindings } from './what-if.ts'
import type { WorstStretch } from './worst-stretch.ts'

export const REPORT_VERSION = 1

export interface UpstreamFindings {
  readonly name: string
  readonly traffic: TrafficFindings
  readonly latency: LatencyFindings
  readonly conditions: ConditionFindings
  readonly heat: HeatFindings
}

/** A part of a journal that could not be read. */
export interface LeftOut {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly reason: string
}

export interface SourceFindings {
  /** Who wrote it, each once. */
  readonly writers: readonly string[]
  readonly runs: number
  readonly parts: number
  readonly events: number
  /** Lines that the writer had to drop. */
  readonly dropped: number
  readonly hashedIds: boolean
  /** `enforced`: Weir acted. `shadow`: it only noted what it would do. `observed`: no rule had an opinion. `imported`. */
  readonly mode: 'enforced' | 'shadow' | 'observed' | 'imported'
  /** Arrivals that were placed late: calls that lasted longer than the analysis waits. */
  readonly late: number
  readonly leftOut: readonly LeftOut[]
  /** More than are listed. */
  readonly leftOutMore: number
}

export interface Findings {
  readonly kind: 'weir-report'
  readonly version: typeof REPORT_VERSION
  readonly source: SourceFindings
  readonly time: {
    /** RFC 3339. */
    readonly from: string
    readonly to: string
    readonly fromMs: Millis
    readonly toMs: Millis
    /** Of every series: its first column begins here, ms since the epoch. */
    readonly seriesFromMs: Millis
    readonly bucketMs: Millis
    readonly columns: number
  }
  readonly pricePerCall: number
  readonly currency: string
  /** Of all upstreams together. */
  readonly total: TrafficFindings
  /** null = nothing stands out. */
  readonly worst: WorstStretch | null
  /** Most trouble first. */
  readonly upstreams: readonly UpstreamFindings[]
  readonly fanOut: FanOutFindings
  readonly callers: CallersFindings
  readonly weir: WeirFindings
  /** Absent = not asked for, or Weir acted in this journal: what it did says more. */
  readonly whatIf?: WhatIfFindings
}
