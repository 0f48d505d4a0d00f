/** Where the metrics are written to, family by family: the text that Prometheus scrapes, or the data of an export. */
import type { HistogramReading } from '../core/reading.ts'
import type { MetricRow } from './metric-names.ts'

export interface MetricPage {
  /** Begins a family; its series must follow before the next family begins. */
  family(row: MetricRow): this
  /** One value; label values in the order of the row's labels. */
  value(row: MetricRow, labelValues: readonly string[], value: number): void
  /** A family of one series without labels. */
  single(row: MetricRow, value: number): void
  /** Readings are in ms, what is shown in seconds. */
  histogram(row: MetricRow, labelValues: readonly string[], reading: HistogramReading): void
}
