/** What the export needs to know, resolved; `config.ts` makes it. */
import type { Millis } from '../../core/model.ts'

export interface OtlpOptions {
  /** Base of the collector; `/v1/traces` and `/v1/metrics` come behind it. */
  readonly endpoint: URL
  /** Sent with every export: credentials of the collector. */
  readonly headers: Readonly<Record<string, string>>
  readonly traces: boolean
  readonly metrics: boolean
  /** Share of the calls without a parent that are traced, 0..1. */
  readonly sampleRatio: number
  /** Between two exports of the metrics. */
  readonly intervalMs: Millis
  readonly serviceName: string
  readonly resource: Readonly<Record<string, string | number | boolean>>
}
