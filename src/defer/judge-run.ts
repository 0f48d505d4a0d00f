/**
 * What follows from one run of a deferred call: its end, or another run. The line that is never crossed: what is not
 * idempotent and may have reached the upstream is not sent again.
 */
import type { Millis } from '../core/model.ts'
import type { DeferredFacts, End } from './deferred-call.ts'
import type { AnswerMessage } from './packed-message.ts'

export interface RunResult {
  /** Whole, the upstream's or Weir's own; undefined = none came, or it was too large. */
  readonly answer: AnswerMessage | undefined
  readonly isUpstreams: boolean
  readonly isTooLarge: boolean
  /** Bytes of the call may have left for the upstream. */
  readonly wasSent: boolean
  /** Weir's rules refuse it for good. */
  readonly isFinal: boolean
  /** When it was asked back, from now; -1 = nothing was said. */
  readonly slotMs: Millis
}

export type Judgement =
  | { readonly do: 'end'; readonly end: End; readonly answer: AnswerMessage | undefined }
  /** `unwell`: there is no room at the upstream now, for this or for another call. */
  | { readonly do: 'again'; readonly delayMs: Millis; readonly unwell: boolean }

/** 429 and 503 say "later" of themselves; only what may be sent twice takes them at their word. */
const LATER: ReadonlySet<number> = new Set([429, 503])
/** Doubles with each attempt, as the SDKs do it (families.ts), up to a minute. */
const BACKOFF_MS = { first: 1000, most: 60_000 } as const

/**
 * @param attempts starts so far, this run's included
 * @param chance 0 <= x < 1; spreads what would come back together
 */
export function judgeRun(
  result: RunResult,
  facts: Pick<DeferredFacts, 'idempotent'>,
  attempts: number,
  mostAttempts: number,
  chance: number,
): Judgement {
  const { answer } = result
  const status = answer?.status ?? 0
  const mayTryAgain = facts.idempotent && attempts < mostAttempts
  const again = (unwell: boolean): Judgement => ({
    do: 'again',
    delayMs: result.slotMs >= 0 ? result.slotMs : backoff(attempts, chance),
    unwell,
  })
  const end = (ending: End['ending'], why: End['why']): Judgement => ({
    do: 'end',
    end: { ending, why, status },
    answer,
  })
  if (result.isTooLarge) return end('failed', 'answer-too-large')
  if (answer !== undefined && result.isUpstreams) {
    return mayTryAgain && LATER.has(status) ? again(true) : end('done', '')
  }
  if (result.isFinal) return end('failed', 'refused')
  if (!result.wasSent) return again(true)
  if (mayTryAgain) return again(false)
  return facts.idempotent ? end('failed', 'attempts') : end('unknown', 'no-answer')
}

function backoff(attempts: number, chance: number): Millis {
  const most = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** Math.min(attempts, 10))
  return Math.round(most * (0.5 + chance / 2))
}
