/** A row of the table of a replay, as people and programs read it. */
import type { Millis } from '../../core/model.ts'
import type { RuleTally } from './tally.ts'

export interface RuleResult {
  readonly upstream: string
  /** '' = no rule: a cap of the workflow, or Weir's own condition. `*` = all of them. */
  readonly rule: string
  readonly mode: 'enforce' | 'shadow'
  readonly held: number
  readonly slotted: number
  readonly shed: number
  readonly deferred: number
  /** How the holds ended; the rest of them had not when the journal did. */
  readonly released: number
  readonly expired: number
  readonly left: number
  readonly waitP50Ms: Millis
  readonly waitP99Ms: Millis
  readonly sparedAttempts: number
  readonly sparedFailures: number
  readonly critical: number
  readonly whileHealthy: number
}

export function ruleResult(rule: RuleTally): RuleResult {
  return {
    upstream: rule.upstream,
    rule: rule.rule,
    mode: rule.mode,
    held: rule.held,
    slotted: rule.slotted,
    shed: rule.shed,
    deferred: rule.deferred,
    released: rule.released,
    expired: rule.expired,
    left: rule.left,
    waitP50Ms: rounded(rule.waits.quantile(0.5)),
    waitP99Ms: rounded(rule.waits.quantile(0.99)),
    sparedAttempts: rule.spared,
    sparedFailures: rule.sparedFailures,
    critical: rule.critical,
    whileHealthy: rule.whileHealthy,
  }
}

function rounded(ms: Millis): Millis {
  return Math.round(ms * 10) / 10
}
