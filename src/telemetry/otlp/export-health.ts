/** What became of the exports: counted for the metrics, and said in the log at most once in 10 s. */
import { errorFields } from '../log.ts'
import type { Log } from '../log.ts'

export const OTLP_SIGNALS = ['traces', 'metrics'] as const
export type OtlpSignal = (typeof OTLP_SIGNALS)[number]

/** Why spans were not exported: no room to wait, the collector did not take them, or Weir went away first. */
export const DROP_REASONS = ['queue-full', 'export-failed', 'shutdown'] as const
export type DropReason = (typeof DROP_REASONS)[number]

export interface OtlpReading {
  /** Spans. */
  readonly dropped: Readonly<Record<DropReason, number>>
  /** Exports. */
  readonly failed: Readonly<Record<OtlpSignal, number>>
}

/** For as long as nothing is exported. */
export const NO_OTLP: OtlpReading = {
  dropped: { 'queue-full': 0, 'export-failed': 0, shutdown: 0 },
  failed: { traces: 0, metrics: 0 },
}

export class ExportHealth implements OtlpReading {
  readonly dropped = { ...NO_OTLP.dropped }
  readonly failed = { ...NO_OTLP.failed }
  readonly #log: Pick<Log, 'limited'>

  constructor(log: Pick<Log, 'limited'>) {
    this.#log = log
  }

  lost(spans: number, reason: DropReason): void {
    if (spans === 0) return
    this.dropped[reason] += spans
    // A failed export has its own line.
    if (reason !== 'export-failed') this.#tell({ spans, reason })
  }

  /** An export failed. Nothing of the collector's answer is repeated but its status. */
  fail(signal: OtlpSignal, error: unknown): void {
    this.failed[signal] += 1
    const status =
      error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : 0
    this.#tell({ signal, ...errorFields(error), ...(status === 0 ? {} : { status }) })
  }

  /** One kind for all: a dead collector fails both signals and fills the queue. */
  #tell(fields: object): void {
    this.#log.limited('warn', 'otlp', fields, 'telemetry does not reach the collector')
  }
}
