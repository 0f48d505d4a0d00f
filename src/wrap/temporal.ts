/**
 * `weir-proxy/temporal`: an interceptor of Temporal's activities. An activity asks Weir before it runs; it waits in line
 * for a while, then leaves its worker and comes back at its slot, by `nextRetryDelay`, which Temporal's server keeps
 * across restarts. Temporal itself is not imported: `ApplicationFailure` is handed in.
 */
import type { Millis } from '../core/model.ts'
import { asName, endingOf, type AdmitClient, type Step } from './admit-client.ts'
import { CallRefused } from './refused.ts'

/** The part of `Context` of `@temporalio/activity` that is used. */
export interface ActivityContext {
  readonly info: {
    readonly activityId: string
    readonly activityType: string
    readonly attempt: number
    readonly workflowExecution?: { readonly workflowId: string; readonly runId: string } | undefined
    readonly heartbeatTimeoutMs?: number | undefined
  }
  readonly cancellationSignal: AbortSignal
  heartbeat(details?: unknown): void
}

/** `ApplicationFailure` of `@temporalio/common`. */
export interface ApplicationFailureLike {
  create(options: {
    message?: string | null
    type?: string | null
    nonRetryable?: boolean | null
    nextRetryDelay?: number
    cause?: Error
  }): Error
}

export interface TemporalOptions {
  readonly admit: AdmitClient
  readonly ApplicationFailure: ApplicationFailureLike
  /** Which upstream an activity will call, and what else is to be said of it; undefined = it is not asked about. */
  readonly stepOf: (activityType: string) => string | Step | undefined
  /** How long an activity waits in line on its worker before it leaves it. Default: 5000. */
  readonly waitMs?: Millis
}

/** Type of the failure by which an activity leaves for its slot; it is no fault of the activity's. */
export const DEFERRED = 'WeirDeferred'
const WAIT_MS: Millis = 5000
const LEAST_HEARTBEAT_MS: Millis = 500

interface Inbound {
  execute<I, O>(input: I, next: (input: I) => Promise<O>): Promise<O>
}

/** For `interceptors.activity` of a worker. */
export function activityInterceptor(
  options: TemporalOptions,
): (context: ActivityContext) => { inbound: Inbound } {
  return (context) => ({
    inbound: {
      execute: async (input, next) => {
        const step = options.stepOf(context.info.activityType)
        if (step === undefined) return next(input)
        const given = typeof step === 'string' ? { upstream: step } : step
        return await runStep(options, context, given, () => next(input))
      },
    },
  })
}

async function runStep<O>(
  { admit, ApplicationFailure, waitMs = WAIT_MS }: TemporalOptions,
  context: ActivityContext,
  given: Step,
  work: () => Promise<O>,
): Promise<O> {
  const { info, cancellationSignal: signal } = context
  const { workflowId = '', runId = '' } = info.workflowExecution ?? {}
  const step: Step = {
    step: asName(info.activityType),
    ...(workflowId === '' ? {} : { workflow: asName(workflowId) }),
    once: `${workflowId}/${runId}/${info.activityId}`.slice(0, 256),
    attempt: Math.min(1000, info.attempt),
    ...given,
  }
  const stop = keepHeartbeat(context)
  const pass = await admit
    .enter(step, { waitMs, signal })
    .catch((error: unknown) => {
      throw error instanceof CallRefused ? leave(ApplicationFailure, error) : error
    })
    .finally(stop)
  try {
    const result = await work()
    await pass.end({ ended: 'success' })
    return result
  } catch (error) {
    const slotMs = await pass.end(endingOf(error, signal))
    if (slotMs === undefined || !(error instanceof Error) || isDecided(error)) throw error
    // The upstream refused it: it comes back at its slot, and not when the retry policy guesses.
    throw ApplicationFailure.create({
      message: error.message,
      type: error.name,
      nextRetryDelay: slotMs,
      cause: error,
    })
  }
}

function leave(ApplicationFailure: ApplicationFailureLike, refused: CallRefused): Error {
  const { message, waitMs } = refused
  if (waitMs === undefined) {
    return ApplicationFailure.create({ message, type: 'WeirRefused', nonRetryable: true, cause: refused })
  }
  return ApplicationFailure.create({ message, type: DEFERRED, nextRetryDelay: Math.ceil(waitMs) })
}

/** Whoever throws Temporal's own failures has decided how to go on. */
function isDecided(error: Error): boolean {
  return error.name === 'ApplicationFailure' || error.name === 'CancelledFailure'
}

/** A wait in line must not look like a dead worker. */
function keepHeartbeat(context: ActivityContext): () => void {
  const { heartbeatTimeoutMs } = context.info
  if (heartbeatTimeoutMs === undefined || heartbeatTimeoutMs <= 0) return () => {}
  const timer = setInterval(() => context.heartbeat(), Math.max(LEAST_HEARTBEAT_MS, heartbeatTimeoutMs / 3))
  return () => clearInterval(timer)
}
