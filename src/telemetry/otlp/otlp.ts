/**
 * The export to an OpenTelemetry collector, over OTLP/HTTP in JSON: spans of calls in batches, metrics on an interval.
 * Nothing here is on the path of a call but `sample` and `trace`, which take what they are given and return.
 */
import { randomUUID } from 'node:crypto'
import type { Resource } from '@opentelemetry/resources'
import type { Millis } from '../../core/model.ts'
import type { Log } from '../log.ts'
import type { MetricPage } from '../metric-page.ts'
import type { CallTrace } from './call-trace.ts'
import { ExportHealth } from './export-health.ts'
import type { OtlpReading } from './export-health.ts'
import { exportOnce } from './export-once.ts'
import { startMetricExport } from './metric-export.ts'
import type { OtlpOptions } from './options.ts'
import { createSampling } from './sampling.ts'
import type { Sample } from './sampling.ts'
import type { OtlpSdk } from './sdk.ts'
import { createSpanMaker } from './spans.ts'
import { TraceQueue } from './trace-queue.ts'

export interface Otlp {
  /** Whether a call is traced, asked at its end; undefined = traces are not exported at all. */
  readonly sample: Sample | undefined
  /** Takes the record of a traced call. */
  trace(call: CallTrace): void
  readonly reading: OtlpReading
  /** Sends what is left, for at most `END_WITHIN_MS`. */
  stop(): Promise<void>
}

export interface OtlpDeps {
  readonly version: string
  readonly log: Log
  /** ms since 1970. */
  readonly wall: () => number
  /** Writes all metrics, as they are now. */
  readonly writeMetrics: (page: MetricPage) => void
}

/** OTLP exporter specification: the default of OTEL_EXPORTER_OTLP_TIMEOUT, retries included. */
const EXPORT_WITHIN_MS: Millis = 10_000
/** The exporter's own timeout comes first, where it works: it says more. */
const GRACE_MS: Millis = 500
/** All that a slow collector may add to the end of the process. */
const END_WITHIN_MS: Millis = 2000

export function startOtlp(sdk: OtlpSdk, options: OtlpOptions, deps: OtlpDeps): Otlp {
  const { log, wall } = deps
  const health = new ExportHealth(log)
  const resource = resourceOf(sdk, options, deps.version)
  const scope = { name: 'weir', version: deps.version }
  const sending = (path: string, timeoutMillis: Millis) => ({
    url: `${options.endpoint.href.replace(/\/$/, '')}/${path}`,
    headers: { ...options.headers },
    timeoutMillis,
  })

  const queue = options.traces ? traceExport() : undefined
  const meters = options.metrics
    ? startMetricExport(sdk, {
        resource,
        scope,
        wall,
        sending: sending('v1/metrics', Math.min(EXPORT_WITHIN_MS, options.intervalMs)),
        intervalMs: options.intervalMs,
        write: deps.writeMetrics,
        failed: (error) => health.fail('metrics', error),
      })
    : undefined

  function traceExport(): TraceQueue {
    const exporter = new sdk.traceExporter.OTLPTraceExporter(sending('v1/traces', EXPORT_WITHIN_MS))
    const makeSpans = createSpanMaker(sdk, resource, scope)
    return new TraceQueue({
      lost: (spans, reason) => health.lost(spans, reason),
      async send(batch) {
        try {
          await exportOnce(exporter, batch.flatMap(makeSpans), EXPORT_WITHIN_MS + GRACE_MS)
        } catch (error) {
          health.fail('traces', error)
          throw error
        }
      },
    })
  }

  let stopping: Promise<void> | undefined

  async function stop(): Promise<void> {
    await Promise.all([
      queue?.stop(END_WITHIN_MS),
      meters === undefined ? undefined : within(meters.shutdown()),
    ])
  }

  return {
    sample: queue === undefined ? undefined : createSampling(sdk, options.sampleRatio),
    trace: (call) => queue?.add(call),
    reading: health,
    stop: () => (stopping ??= stop()),
  }
}

function resourceOf(sdk: OtlpSdk, options: OtlpOptions, version: string): Resource {
  const own = sdk.resources.resourceFromAttributes({
    'service.version': version,
    // Replicas are told apart by it: without one their counters would be one series that jumps.
    'service.instance.id': randomUUID(),
    ...options.resource,
    'service.name': options.serviceName,
  })
  return sdk.resources.defaultResource().merge(own)
}

/** Waits for the last export of the metrics, and not for long; its failure has been said already. */
async function within(ending: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, END_WITHIN_MS)
  })
  await Promise.race([ending.catch(() => {}), bound])
  clearTimeout(timer)
}
