/**
 * How often each rule decided, since these policies were loaded. A call is counted when it ends: the core's verdict
 * tells the rule by its index, so calls that arrived under an earlier set of rules are left out.
 */
import type { Mode, Verdict, VerdictKind } from '../core/model.ts'

/** Calls by what became of them; `wouldHold` and the like are those of a rule in shadow mode. */
export interface RuleHits {
  readonly passed: number
  readonly held: number
  readonly shed: number
  readonly deferred: number
  readonly wouldHold: number
  readonly wouldShed: number
  readonly wouldDefer: number
}

export const NO_HITS: RuleHits = {
  passed: 0,
  held: 0,
  shed: 0,
  deferred: 0,
  wouldHold: 0,
  wouldShed: 0,
  wouldDefer: 0,
}

const KEYS = {
  enforce: { pass: 'passed', hold: 'held', shed: 'shed', defer: 'deferred' },
  shadow: { pass: undefined, hold: 'wouldHold', shed: 'wouldShed', defer: 'wouldDefer' },
} as const satisfies Record<Exclude<Mode, 'off'>, Record<VerdictKind, keyof RuleHits | undefined>>

export class RuleCounter {
  #hits: Record<keyof RuleHits, number>[] = []
  #since = -Infinity

  /** Another set of rules is in force from `at` (monotonic ms) on. */
  restart(at: number): void {
    this.#hits = []
    this.#since = at
  }

  /** A call that arrived at `arrivedAt` (monotonic ms) has ended. */
  ended(verdict: Verdict | undefined, arrivedAt: number): void {
    if (verdict === undefined || arrivedAt < this.#since) return
    this.#count(verdict.rule, KEYS.enforce[verdict.do])
    if (verdict.shadow !== undefined) this.#count(verdict.shadow.rule, KEYS.shadow[verdict.shadow.do])
  }

  /** By the rule's index. */
  of(index: number): RuleHits {
    return this.#hits[index] ?? NO_HITS
  }

  #count(rule: number, key: keyof RuleHits | undefined): void {
    if (rule < 0 || key === undefined) return
    const row = (this.#hits[rule] ??= { ...NO_HITS })
    row[key] += 1
  }
}
