/** What a refusal is where it is thrown instead of answered. */
import type { Millis, Reason, VerdictKind } from '../core/model.ts'

export interface RefusalFacts {
  readonly verdict: VerdictKind
  readonly reason: Reason
  /** Id of the rule that decided; '' = none did. */
  readonly rule: string
  /** Until the caller's own slot, from when it was thrown; undefined = refused for good. */
  readonly waitMs: Millis | undefined
}

/** Weir did not let a call go. It was sent nowhere. */
export class CallRefused extends Error {
  override readonly name = 'CallRefused'
  readonly verdict: VerdictKind
  readonly reason: Reason
  readonly rule: string
  readonly waitMs: Millis | undefined
  /** The same as an instant. */
  readonly at: Date | undefined

  constructor(message: string, { verdict, reason, rule, waitMs }: RefusalFacts) {
    super(message)
    this.verdict = verdict
    this.reason = reason
    this.rule = rule
    this.waitMs = waitMs
    this.at = waitMs === undefined ? undefined : new Date(Date.now() + waitMs)
  }

  /** It makes no sense to try this call again. */
  get isFinal(): boolean {
    return this.waitMs === undefined
  }
}
