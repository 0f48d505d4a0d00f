/**
 * `weir-proxy/bullmq`: a wrapper of a BullMQ processor. A job asks Weir before it runs; it waits in line for a while,
 * then goes back to its queue until its slot, which costs it no attempt; so does one that the upstream itself refused.
 * BullMQ itself is not imported: its errors are handed in.
 */
import type { Millis } from '../core/model.ts'
import { asName, endingOf, type AdmitClient, type Step } from './admit-client.ts'
import { CallRefused } from './refused.ts'

/** The part of `Job` that is used. */
export interface JobLike {
  readonly id?: string | undefined
  readonly name: string
  readonly queueName: string
  readonly attemptsMade: number
  /** Every start, those after a delay among them. */
  readonly attemptsStarted?: number
  moveToDelayed(timestamp: number, token?: string): Promise<void>
}

export interface BullMQOptions<J extends JobLike> {
  readonly admit: AdmitClient
  /** `DelayedError` of bullmq. */
  readonly DelayedError: new (message?: string) => Error
  /** `UnrecoverableError` of bullmq: a step that is refused for good is not tried again. */
  readonly UnrecoverableError: new (message?: string) => Error
  /** Which upstream a job will call, and what else is to be said of it; undefined = it is not asked about. */
  readonly stepOf: (job: J) => string | Step | undefined
  /** How long a job waits in line on its worker before it leaves it. Default: 5000. */
  readonly waitMs?: Millis
}

const WAIT_MS: Millis = 5000
/** Beyond so many starts that cost no attempt, an upstream's refusal is the job's failure: it may refuse for ever. */
const MOST_FREE_STARTS = 50

/** For `new Worker(queue, coordinatedProcessor({ ... }, processor))`. */
export function coordinatedProcessor<J extends JobLike, R>(
  options: BullMQOptions<J>,
  processor: (job: J, token?: string) => Promise<R>,
): (job: J, token?: string) => Promise<R> {
  const { admit, DelayedError, UnrecoverableError, waitMs = WAIT_MS } = options
  return async (job, token) => {
    const found = options.stepOf(job)
    if (found === undefined) return await processor(job, token)
    const step: Step = {
      step: asName(job.name),
      once: `${job.queueName}/${job.id ?? ''}`.slice(0, 256),
      attempt: Math.min(1000, job.attemptsMade + 1),
      ...(typeof found === 'string' ? { upstream: found } : found),
    }
    const comeBack = async (slotMs: Millis, message: string): Promise<never> => {
      await job.moveToDelayed(Date.now() + Math.ceil(slotMs), token)
      throw new DelayedError(message)
    }
    const pass = await admit.enter(step, { waitMs }).catch(async (error: unknown) => {
      if (!(error instanceof CallRefused)) throw error
      if (error.waitMs === undefined) throw new UnrecoverableError(error.message)
      return await comeBack(error.waitMs, error.message)
    })
    try {
      const result = await processor(job, token)
      await pass.end({ ended: 'success' })
      return result
    } catch (error) {
      const slotMs = await pass.end(endingOf(error))
      const isDecided = error instanceof UnrecoverableError || error instanceof DelayedError
      const freeStarts = (job.attemptsStarted ?? 0) - job.attemptsMade
      if (slotMs === undefined || isDecided || freeStarts > MOST_FREE_STARTS) throw error
      // The upstream refused it: it comes back at its slot, and not when the queue's backoff guesses.
      return await comeBack(slotMs, error instanceof Error ? error.message : String(error))
    }
  }
}
