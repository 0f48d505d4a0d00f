/**
 * The metrics as data of an export: what `metrics.ts` writes for Prometheus, into the SDK's own types. Counters become
 * monotonic sums since the start, gauges stay gauges, histograms keep their buckets. A figure that does not exist (no
 * limit is +Inf for Prometheus) has no point: JSON has no infinity.
 */
import type { Attributes, HrTime } from '@opentelemetry/api'
import type { DataPoint, Histogram, MetricData } from '@opentelemetry/sdk-metrics'
import type { HistogramReading } from '../../core/reading.ts'
import type { MetricRow } from '../metric-names.ts'
import type { MetricPage } from '../metric-page.ts'
import { otlpName } from './metric-names.ts'
import type { OtlpSdk } from './sdk.ts'

interface Family {
  readonly row: MetricRow
  readonly numbers: DataPoint<number>[]
  readonly histograms: DataPoint<Histogram>[]
}

export class MetricDataPage implements MetricPage {
  readonly #sdk: OtlpSdk
  readonly #startTime: HrTime
  readonly #endTime: HrTime
  readonly #families: Family[] = []

  /** @param startTime when the counters were 0; @param endTime now */
  constructor(sdk: OtlpSdk, startTime: HrTime, endTime: HrTime) {
    this.#sdk = sdk
    this.#startTime = startTime
    this.#endTime = endTime
  }

  family(row: MetricRow): this {
    this.#families.push({ row, numbers: [], histograms: [] })
    return this
  }

  value(row: MetricRow, labelValues: readonly string[], value: number): void {
    if (Number.isFinite(value)) this.#current(row).numbers.push(this.#point(row, labelValues, value))
  }

  single(row: MetricRow, value: number): void {
    this.family(row).value(row, [], value)
  }

  histogram(row: MetricRow, labelValues: readonly string[], reading: HistogramReading): void {
    // Ours are counts at or below each bound, theirs are counts of each bucket.
    const counts = reading.counts.map((count, at) => count - (reading.counts[at - 1] ?? 0))
    const value: Histogram = {
      buckets: { boundaries: reading.bounds.map((bound) => bound / 1000), counts },
      sum: reading.sum / 1000,
      count: reading.counts.at(-1) ?? 0,
    }
    this.#current(row).histograms.push(this.#point(row, labelValues, value))
  }

  /** Families without a point are left out. */
  data(): MetricData[] {
    return this.#families
      .filter(({ numbers, histograms }) => numbers.length + histograms.length > 0)
      .map((family) => this.#metric(family))
  }

  #metric({ row, numbers, histograms }: Family): MetricData {
    const { DataPointType, AggregationTemporality } = this.#sdk.metrics
    const base = {
      // Counts of retries are weighed by confidence: fractions.
      descriptor: { ...otlpName(row), description: row.help, valueType: this.#sdk.api.ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    }
    if (row.type === 'histogram') {
      return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints: histograms }
    }
    return row.type === 'counter'
      ? { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: numbers }
      : { ...base, dataPointType: DataPointType.GAUGE, dataPoints: numbers }
  }

  #current(row: MetricRow): Family {
    const family = this.#families.at(-1)
    if (family?.row !== row) throw new Error(`a series of ${row.name} outside its family`)
    return family
  }

  #point<T>(row: MetricRow, labelValues: readonly string[], value: T): DataPoint<T> {
    const attributes: Attributes = {}
    for (const [at, label] of row.labels.entries()) attributes[label] = labelValues[at] ?? ''
    return { startTime: this.#startTime, endTime: this.#endTime, attributes, value }
  }
}
