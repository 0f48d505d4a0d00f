/**
 * The metrics on their way to the collector: read, turned into data and sent, once in an interval, by the SDK's reader.
 *
 * They come from a MetricProducer and not from instruments: the core has counted already, and instruments would count
 * everything a second time, on the path of each call; a histogram cannot be filled from outside at all.
 */
import type { Resource } from '@opentelemetry/resources'
import type { MetricProducer } from '@opentelemetry/sdk-metrics'
import type { Millis } from '../../core/model.ts'
import type { MetricPage } from '../metric-page.ts'
import { exportOnce } from './export-once.ts'
import type { Exporter } from './export-once.ts'
import { MetricDataPage } from './metric-data-page.ts'
import type { OtlpSdk } from './sdk.ts'
import { hrTime } from './spans.ts'
import type { Scope } from './spans.ts'

export interface MetricExportOptions {
  readonly resource: Resource
  readonly scope: Scope
  /** As the exporter takes it: URL, headers, timeout. */
  readonly sending: {
    readonly url: string
    readonly headers: Record<string, string>
    readonly timeoutMillis: Millis
  }
  readonly intervalMs: Millis
  /** ms since 1970. */
  readonly wall: () => number
  readonly write: (page: MetricPage) => void
  readonly failed: (error: unknown) => void
}

export interface MetricExport {
  /** Exports once more, and ends. */
  shutdown(): Promise<void>
}

export function startMetricExport(sdk: OtlpSdk, options: MetricExportOptions): MetricExport {
  const { resource, scope, sending, wall } = options
  const { OTLPMetricExporter } = sdk.metricExporter
  const startTime = hrTime(wall())

  const producer: MetricProducer = {
    async collect() {
      const page = new MetricDataPage(sdk, startTime, hrTime(wall()))
      options.write(page)
      return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: page.data() }] }, errors: [] }
    },
  }

  class WatchedExporter extends OTLPMetricExporter {
    override export(...[metrics, done]: Parameters<OTLPMetricExporterOf['export']>): void {
      const relay: Exporter<typeof metrics> = {
        export: (items, end) =>
          super.export(items, (result) => {
            end(result)
            done(result)
          }),
      }
      // Past the deadline the reader has given up as well, and needs no answer.
      exportOnce(relay, metrics, sending.timeoutMillis).catch(options.failed)
    }
  }

  const reader = new sdk.metrics.PeriodicExportingMetricReader({
    exporter: new WatchedExporter(sending),
    exportIntervalMillis: options.intervalMs,
    exportTimeoutMillis: sending.timeoutMillis,
    metricProducers: [producer],
  })
  return new sdk.metrics.MeterProvider({ resource, readers: [reader] })
}

type OTLPMetricExporterOf = InstanceType<OtlpSdk['metricExporter']['OTLPMetricExporter']>
