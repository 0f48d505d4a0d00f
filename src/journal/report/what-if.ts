/** What given policies would have done with the calls of the journal: the figures of an open-loop replay. */
import type { Millis } from '../../core/model.ts'
import type { ReplayResult } from '../replay/replay-journal.ts'
import type { RuleResult } from '../replay/rule-result.ts'

export interface WhatIfFindings {
  /** The policies, as they are named to people. */
  readonly policies: string
  readonly held: number
  /** Asked back at an instant of their own. */
  readonly slotted: number
  readonly shed: number
  readonly deferred: number
  /** Attempts of the journal that would not have been made, and those of them that had failed. */
  readonly sparedAttempts: number
  readonly sparedFailures: number
  /** Of what was touched. */
  readonly critical: number
  readonly whileHealthy: number
  /** Longest of the rules' waits: half, and 99 of 100, waited no longer. */
  readonly waitP50Ms: Millis
  readonly waitP99Ms: Millis
  readonly rules: readonly RuleResult[]
  /** What an open loop cannot know, in sentences. */
  readonly unknowns: readonly string[]
}

export function whatIfOf(
  result: ReplayResult,
  policies: string,
  unknowns: readonly string[],
): WhatIfFindings {
  const { rules } = result.policies
  const sum = (of: (rule: RuleResult) => number): number => rules.reduce((total, rule) => total + of(rule), 0)
  const most = (of: (rule: RuleResult) => number): number => Math.max(0, ...rules.map(of))
  return {
    policies,
    held: sum(({ held }) => held),
    slotted: sum(({ slotted }) => slotted),
    shed: sum(({ shed }) => shed),
    deferred: sum(({ deferred }) => deferred),
    sparedAttempts: sum(({ sparedAttempts }) => sparedAttempts),
    sparedFailures: sum(({ sparedFailures }) => sparedFailures),
    critical: sum(({ critical }) => critical),
    whileHealthy: sum(({ whileHealthy }) => whileHealthy),
    waitP50Ms: most(({ waitP50Ms }) => waitP50Ms),
    waitP99Ms: most(({ waitP99Ms }) => waitP99Ms),
    rules,
    unknowns,
  }
}
