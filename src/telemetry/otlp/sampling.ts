/**
 * Which calls are traced, as `parentbased_traceidratio` of the OpenTelemetry specification: the caller's own decision
 * counts when it sent one, otherwise the ratio, by the SDK's arithmetic on a trace id that is made here.
 */
import type { TraceContext, TraceParent } from './call-trace.ts'
import type { OtlpSdk } from './sdk.ts'

/** Undefined = not traced. */
export type Sample = (parent: TraceParent | undefined) => TraceContext | undefined

export function createSampling({ api, traces }: OtlpSdk, ratio: number): Sample {
  const sampler = new traces.TraceIdRatioBasedSampler(ratio)
  const ids = new traces.RandomIdGenerator()
  const { ROOT_CONTEXT } = api
  return (parent) => {
    if (parent !== undefined) {
      return parent.sampled ? { traceId: parent.traceId, parentSpanId: parent.spanId } : undefined
    }
    const traceId = ids.generateTraceId()
    const { decision } = sampler.shouldSample(ROOT_CONTEXT, traceId)
    return decision === traces.SamplingDecision.RECORD_AND_SAMPLED ? { traceId, parentSpanId: '' } : undefined
  }
}
